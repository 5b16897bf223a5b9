"""A night of the job `activity`: whom it concerns, who they are now, and the days of theirs before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake.activity import counts, days, identity, repair
from memberlake.conf import Conf


class Names(NamedTuple):
    """Who visitors are now."""

    visitors: DataFrame  # those whose stretches may be others
    stretches: DataFrame  # all of theirs
    now: DataFrame  # gold.subject_identity, as it is to be
    has_renamed: bool  # one of them had a stretch before; else `stretches` are only added


class Exchange(NamedTuple):
    """Days of subjects before and after."""

    before: DataFrame  # rows of gold.activity_days of those who moved
    rows: DataFrame  # see `repair.exchanged`
    ends: DataFrame  # see `repair.ends`
    dates: list[date]  # on which a day is another


@dataclass(frozen=True)
class Night:
    """Between the tables as of `until` and as of as_of.

    Attributes:
        held, known: gold.activity_days and gold.subject_identity, as of `until`.
        changed: changed events, old and new form.
        keep: computes a frame at once, for all its uses.
    """

    held: DataFrame
    known: DataFrame
    events: DataFrame
    changed: DataFrame
    until: date
    as_of: date
    conf: Conf
    keep: Callable[[DataFrame], DataFrame]

    def names(self) -> Names:
        zone = self.conf.business_timezone
        visitors = self.keep(identity.renewed(self.known, self.changed))
        stretches = self.keep(identity.renewal(visitors, self.known, self.changed, self._counted, zone))
        now = self.known.join(visitors, on="visitor_id", how="left_anti").unionByName(stretches)
        has_renamed = not identity.of_visitors(self.known, visitors).isEmpty()
        return Names(visitors, stretches, now, has_renamed)

    def exchange(self, names: Names) -> Exchange:
        """Looks at who came on a new date, and at those of whose earlier days one may be another now."""
        keep, held, rules, zone = self.keep, self.held, self.conf.activity, self.conf.business_timezone

        # who came on the new dates
        new = [self.until + timedelta(days=n + 1) for n in range((self.as_of - self.until).days)]
        near = counts.range_start(new[0], rules.rolling_windows) if new else self.as_of
        fresh = keep(self._per_day(self._counted.transform(days.only_on, new, zone), names))

        # whose earlier days may be others, and the days of theirs that matter
        claims = keep(identity.claims(self.known, names.now, names.visitors, self.until, self.as_of))
        identities = (self.known, names.stretches)
        of_events = keep(repair.by_events(self.changed, identities, rules.active_event_types, zone, self.until))
        asked = keep(repair.asked(of_events, claims, fresh))
        lasts = keep(repair.lasts(held, asked, near))
        others = keep(repair.others(asked, lasts))
        seen = keep(repair.seen(held, others))
        again = keep(of_events.unionByName(repair.by_identity(claims, seen)).distinct())
        moved = again.select("subject_id").distinct()
        ends = keep(repair.ends(held, asked, lasts, seen, moved))

        # their days as they were, and as they are now
        theirs = _dates(seen.join(moved, on="subject_id", how="left_semi"))
        before = keep(held.where(F.col("active_on").isin(theirs)).join(moved, on="subject_id", how="left_semi"))
        of_dates = self._counted.transform(days.only_on, _dates(again), zone)
        reread = keep(of_dates.transform(identity.of_subjects, moved, names.now))
        rows = keep(repair.exchanged(before, again, self._per_day(reread, names), fresh, ends))
        earlier = rows.where(F.col("active_on") <= F.lit(self.until))
        return Exchange(before, rows, ends, sorted({*new, *_dates(repair.differing(earlier))}))

    @property
    def _counted(self) -> DataFrame:
        """The events, without the columns that nothing is counted by: they are read to be kept."""
        return self.events.drop("session_id", "object_id", "received_at")

    def _per_day(self, dated: DataFrame, names: Names) -> DataFrame:
        stretches = identity.of_visitors(names.now, dated)
        return days.counted(dated, stretches, self.conf.activity, self.as_of)


def _dates(rows: DataFrame) -> list[date]:
    return sorted(row[0] for row in rows.select("active_on").distinct().collect())  # business dates: few
