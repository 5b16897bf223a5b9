"""Active days: one row a subject and business date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.activity import identity
from memberlake.conf.activity import ActivityConf

UNKNOWN = "unknown"  # stands for no channel, and for no value of a member's column


def only_active(events: DataFrame, types: Sequence[str]) -> DataFrame:
    return events.where(F.col("event_type").isin(*types))


def only_until(events: DataFrame, as_of: date, zone: str) -> DataFrame:
    """Events with a business date of as_of or earlier, with it as `active_on`."""
    return calendar.dated(events, "occurred_at", None, as_of, zone, "active_on")


def only_on(events: DataFrame, dates: Sequence[date], zone: str) -> DataFrame:
    """Events of some business dates, with it as `active_on`."""
    instant = F.col("occurred_at")
    of_dates = events.where(calendar.on_dates(instant, dates, zone))
    return of_dates.withColumn("active_on", calendar.business_date(instant, zone))


def by_subject(rows: DataFrame, count: int) -> DataFrame:
    """The rows of a subject together; of so many in all, a million in a part: what is grouped in one then stays in a
    processor's cache, however few tasks Spark would make."""
    parts = count // 1_000_000
    return rows.repartition(parts, "subject_id") if parts else rows.repartition("subject_id")


def per_day(events: DataFrame, robot_threshold: int | None, count: int = 0) -> DataFrame:
    """Rows of gold.activity_days but for first_seen_on, in the order of subjects and days: first days and retention
    need it too, and of a cached frame Spark takes it as it is.

    Args:
        events: active events, with subject_id, is_member and active_on.
        robot_threshold: a subject with more events on a day is a robot on it; None: nobody is.
        count: of the events, about.
    """
    first = F.struct("occurred_at", "event_id")
    in_order = by_subject(events, count).sortWithinPartitions("subject_id", "active_on")
    return (
        in_order.groupBy("subject_id", "active_on")
        .agg(
            F.max("is_member").alias("is_member"),
            F.min_by("channel", first).alias("channel"),
            F.count(F.lit(1)).alias("events"),
            F.array_sort(F.collect_set(F.coalesce("channel", F.lit(UNKNOWN)))).alias("channels"),
        )
        .withColumn("is_robot", F.col("events") > robot_threshold if robot_threshold else F.lit(False))
    )


def counted(dated: DataFrame, stretches: DataFrame, rules: ActivityConf, as_of: date, count: int = 0) -> DataFrame:
    """`per_day` of events with `active_on`, by whoever their visitors are known as by as_of."""
    active = dated.transform(only_active, rules.active_event_types)
    return per_day(active.transform(identity.with_subject, stretches, as_of), rules.robot_threshold, count)


def only_people(days: DataFrame) -> DataFrame:
    """Without the days on which a subject was a robot."""
    return days.where(~F.col("is_robot"))


def with_first_seen(days: DataFrame) -> DataFrame:
    """Adds `first_seen_on` to days of some subjects. A robot's day is nobody's first.

    Args:
        days: all of them; or with a column `known_first`, the first of those that are left out.
    """
    of_subject = Window.partitionBy("subject_id").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    first = F.min(F.when(~F.col("is_robot"), F.col("active_on"))).over(of_subject)
    if "known_first" in days.columns:
        first = F.least(first, "known_first")  # passes over a NULL
    is_first = F.coalesce(F.col("active_on") == first, F.lit(False)) & ~F.col("is_robot")
    return days.withColumn("first_seen_on", is_first)


def sign(days: DataFrame) -> Column:
    """What a day counts: 1; or -1 where a column `sign` says so, to take off what the day once added."""
    return F.col("sign") if "sign" in days.columns else F.lit(1)


def owner(days: DataFrame) -> list[str]:
    """Whose days follow one another: those of a subject, of one `sign` where there is one."""
    return [name for name in ("subject_id", "sign") if name in days.columns]


def with_links(days: DataFrame, whose: Sequence[str]) -> DataFrame:
    """Adds `previous_on`, the day before among those of the same `whose`, and whether it `is_last`."""
    in_order = Window.partitionBy(*whose).orderBy("active_on")
    linked = days.withColumn("previous_on", F.lag("active_on").over(in_order))
    return linked.withColumn("is_last", F.lead("active_on").over(in_order).isNull())
