"""What a run has to write again: dates of gold.activity_days, and from which day on the counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.activity import identity
from memberlake.activity.days import only_active


def last_as_of(counts: DataFrame) -> DataFrame:
    """The as_of of the run that wrote gold.active_counts, one row; NULL when nobody was active."""
    days = counts.where((F.col("window") == "day") & (F.col("dimension") == "all"))
    return days.agg(F.max("period_end").alias("as_of"))


def dates_of_events(changed: DataFrame, types: Sequence[str], zone: str, as_of: date) -> DataFrame:
    """Dates on which an active event came, went or was changed."""
    on = calendar.business_date(F.col("occurred_at"), zone).alias("active_on")
    return changed.transform(only_active, types).select(on).where(F.col("active_on") <= F.lit(as_of)).distinct()


def dates_of_identity(
    days: DataFrame, before: DataFrame, after: DataFrame, visitors: DataFrame, until: date, as_of: date
) -> DataFrame:
    """Dates on which the events of a visitor belong to another subject as of `as_of` than they did as of `until`.

    Args:
        days: gold.activity_days as of `until`.
        before, after: gold.subject_identity as it was, and as it is now.
        visitors: those that changed.
    """
    lately = before.where(F.col("identified_on") > F.lit(until)).select("visitor_id")
    concerned = visitors.select("visitor_id").unionByName(lately)

    def seen(stretches: DataFrame, day: date) -> DataFrame:
        return stretches.where(F.col("identified_on") <= F.lit(day)).join(concerned, on="visitor_id", how="left_semi")

    moved = identity.differing(seen(before, until), seen(after, as_of))
    held = days.join(moved, on="subject_id", how="inner")
    return (
        held.where(F.col("from_on").isNull() | (F.col("active_on") >= F.col("from_on"))).select("active_on").distinct()
    )
