"""activity: who was active on which day, how many in each period and window, and how many came back."""

from __future__ import annotations

import contextlib
import logging
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake import cli
from memberlake.activity import counts, days, identity, repair, retention, sketches
from memberlake.activity.night import Night
from memberlake.conf import Conf
from memberlake.lake.store import Lake
from memberlake.tables.gold.activity import (
    ACTIVE_COUNTS,
    ACTIVITY_CHANGES,
    ACTIVITY_DAYS,
    ACTIVITY_SKETCHES,
    RETENTION,
    SUBJECT_IDENTITY,
)
from memberlake.tables.silver import EVENTS, MEMBERS

READS = (EVENTS, MEMBERS)
WRITES = (SUBJECT_IDENTITY, ACTIVITY_DAYS, ACTIVITY_SKETCHES, ACTIVITY_CHANGES, ACTIVE_COUNTS, RETENTION)

log = logging.getLogger(__name__)


def run(lake: Lake, conf: Conf, as_of: date) -> None:
    """The tables are as of the last run's day. A later day and late events change what they touch; an earlier day
    makes everything anew."""
    unused = ACTIVITY_CHANGES if conf.activity.approximate else ACTIVITY_SKETCHES
    is_whole = all(lake.ready(table) for table in WRITES if table is not unused)
    with lake.since_last("activity", EVENTS, MEMBERS, rules=identity.rules(conf)) as changes:
        until: date | None = lake.read(ACTIVE_COUNTS).transform(repair.last_as_of).collect()[0][0]  # one row
        changed, members = changes[EVENTS], changes[MEMBERS]
        has_members = members is None or not members.isEmpty()
        dates: list[date] | None = []
        if not is_whole or changed is None or until is None or as_of < until:
            lake.forget("activity")  # a crash between the tables: they are made anew
            write_all_days(lake, conf, as_of)
            dates = None
        elif as_of > until or not changed.isEmpty():
            with lake.kept(changed):
                dates = write_night(lake, conf, changed, until, as_of)
        elif not has_members:
            return
        if has_members and conf.activity.member_columns and dates is not None:  # they count as known today
            write_changes(lake, conf, lake.read(ACTIVITY_DAYS))
            dates = None
        write_counts(lake, conf, dates, as_of)


def write_all_days(lake: Lake, conf: Conf, as_of: date) -> None:
    """From nothing; all but gold.active_counts. Events are put in order once, by subject: so the days are kept."""
    events, zone = lake.read(EVENTS), conf.business_timezone
    lake.replace(SUBJECT_IDENTITY, identity.stretches(events, zone))
    dated = events.transform(days.only_until, as_of, zone)
    rows = days.counted(dated, lake.read(SUBJECT_IDENTITY), conf.activity, as_of, lake.rows(EVENTS))
    rows = rows.transform(days.with_first_seen)
    with lake.kept(rows) as whole:
        lake.replace(ACTIVITY_DAYS, whole.repartition("active_on"))  # else each task has a file for each date
        sums = retention.sums(whole.transform(days.only_people))
        lake.replace(RETENTION, retention.triangle(sums, as_of))
        write_changes(lake, conf, whole, is_together=True)


def write_night(lake: Lake, conf: Conf, changed: DataFrame, until: date, as_of: date) -> list[date]:
    """Brings what was made as of `until` to as_of, by the days of the subjects concerned, before and after; all but
    gold.active_counts. Returns the dates on which a day is another."""
    held, known = lake.read(ACTIVITY_DAYS), lake.read(SUBJECT_IDENTITY)
    with contextlib.ExitStack() as stack:

        def kept(frame: DataFrame) -> DataFrame:
            """Computed now: Spark then knows that its rows are few, and does not shuffle all days to meet them."""
            frame = stack.enter_context(lake.kept(lake.settled(frame)))
            frame.count()
            return frame

        night = Night(held, known, lake.read(EVENTS), changed, until, as_of, conf, kept)
        names = night.names()
        exchange = night.exchange(names)

        lake.forget("activity")  # a crash between the tables: they are made anew
        write_sums(lake, conf, exchange.rows.transform(repair.with_ends, exchange.ends), as_of)
        if dates := exchange.dates:
            whole = held.transform(repair.of_dates, dates, exchange.before, exchange.rows)
            lake.replace(ACTIVITY_DAYS, whole.repartition("active_on"), active_on=dates)
        if names.has_renamed:
            lake.replace(SUBJECT_IDENTITY, names.now)
        elif not names.stretches.isEmpty():
            lake.append(SUBJECT_IDENTITY, names.stretches)
    return dates


