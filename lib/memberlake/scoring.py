"""Quantile scores, exact, tie-safe and distributed; and segments by rules. RFM and RFE share this.

For n tiles over N subjects, a measure where more is better scores `1 + floor(n * |{value < v}| / N)`. With the k-th
cut q_k = the ceil(k * N / n)-th smallest value, that is `1 + |{k in 1..n-1 : v > q_k}|`: at least ceil(k*N/n) subjects
lie below v exactly when the ceil(k*N/n)-th smallest value does. So a score needs n - 1 exact order statistics, and
these need no sort: a histogram finds the bin that holds each of them, and only the distinct values of those few bins
are ranked. Less is better: the same on the negated measure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType

Condition = tuple[int, int] | Literal["high", "low"]


class Measure(NamedTuple):
    """A column to score.

    Attributes:
        column: of integers or decimals; doubles have no exact sum, so they are not scored.
        score: name of the score's column.
        less_is_better: true for recency in days.
        thresholds: n - 1 rising cuts that replace the quantiles; intervals are closed on the right.
    """

    column: str
    score: str
    less_is_better: bool = False
    thresholds: tuple[float, ...] = ()


class Rule(NamedTuple):
    """A segment, and the scores (by score column) that it asks for."""

    segment: str
    asks: Mapping[str, Condition]


def with_scores(frame: DataFrame, measures: Sequence[Measure], tiles: int) -> DataFrame:
    """Adds the score of each measure, 1..tiles, among the subjects of the same `scope`.

    The frame has one row a (scope, subject) and is read three times: persist it.
    """
    ranked = [m for m in measures if not m.thresholds]
    scored = frame
    if ranked:
        cuts = _cuts(frame, ranked, tiles)
        scored = frame.join(F.broadcast(cuts), on="scope", how="left")
    for m in measures:
        scored = scored.withColumn(m.score, _by_thresholds(m) if m.thresholds else _by_cuts(m, frame))
    return scored.drop(*[_cut_name(m) for m in ranked])


def with_code(frame: DataFrame, measures: Sequence[Measure], tiles: int, weights: Sequence[float] = ()) -> DataFrame:
    """Adds score_code (313, or 10-9-3 when a score can have two digits), score_sum and score_weighted."""
    scores = [F.col(m.score) for m in measures]
    weighted = sum((F.lit(float(w)) * s for w, s in zip(weights, scores, strict=False)), F.lit(0.0))
    return frame.withColumns(
        {
            "score_code": F.concat_ws("" if tiles < 10 else "-", *[s.cast("string") for s in scores]),
            "score_sum": sum(scores[1:], scores[0]),
            "score_weighted": weighted if weights else F.lit(None).cast("double"),
        }
    )


def with_rank(frame: DataFrame) -> DataFrame:
    """Adds rank: 1 + the subjects of the scope with a higher score_sum. Ties share a rank."""
    above = Window.partitionBy("scope").orderBy(F.desc("score_sum")).rowsBetween(Window.unboundedPreceding, -1)
    sums = frame.groupBy("scope", "score_sum").agg(F.count(F.lit(1)).alias("_subjects"))  # at most 9n + 1 rows a scope
    ranks = sums.select("scope", "score_sum", (F.coalesce(F.sum("_subjects").over(above), F.lit(0)) + 1).alias("rank"))
    return frame.join(F.broadcast(ranks), on=["scope", "score_sum"], how="left")


def with_segment(frame: DataFrame, rules: Sequence[Rule], tiles: int) -> DataFrame:
    """Adds the segment of the first rule that matches. `high` is above the middle of 1..tiles, `low` the rest."""
    *conditional, last = rules
    chosen = F.lit(last.segment)
    for rule in reversed(conditional):
        met = F.lit(True)
        for score, asked in rule.asks.items():
            met = met & _meets(F.col(score), asked, tiles)
        chosen = F.when(met, F.lit(rule.segment)).otherwise(chosen)
    return frame.withColumn("segment", chosen)


def bins(scored: DataFrame, measures: Sequence[Measure], model: str) -> DataFrame:
    """Rows of gold.score_bins but for as_of: who got each score, so that a reader sees what heavy ties did."""
    entries = F.explode(
        F.array(
            *[
                F.struct(
                    F.lit(m.column).alias("measure"),
                    F.col(m.score).alias("score"),
                    F.col(m.column).cast("double").alias("value"),
                )
                for m in measures
            ]
        )
    )
    return (
        scored.select("scope", entries.alias("entry"))
        .groupBy("scope", F.col("entry.measure"), F.col("entry.score"))
        .agg(
            F.count(F.lit(1)).alias("subjects"),
            F.min("entry.value").alias("min_value"),
            F.max("entry.value").alias("max_value"),
        )
        .select(F.lit(model).alias("model"), "scope", "measure", "score", "subjects", "min_value", "max_value")
    )


def _cuts(frame: DataFrame, measures: Sequence[Measure], tiles: int) -> DataFrame:
    """One row a scope: for each measure the array of its n - 1 cuts, in ticks, possibly with equal values."""
    entries = F.explode(
        F.array(*[F.struct(F.lit(n).alias("measure"), _ticks(m, frame).alias("tick")) for n, m in enumerate(measures)])
    )
    ticks = frame.select("scope", entries.alias("entry")).select("scope", "entry.*").withColumn("bin", _bin("tick"))

    # how many subjects each bin holds, and how many lie below it: a few thousand rows a scope, however many subjects
    by_bin = Window.partitionBy("scope", "measure").orderBy("bin")
    before, every = by_bin.rowsBetween(Window.unboundedPreceding, -1), Window.partitionBy("scope", "measure")
    histogram = (
        ticks.groupBy("scope", "measure", "bin")
        .agg(F.count(F.lit(1)).alias("held"))
        .withColumn("below", F.coalesce(F.sum("held").over(before), F.lit(0)))
        .withColumn("total", F.sum("held").over(every))
    )
    wanted = histogram.select(
        "scope", "measure", "bin", "below", "held",
        F.explode(F.sequence(F.lit(1), F.lit(tiles - 1))).alias("k"), "total",
    ).withColumn("at", F.expr(f"(k * total + {tiles - 1}) div {tiles}"))  # ceil(k * total / tiles), in integers  # fmt: skip
    wanted = wanted.where((F.col("below") < F.col("at")) & (F.col("at") <= F.col("below") + F.col("held")))

    # the distinct values of just those bins, ranked
    inside = ticks.join(
        F.broadcast(wanted.select("scope", "measure", "bin", "below").distinct()),
        on=["scope", "measure", "bin"],
        how="inner",
    )
    by_tick = Window.partitionBy("scope", "measure", "bin").orderBy("tick")
    values = (
        inside.groupBy("scope", "measure", "bin", "below", "tick")
        .agg(F.count(F.lit(1)).alias("held"))
        .withColumn(
            "up_to", F.col("below") + F.sum("held").over(by_tick.rowsBetween(Window.unboundedPreceding, 0))
        )
        .withColumn("from", F.col("up_to") - F.col("held"))
        .select("scope", "measure", "bin", "tick", "from", "up_to")
    )
    cuts = (
        wanted.select("scope", "measure", "bin", "k", "at")
        .join(values, on=["scope", "measure", "bin"], how="inner")
        .where((F.col("from") < F.col("at")) & (F.col("at") <= F.col("up_to")))
    )
    return cuts.groupBy("scope").agg(
        *[
            F.array_sort(F.collect_list(F.when(F.col("measure") == n, F.col("tick")))).alias(_cut_name(m))
            for n, m in enumerate(measures)
        ]
    )


def _ticks(m: Measure, frame: DataFrame) -> Column:
    """The measure as an integer in its smallest unit, such that more is better: exact, and fast to group."""
    kind = frame.schema[m.column].dataType
    scale = kind.scale if isinstance(kind, DecimalType) else 0
    ticks = (F.col(m.column).cast(DecimalType(38, scale)) * F.lit(10**scale)).cast("long")
    ticks = ticks if scale else F.col(m.column).cast("long")
    return -ticks if m.less_is_better else ticks


def _bin(tick: str) -> Column:
    """A bin of about 0.4 % relative width: keeps the order (a logarithm never falls), and few bins cover any range."""
    return (F.signum(tick) * F.floor(F.log1p(F.abs(F.col(tick)).cast("double")) * 256)).cast("int")


def _by_cuts(m: Measure, frame: DataFrame) -> Column:
    tick = _ticks(m, frame)
    return (F.size(F.filter(F.col(_cut_name(m)), lambda cut: tick > cut)) + 1).cast("int")


def _by_thresholds(m: Measure) -> Column:
    passed = sum((F.when(F.col(m.column) > F.lit(cut), 1).otherwise(0) for cut in m.thresholds), F.lit(0))
    score = F.lit(len(m.thresholds) + 1) - passed if m.less_is_better else passed + 1
    return score.cast("int")


def _meets(score: Column, asked: Condition, tiles: int) -> Column:
    if asked == "high":
        return score * 2 > tiles + 1
    if asked == "low":
        return score * 2 <= tiles + 1
    return score.between(*asked)


def _cut_name(m: Measure) -> str:
    return f"_cuts_{m.score}"
