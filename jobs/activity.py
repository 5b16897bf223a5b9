"""activity: who was active on which day, how many in each period and window, and how many came back."""

from __future__ import annotations

import contextlib
import logging
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake import cli
from memberlake.activity import counts, days, identity, repair, retention, sketches
from memberlake.conf import Conf
from memberlake.lake.store import Lake
from memberlake.tables.gold.activity import ACTIVE_COUNTS, ACTIVITY_DAYS, ACTIVITY_SKETCHES, RETENTION, SUBJECT_IDENTITY
from memberlake.tables.silver import EVENTS, MEMBERS

READS = (EVENTS, MEMBERS)
WRITES = (SUBJECT_IDENTITY, ACTIVITY_DAYS, ACTIVITY_SKETCHES, ACTIVE_COUNTS, RETENTION)

log = logging.getLogger(__name__)


def run(lake: Lake, conf: Conf, as_of: date) -> None:
    """The tables are as of the last run's day. A later day and late events change what they touch; an earlier day
    makes everything anew."""
    with lake.since_last("activity", EVENTS, MEMBERS, rules=(conf.activity, conf.business_timezone)) as changes:
        until: date | None = lake.read(ACTIVE_COUNTS).transform(repair.last_as_of).collect()[0][0]  # one row
        changed, members = changes[EVENTS], changes[MEMBERS]
        nothing = as_of + timedelta(days=1)
        if changed is None or until is None or as_of < until:
            lake.forget("activity")  # a crash between the tables: they are made anew
            write_all_days(lake, conf, as_of)
            since = None
        else:
            with lake.kept(changed):
                since = write_touched_days(lake, conf, changed, until, as_of) or nothing
        if members is None or not members.isEmpty():
            since = None if conf.activity.member_columns else since
        elif since == nothing:
            return
        write_counts(lake, conf, since, as_of)


def write_all_days(lake: Lake, conf: Conf, as_of: date) -> None:
    events, zone = lake.read(EVENTS), conf.business_timezone
    lake.replace(SUBJECT_IDENTITY, identity.stretches(events, zone))
    dated = events.transform(days.only_until, as_of, zone)
    rows = per_day(lake, conf, dated, as_of).transform(days.with_first_seen)
    lake.replace(ACTIVITY_DAYS, rows.repartition("active_on"))  # else each task has a file for each date


def write_touched_days(lake: Lake, conf: Conf, changed: DataFrame, until: date, as_of: date) -> date | None:
    """Returns the first day that may be another now; None: none is."""
    events, zone = lake.read(EVENTS), conf.business_timezone
    held, identified = lake.read(ACTIVITY_DAYS), lake.read(SUBJECT_IDENTITY)
    visitors, stretches = identity.renewed(identified, changed, events, zone)
    with lake.kept(visitors) as visitors, lake.kept(stretches) as stretches:
        now = identified.join(visitors, on="visitor_id", how="left_anti").unionByName(stretches)
        of_events = repair.dates_of_events(changed, conf.activity.active_event_types, zone, as_of)
        of_identity = repair.dates_of_identity(held, identified, now, visitors, until, as_of)
        touched = {row[0] for row in of_events.unionByName(of_identity).distinct().collect()}  # days are few
        touched |= {until + timedelta(days=n + 1) for n in range((as_of - until).days)}
        if not touched and visitors.isEmpty():
            return None
        lake.forget("activity")
        if not visitors.isEmpty():
            lake.replace(SUBJECT_IDENTITY, now)
    if not touched:
        return None
    dates = sorted(touched)
    fresh = per_day(lake, conf, events.transform(days.only_on, dates, zone), as_of)
    with lake.kept(days.rewritten(fresh, held, dates)) as rows:
        # collected: business dates
        firsts = sorted({row[0] for row in rows.select("active_on").distinct().collect()} - touched)
        others = held.where(F.col("active_on").isin(firsts))
        others = others.join(rows, on=["subject_id", "active_on"], how="left_anti")
        lake.replace(ACTIVITY_DAYS, rows.unionByName(others).repartition("active_on"), active_on=[*dates, *firsts])
    first: date = dates[0]
    return first


def per_day(lake: Lake, conf: Conf, dated: DataFrame, as_of: date) -> DataFrame:
    active = dated.transform(days.only_active, conf.activity.active_event_types)
    known = active.transform(identity.with_subject, lake.read(SUBJECT_IDENTITY), as_of)
    return days.per_day(known, conf.activity.robot_threshold)


def write_counts(lake: Lake, conf: Conf, since: date | None, as_of: date) -> None:
    rules, members = conf.activity, lake.read(MEMBERS)
    people = lake.read(ACTIVITY_DAYS).where(~F.col("is_robot"))
    begin = counts.range_start(since, rules.rolling_windows) if since else None
    near = people.where(F.col("active_on") >= F.lit(begin)) if begin else people
    near = counts.with_member_columns(near, members, rules.member_columns)
    held = lake.read(ACTIVE_COUNTS).drop("registered", "activity_rate")
    before = held.where(F.col("period_end") < F.lit(since)) if since else held.limit(0)
    with contextlib.ExitStack() as stack:
        starts = counts.starts(before)
        if rules.approximate:
            write_sketches(lake, conf, near, since)
            daily = lake.read(ACTIVITY_SKETCHES)
            of_range = daily.where(F.col("active_on") >= F.lit(begin)) if begin else daily
            fresh = sketches.per_window(of_range, starts, rules.rolling_windows, since, as_of, rules.sketch_lg_k)
        else:
            linked = stack.enter_context(lake.kept(counts.linked(near, rules.dimensions)))
            fresh = counts.per_window(linked, starts, rules.rolling_windows, rules.dimensions, since, as_of)
        whole = before.unionByName(fresh).transform(
            counts.with_registered, members, rules.rolling_windows, as_of, conf.business_timezone
        )
        whole = stack.enter_context(lake.kept(whole))
        if not counts.broken(whole).isEmpty():
            raise ValueError("gold.active_counts: active is not the period before's - dormant + new + resurrected")
        lake.replace(ACTIVE_COUNTS, whole)
    lake.replace(RETENTION, retention.triangle(people, as_of))
    if rules.robot_threshold:
        robots = lake.read(ACTIVITY_DAYS).where("is_robot").count()
        log.info("robots: %s days of a subject are not counted", f"{robots:,}")


def write_sketches(lake: Lake, conf: Conf, near: DataFrame, since: date | None) -> None:
    """Of the days from `since` on; the earlier ones stay."""
    fresh = near.where(F.col("active_on") >= F.lit(since)) if since else near
    held = lake.read(ACTIVITY_SKETCHES)
    before = held.where(F.col("active_on") < F.lit(since)) if since else held.limit(0)
    lake.replace(
        ACTIVITY_SKETCHES,
        before.unionByName(sketches.per_day(fresh, conf.activity.dimensions, conf.activity.sketch_lg_k)),
    )


if __name__ == "__main__":
    cli.main_job(run)
