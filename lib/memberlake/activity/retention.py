"""Retention: of the subjects new in a period, how many were active in a later one, and how many in it or after it."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.activity.days import owner, sign, with_links

GRAINS = ("week", "month")
KEY, SUMMED = ("grain", "cohort_start", "period"), ("active", "ends")


def sums(days: DataFrame) -> DataFrame:
    """How many subjects of a cohort were active in a period, and how many were for the last time; a sum over subjects.

    Args:
        days: gold.activity_days until as_of, without robots; maybe with `sign`, see `days.sign`. Days that are there
            with both signs may be left out of both, but for the first and the last.
    """
    whose = owner(days)
    until_here = Window.partitionBy(*whose).orderBy("active_on").rowsBetween(Window.unboundedPreceding, 0)
    linked = with_links(days.select(*whose, "active_on"), whose)
    return (
        linked.withColumn("first_on", F.min("active_on").over(until_here))
        .select("*", F.explode(F.array(*map(_of_grain, GRAINS))).alias("of"))
        .where("of.is_begun OR is_last")
        .groupBy("of.grain", "of.cohort_start", "of.period")
        .agg(
            F.sum(F.when(F.col("of.is_begun"), sign(days)).otherwise(0)).alias("active"),
            F.sum(F.when(F.col("is_last"), sign(days)).otherwise(0)).alias("ends"),
        )
    )


def sums_of(triangle: DataFrame) -> DataFrame:
    """The sums that gold.retention was made of."""
    next_cell = F.lead("rolling_retained").over(Window.partitionBy("grain", "cohort_start").orderBy("offset"))
    week, month = F.expr("date_add(cohort_start, 7 * offset)"), F.add_months("cohort_start", F.col("offset"))
    return triangle.select(
        "grain",
        "cohort_start",
        F.when(F.col("grain") == "week", week).otherwise(month).alias("period"),
        F.col("retained").alias("active"),
        (F.col("rolling_retained") - F.coalesce(next_cell, F.lit(0))).alias("ends"),
    )


def triangle(sums: DataFrame, as_of: date) -> DataFrame:
    """Rows of gold.retention: every cohort, at every offset whose period has begun by as_of."""
    held = F.map_from_entries(F.collect_list(F.struct("period", F.struct("active", "ends"))))
    starts = F.when(F.col("grain") == "week", _starts("week", as_of)).otherwise(_starts("month", as_of))
    cohort = Window.partitionBy("grain", "cohort_start").orderBy(F.desc("period"))
    from_here = cohort.rowsBetween(Window.unboundedPreceding, 0)
    period_end = calendar.period_end(F.col("grain"), F.col("period"))
    cells = sums.groupBy("grain", "cohort_start").agg(held.alias("held"), F.sum("ends").alias("subjects"))
    return (
        cells.select("grain", "cohort_start", "subjects", "held", F.posexplode(starts).alias("offset", "period"))
        .withColumn("cell", F.try_element_at("held", F.col("period")))
        .withColumn("retained", F.coalesce("cell.active", F.lit(0)))
        .withColumn("rolling_retained", F.sum(F.coalesce("cell.ends", F.lit(0))).over(from_here))
        .select(
            "grain", "cohort_start", "offset", "subjects", "retained",
            (F.col("retained") / F.col("subjects")).alias("rate"),
            "rolling_retained",
            (F.col("rolling_retained") / F.col("subjects")).alias("rolling_rate"),
            (period_end <= F.lit(as_of)).alias("is_complete"),
        )
    )  # fmt: skip


def _of_grain(grain: str) -> Column:
    """The cohort of a day's subject, the day's period, and whether the day is the subject's first one in it."""
    period, before = F.trunc("active_on", grain), F.trunc("previous_on", grain)
    return F.struct(
        F.lit(grain).alias("grain"),
        F.trunc("first_on", grain).alias("cohort_start"),
        period.alias("period"),
        F.coalesce(before < period, F.lit(True)).alias("is_begun"),
    )


def _starts(grain: str, as_of: date) -> Column:
    step = F.expr("INTERVAL 7 DAY" if grain == "week" else "INTERVAL 1 MONTH")
    return F.sequence(F.col("cohort_start"), F.trunc(F.lit(as_of), grain), step)
