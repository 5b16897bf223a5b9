"""Estimates for very large numbers of subjects: a sketch a day and value of a dimension, and their unions.

A HyperLogLog sketch of 2^k registers has a standard error of 1.04 / sqrt(2^k) of the count, whatever is united. A
day's sketch is some kilobytes, so a window of any width costs the reading of its days' sketches; no subject is looked
at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.activity import counts


def relative_error(lg_k: int) -> float:
    """Two estimates of three are nearer to the truth than this part of it."""
    return float(1.04 / 2 ** (lg_k / 2))


def per_day(days: DataFrame, dimensions: Sequence[str], lg_k: int) -> DataFrame:
    """Rows of gold.activity_sketches.

    Args:
        days: gold.activity_days without robots, with a column for each dimension that is one of members.
    """
    channels = F.transform("channels", lambda channel: counts.value("channel", channel))
    of_subject = counts.of_subject(dimensions)
    values = F.concat(of_subject, channels) if "channel" in dimensions else of_subject
    return (
        days.select("active_on", "subject_id", F.explode(values).alias("value"))
        .groupBy("active_on", "value.dimension", "value.dimension_value")
        .agg(F.hll_sketch_agg("subject_id", lg_k).alias("sketch"))
    )


def per_window(
    sketches: DataFrame, starts: DataFrame, windows: Sequence[int], since: date | None, as_of: date, lg_k: int
) -> DataFrame:
    """Rows of gold.active_counts as `counts.per_window` gives them, estimated; the lifecycle is not known.

    Args:
        sketches: of all days, or of those from `range_start(since)` on.
    """
    widths = sorted({counts.STICKY, *windows})
    firsts = sketches.groupBy("dimension", "dimension_value").agg(F.min("active_on").alias("first_on"))
    begin = counts.range_start(since, windows) if since else None
    all_periods = counts.spine(firsts.unionByName(starts), widths, begin, as_of)

    def held(window: str, on: Column) -> Column:
        return F.struct(F.lit(window).alias("window"), on.alias("starts"))

    day = F.col("active_on")
    of_calendar = [held(g, F.array(counts.period(g, "active_on"))) for g in counts.GRAINS]
    of_rolling = [held(f"rolling_{w}", F.sequence(day, F.date_add(day, w - 1))) for w in widths]
    estimated = (
        sketches.select(
            "dimension", "dimension_value", "sketch", F.explode(F.array(*of_calendar, *of_rolling)).alias("of")
        )
        .select("dimension", "dimension_value", "sketch", "of.window", F.explode("of.starts").alias("due_on"))
        .where(F.col("due_on") <= F.lit(as_of))
        .groupBy(*counts.KEY)
        .agg(F.hll_sketch_estimate(F.hll_union_agg("sketch")).alias("active"))
    )
    counted = (
        estimated.unionByName(all_periods, allowMissingColumns=True)
        .groupBy(*counts.KEY)
        .agg(F.max("width").alias("width"), F.coalesce(F.max("active"), F.lit(0)).alias("active"))
        .withColumns({name: F.lit(None).cast("long") for name in counts.LIFECYCLE})
    )
    rows = counts.as_rows(counted, windows, as_of).withColumn("relative_error", F.lit(relative_error(lg_k)))
    return rows.where(F.col("period_end") >= F.lit(since)) if since else rows
