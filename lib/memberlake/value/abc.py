"""ABC classes of members by their share of all amounts, and value tiers by their place among members."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake.conf.kpi import AbcConf

_RANGES = 200  # of amounts: each is sorted by itself, so that no sort sees every member


def classify(spending: DataFrame, conf: AbcConf, as_of: date) -> DataFrame:
    """One row a member: cumulative_share (held by the members before this one), class and value_tier.

    Members stand in the order of falling amounts; equal amounts in the order of their ids, as numbers where they are
    whole numbers, else as text, numbers first. A: the members before hold less than a_below of all amounts, B: less
    than b_below. Where all amounts together are not above 0 the share is 1. Of value tiers the first high_share of
    members are high, the next middle_share middle; equal amounts share the higher tier.

    Runs a query: the bounds of the ranges are quantiles of all amounts, and part of the plan.

    Args:
        spending: member_id and monetary. Persist it (`Lake.kept`): it is read four times.
    """
    quantiles, amount = [n / _RANGES for n in range(1, _RANGES)], F.col("monetary").cast("double")
    bounds = spending.agg(F.percentile_approx(amount, quantiles, 10_000)).collect()[0][0]  # one row
    ranged = spending.withColumn("range", _reached(amount, bounds or []))
    per_range = ranged.groupBy("range").agg(F.sum("monetary").alias("amount"), F.count(F.lit(1)).alias("members"))
    # the plan itself limits these rows: a pair of ranges is looked at, never a pair of members
    ranges = spending.sparkSession.range(_RANGES).select(F.col("id").cast("int").alias("lower"))
    offsets = (
        ranges.join(per_range, on=F.col("lower") < F.col("range"), how="left")
        .groupBy(F.col("lower").alias("range"))
        .agg(_sum("amount").alias("amount_above"), _sum("members").alias("members_above"))
    )
    totals = per_range.agg(F.sum("amount").alias("total"), F.sum("members").alias("members"))
    number = F.when(F.col("member_id").rlike(r"^\d{1,38}$"), F.col("member_id").cast("decimal(38,0)"))
    order = [F.col("monetary").desc(), number.asc_nulls_last(), F.col("member_id")]
    before = Window.partitionBy("range").orderBy(*order).rowsBetween(Window.unboundedPreceding, -1)
    equals = Window.partitionBy("range").orderBy(F.col("monetary").desc())
    placed = (
        ranged.join(F.broadcast(offsets), on="range", how="inner")
        .crossJoin(F.broadcast(totals))
        .withColumn("sum_before", F.col("amount_above") + F.coalesce(F.sum("monetary").over(before), F.lit(0)))
        .withColumn("rank", F.col("members_above") + F.rank().over(equals) - 1)
    )
    is_positive = F.col("total") > 0

    def below(limit: Decimal) -> Column:
        # 28 and 9 digits have an exact product; of wider decimals Spark would round it, to cents when compared
        part = F.col("total").cast("decimal(28,2)") * F.lit(limit).cast("decimal(9,6)")
        return is_positive & (F.col("sum_before").cast("decimal(38,8)") < part)

    def within(part: Decimal) -> Column:
        return F.col("rank") < F.col("members") * F.lit(part).cast("decimal(9,6)")

    share = F.when(is_positive, F.col("sum_before").cast("double") / F.col("total").cast("double")).otherwise(1.0)
    return placed.select(
        F.lit(as_of).alias("as_of"),
        "member_id",
        "monetary",
        share.alias("cumulative_share"),
        F.when(below(conf.a_below), "A").when(below(conf.b_below), "B").otherwise("C").alias("class"),
        F.when(within(conf.high_share), "high")
        .when(within(conf.high_share + conf.middle_share), "middle")
        .otherwise("low")
        .alias("value_tier"),
    )


def _reached(amount: Column, bounds: Sequence[float]) -> Column:
    """How many of the bounds an amount reaches; equal amounts the same. By halves, as an expression: what a lambda is
    given Spark interprets, two hundred comparisons a member.

    Args:
        bounds: rising.
    """

    def among(low: int, high: int) -> Column:
        if low == high:
            return F.lit(low)
        middle = (low + high) // 2
        return F.when(amount < bounds[middle], among(low, middle)).otherwise(among(middle + 1, high))

    return among(0, len(bounds))


def _sum(amount: str) -> Column:
    return F.coalesce(F.sum(amount), F.lit(0))
