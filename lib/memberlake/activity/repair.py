"""What a night changes: the active days of some subjects, and with them the sums that they are part of.

Everything that is counted is a sum over subjects. So only two kinds of subjects are looked at: those who came on a new
date, and those of whose earlier days one may be another now, by a late or corrected event or by a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake.activity import days, identity

DAY = ["subject_id", "active_on"]


def last_as_of(counts: DataFrame) -> DataFrame:
    """The as_of of the run that wrote gold.active_counts, one row; NULL when nobody was active."""
    of_days = counts.where((F.col("window") == "day") & (F.col("dimension") == "all"))
    return of_days.agg(F.max("period_end").alias("as_of"))


def by_events(
    changed: DataFrame, identities: Sequence[DataFrame], types: Sequence[str], zone: str, until: date
) -> DataFrame:
    """Days of a subject, until `until`, on which an active event came, went or was changed, whoever it may belong to.

    Args:
        changed: changed events, old and new form.
        identities: gold.subject_identity as it was, and what came to it.
    """
    active = changed.transform(days.only_active, types).transform(days.only_until, until, zone)
    named = active.where(F.col("member_id").isNotNull()).select(F.col("member_id").alias("subject_id"), "active_on")
    nameless = active.where(F.col("member_id").isNull()).select("visitor_id", "active_on")
    subjects = identity.subjects(nameless, *identities)
    return named.unionByName(nameless.join(subjects, on="visitor_id", how="inner").select(*DAY)).distinct()


def by_identity(claims: DataFrame, seen: DataFrame) -> DataFrame:
    """Days of a subject that a visitor's events may have left, or may have come to.

    Args:
        claims: see `identity.claims`.
        seen: see `seen`, of the subjects of the claims.
    """
    had = claims.where("had_it").join(seen, on="subject_id", how="inner")
    dates = had.where(F.col("active_on") >= F.col("from_on")).select("visitor_id", "active_on").distinct()
    return dates.join(claims, on="visitor_id", how="inner").select(*DAY).distinct()


def seen(held: DataFrame, of_events: DataFrame, claims: DataFrame, fresh: DataFrame) -> DataFrame:
    """What gold.activity_days says of some subjects: `first_on` and `last_on`, robots' days apart. Of those who may
    have moved, by events or claims, a row for each day; of the others one in all, with NULL for `active_on`.

    A scan of all subjects and days, but of three columns only.
    """
    asked = _either(of_events.select("subject_id").unionByName(claims.select("subject_id")), fresh, "may_have_moved")
    counted = F.when(~F.col("is_robot"), F.col("active_on"))
    return (
        held.join(asked, on="subject_id", how="inner")
        .groupBy("subject_id", F.when(F.col("may_have_moved"), F.col("active_on")).alias("active_on"))
        .agg(F.min(counted).alias("first_on"), F.max(counted).alias("last_on"))
    )


def concerned(again: DataFrame, fresh: DataFrame, seen: DataFrame) -> DataFrame:
    """Subjects that have other days now: `is_moved` when it is not only by new dates; else `known_first` and
    `known_last` of their days until now."""
    spans = seen.groupBy("subject_id").agg(F.min("first_on").alias("known_first"), F.max("last_on").alias("known_last"))
    ends = {name: F.when(~F.col("is_moved"), F.col(name)) for name in ("known_first", "known_last")}
    return _either(again, fresh, "is_moved").join(spans, on="subject_id", how="left").withColumns(ends)


def before(held: DataFrame, concerned: DataFrame, dates: Sequence[date], near: date) -> DataFrame:
    """Their rows that matter: all of who moved, who have none but on `dates`; of the others those from `near` on."""
    is_near = F.col("active_on") >= F.lit(near)
    theirs = held.where(is_near | F.col("active_on").isin(*dates)).join(
        concerned.select("subject_id", "is_moved"), on="subject_id", how="inner"
    )
    return theirs.where(is_near | F.col("is_moved")).drop("is_moved")


def exchanged(
    before: DataFrame, again: DataFrame, counted: DataFrame, fresh: DataFrame, concerned: DataFrame
) -> DataFrame:
    """The rows of `before` with `sign` -1, and with 1 those that stand in their place and those of the new dates.

    Args:
        again: days of a subject that are computed again.
        counted: what they are now, and perhaps other days.
        fresh: of the new dates.
    """
    stays = before.drop("first_seen_on").join(again, on=DAY, how="left_anti")
    rows = stays.unionByName(counted.join(again, on=DAY, how="left_semi")).unionByName(fresh)
    known = rows.join(concerned.select("subject_id", "known_first"), on="subject_id", how="inner")
    after = known.transform(days.with_first_seen).drop("known_first")
    return before.withColumn("sign", F.lit(-1)).unionByName(after.withColumn("sign", F.lit(1)))


def with_ends(exchanged: DataFrame, concerned: DataFrame) -> DataFrame:
    """Adds to both sides the first and the last day until now of those who did not move."""
    days = F.explode(F.array("known_first", "known_last")).alias("active_on")
    ends = concerned.select("subject_id", days).where(F.col("active_on").isNotNull())
    both = ends.withColumn("sign", F.explode(F.array(F.lit(-1), F.lit(1))))
    return exchanged.select(*DAY, "sign").unionByName(both)


def differing(exchanged: DataFrame) -> DataFrame:
    """Rows that are not the same on both sides."""
    columns = [name for name in exchanged.columns if name != "sign"]
    return exchanged.groupBy(*columns).agg(F.sum("sign").alias("sign")).where("sign <> 0")


def added(held: DataFrame, more: DataFrame, key: Sequence[str], summed: Sequence[str]) -> DataFrame:
    """Sums by key, with more of them. Whole numbers: what was added can be taken off again, exactly."""
    sums = held.unionByName(more).groupBy(*key).agg(*[F.sum(name).alias(name) for name in summed])
    return sums.where(F.greatest(*[F.abs(name) for name in summed]) > 0)


def _either(moved: DataFrame, fresh: DataFrame, name: str) -> DataFrame:
    """The subjects of both, and whether they are of the first."""
    sides = [each.select("subject_id", F.lit(said).alias(name)) for each, said in ((moved, True), (fresh, False))]
    return sides[0].unionByName(sides[1]).groupBy("subject_id").agg(F.max(name).alias(name))
