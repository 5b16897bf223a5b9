"""Retention: of the subjects new in a period, how many were active in a later one, and how many in it or after it."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

GRAINS = ("week", "month")


def triangle(days: DataFrame, as_of: date) -> DataFrame:
    """Rows of gold.retention: every cohort, at every offset whose period has begun by as_of.

    Args:
        days: all of gold.activity_days until as_of, without robots.
    """
    subjects = days.groupBy("subject_id").agg(
        F.min("active_on").alias("first_on"),
        F.max("active_on").alias("last_on"),
        *[F.collect_set(F.trunc("active_on", g)).alias(g) for g in GRAINS],
    )
    sums = (
        subjects.select(F.explode(F.array(*map(_of_grain, GRAINS))).alias("of"))
        .select("of.grain", "of.cohort_start", F.explode("of.entries").alias("entry"))
        .groupBy("grain", "cohort_start", F.col("entry.period"))
        .agg(F.sum("entry.active").alias("active"), F.sum("entry.ends").alias("ends"))
    )
    cohort = Window.partitionBy("grain", "cohort_start")
    from_here = cohort.orderBy(F.desc("period")).rowsBetween(Window.unboundedPreceding, 0)
    whole = cohort.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    is_week = F.col("grain") == "week"
    offset = F.when(is_week, F.date_diff("period", "cohort_start") / 7).otherwise(
        F.months_between("period", "cohort_start")
    )
    period_end = F.when(is_week, F.date_add("period", 6)).otherwise(F.last_day("period"))
    return (
        _cells(sums, as_of)
        .join(sums, on=["grain", "cohort_start", "period"], how="left")
        .withColumns({name: F.coalesce(F.col(name), F.lit(0)) for name in ("active", "ends")})
        .withColumns(
            {
                "offset": F.round(offset).cast("int"),
                "subjects": F.sum("ends").over(whole),
                "rolling_retained": F.sum("ends").over(from_here),
            }
        )
        .select(
            "grain", "cohort_start", "offset", "subjects", F.col("active").alias("retained"),
            (F.col("active") / F.col("subjects")).alias("rate"),
            "rolling_retained",
            (F.col("rolling_retained") / F.col("subjects")).alias("rolling_rate"),
            (period_end <= F.lit(as_of)).alias("is_complete"),
        )
    )  # fmt: skip


def _of_grain(grain: str) -> Column:
    """A subject's cohort, the periods in which it was active, and the one in which it was for the last time."""
    one, none = F.lit(1).cast("long"), F.lit(0).cast("long")

    def entry(period: Column, active: Column, ends: Column) -> Column:
        return F.struct(period.alias("period"), active.alias("active"), ends.alias("ends"))

    last = F.array(entry(F.trunc("last_on", grain), none, one))
    entries = F.concat(F.transform(grain, lambda period: entry(period, one, none)), last)
    return F.struct(
        F.lit(grain).alias("grain"), F.trunc("first_on", grain).alias("cohort_start"), entries.alias("entries")
    )


def _cells(sums: DataFrame, as_of: date) -> DataFrame:
    cohorts = sums.groupBy("grain", "cohort_start").agg(F.count(F.lit(1)).alias("_"))

    def periods(grain: str, step: str) -> Column:
        return F.sequence(F.col("cohort_start"), F.trunc(F.lit(as_of), grain), F.expr(f"INTERVAL {step}"))

    in_weeks, in_months = periods("week", "7 DAY"), periods("month", "1 MONTH")
    period = F.explode(F.when(F.col("grain") == "week", in_weeks).otherwise(in_months))
    return cohorts.select("grain", "cohort_start", period.alias("period"))
