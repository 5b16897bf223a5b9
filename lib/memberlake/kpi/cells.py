"""What is counted by: dimensions, and spans of days; and how sums of days become those of spans.

A frame of *daily* sums has business_date, dimension, dimension_value and measures; a frame of *spans* has the keys of
periods.Span in their place. Names of measures are those of metrics.MEASURES.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

SPAN = ("period", "period_start", "is_before")
CELL = ("dimension", "dimension_value")


def described(members: DataFrame, dimensions: Sequence[str]) -> DataFrame:
    """member_id and the dimensions that describe members; unknown where nothing is known."""
    return members.select("member_id", *[of_member(d).alias(column(d)) for d in dimensions])


def exploded(frame: DataFrame, cells: Mapping[str, Column], *, with_all: bool = True) -> DataFrame:
    """Each row once for `all` and once for each dimension.

    Args:
        cells: dimension to its value; NULL is `unknown`.
    """
    values = {**({"all": F.lit("all")} if with_all else {}), **cells}
    structs = [
        F.struct(F.lit(name).alias(CELL[0]), F.coalesce(value.cast("string"), F.lit("unknown")).alias(CELL[1]))
        for name, value in values.items()
    ]
    return frame.select("*", F.inline(F.array(*structs)))


def of_members(dimensions: Iterable[str]) -> dict[str, Column]:
    return {d: F.col(column(d)) for d in dimensions}


def of_member(dimension: str) -> Column:
    attribute = dimension.removeprefix("attributes.")
    return F.col("attributes")[attribute] if attribute != dimension or dimension == "tier" else F.col(dimension)


def column(dimension: str) -> str:
    # of an attribute in letters that Spark takes as they are: a dot would ask for a field, and City is city
    return f"by_{dimension.encode().hex() if '.' in dimension else dimension}"


def flows(daily: DataFrame, days: DataFrame) -> DataFrame:
    """Spans: the sum of daily measures over the days of each."""
    measures = [c for c in daily.columns if c not in {"business_date", *CELL}]
    return (
        daily.join(F.broadcast(days.select(*SPAN, "business_date")), on="business_date", how="inner")
        .groupBy(*SPAN, *CELL)
        .agg(*[F.sum(m).alias(m) for m in measures])
    )


def stocks(daily: DataFrame, spans: DataFrame, names: Mapping[str, str], since: date) -> DataFrame:
    """Spans: what daily measures had added up to at the end of each; a few days and spans, so every pair is looked at.

    Args:
        daily: of a day before `since` not what it added, but the stock at its end.
        names: daily measure to the name of its stock.
    """
    on, is_before = F.col("business_date"), F.col("business_date") < F.lit(since)
    stood_on = F.least("last_on", F.lit(since - timedelta(days=1)))
    is_seen = F.when(is_before, on == stood_on).otherwise(on <= F.col("last_on"))
    return (
        daily.join(F.broadcast(spans), on=is_seen, how="inner")
        .groupBy(*SPAN, *CELL)
        .agg(*[F.sum(F.when(is_before, F.col(name)).otherwise(F.col(m))).alias(name) for m, name in names.items()])
    )


def total(amount: Column) -> Column:
    return F.coalesce(F.sum(amount), F.lit(0)).cast("decimal(38,6)")


def union(*frames: DataFrame) -> DataFrame:
    """Rows of all; a measure that a frame lacks is NULL."""
    return reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), frames)