def write_sums(lake: Lake, conf: Conf, rows: DataFrame, as_of: date) -> None:
    if not conf.activity.approximate:
        sums = changes(lake, conf, rows)
        sums = repair.added(lake.read(ACTIVITY_CHANGES), sums, counts.KEY, counts.SUMMED)
        lake.replace(ACTIVITY_CHANGES, sums)
    sums = retention.sums(rows.transform(days.only_people))
    sums = repair.added(retention.sums_of(lake.read(RETENTION)), sums, retention.KEY, retention.SUMMED)
    lake.replace(RETENTION, retention.triangle(sums, as_of))


def write_changes(lake: Lake, conf: Conf, whole: DataFrame, is_together: bool = False) -> None:
    """By all days; none where sketches are kept instead."""
    if not conf.activity.approximate:
        lake.replace(ACTIVITY_CHANGES, changes(lake, conf, whole, is_together))


def changes(lake: Lake, conf: Conf, rows: DataFrame, is_together: bool = False) -> DataFrame:
    rules = conf.activity
    return counts.changes(people(lake, conf, rows), rules.rolling_windows, rules.dimensions, is_together)


def people(lake: Lake, conf: Conf, rows: DataFrame) -> DataFrame:
    columns = conf.activity.member_columns
    return rows.transform(days.only_people).transform(counts.with_member_columns, lake.read(MEMBERS), columns)


def write_counts(lake: Lake, conf: Conf, dates: list[date] | None, as_of: date) -> None:
    """Args: dates: of days that are others now; None is all."""
    rules, members = conf.activity, lake.read(MEMBERS)
    if rules.approximate:
        rows = write_sketches(lake, conf, dates, as_of)
    else:
        rows = counts.per_window(lake.read(ACTIVITY_CHANGES), rules.rolling_windows, as_of)
    rows = rows.transform(counts.with_registered, members, rules.rolling_windows, as_of, conf.business_timezone)
    with lake.kept(rows) as whole:
        if not counts.broken(whole).isEmpty():
            raise ValueError("gold.active_counts: active is not the period before's - dormant + new + resurrected")
        lake.replace(ACTIVE_COUNTS, whole)
    if rules.robot_threshold:
        robots = lake.read(ACTIVITY_DAYS).where("is_robot").count()
        log.info("robots: %s days of a subject are not counted", f"{robots:,}")


def write_sketches(lake: Lake, conf: Conf, dates: list[date] | None, as_of: date) -> DataFrame:
    """Returns rows of gold.active_counts. Those of periods that end before the first of the dates stay."""
    rules, daily = conf.activity, lake.read(ACTIVITY_DAYS)
    touched = {} if dates is None else {"active_on": dates}
    again = daily if dates is None else daily.where(F.col("active_on").isin(dates))
    fresh = sketches.per_day(people(lake, conf, again), rules.dimensions, rules.sketch_lg_k)
    if dates != []:
        lake.replace(ACTIVITY_SKETCHES, fresh, **touched)
    held = lake.read(ACTIVE_COUNTS).drop("registered", "activity_rate")
    since = min(dates) if dates else None if dates is None else as_of + timedelta(days=1)
    before = held.where(F.col("period_end") < F.lit(since)) if since else held.limit(0)
    near = lake.read(ACTIVITY_SKETCHES)
    if since:
        near = near.where(F.col("active_on") >= F.lit(counts.range_start(since, rules.rolling_windows)))
    estimated = sketches.per_window(near, counts.starts(before), rules.rolling_windows, since, as_of, rules.sketch_lg_k)
    return before.unionByName(estimated)


if __name__ == "__main__":
    cli.main_job(run)
