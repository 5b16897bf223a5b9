"""Quantile scores, exact, tie-safe and distributed; and segments by rules. RFM and RFE share this.

For n tiles over N subjects, a measure where more is better scores `1 + floor(n * |{value < v}| / N)`. With the k-th
cut q_k = the ceil(k * N / n)-th smallest value, that is `1 + |{k in 1..n-1 : v > q_k}|`: at least ceil(k*N/n) subjects
lie below v exactly when the ceil(k*N/n)-th smallest value does. So a score needs n - 1 exact order statistics, and
these need no sort: a histogram finds the bin that holds each of them, and only the distinct values of those few bins
are ranked. Less is better: the same on the negated measure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Literal, NamedTuple

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType, IntegralType

from memberlake.conf.value import ScoredConf, SegmentMap

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


def rules(segments: SegmentMap) -> list[Rule]:
    """The rules of the configuration, in their order; the measure m is scored in the column m_score."""
    return [Rule(r.segment, {f"{measure}_score": asked for measure, asked in r.asks.items()}) for r in segments.rules]


def cuts(frame: DataFrame, measures: Sequence[Measure], tiles: int) -> DataFrame:
    """The cuts of each measure without thresholds, one row a `scope`: a small frame, used for every subject.

    The frame has one row a (scope, subject) and is read twice: persist it, and the cuts too.
    """
    ranked = [m for m in measures if not m.thresholds]
    if not ranked:
        return frame.select("scope").limit(0)
    ticks = _with_bins(frame, ranked)
    values = _values_at_cuts(ticks, _bins_at_cuts(ticks, tiles))
    return values.groupBy("scope").agg(
        *[
            F.array_sort(F.collect_list(F.when(F.col("measure") == n, F.col("tick")))).alias(_cut_name(m))
            for n, m in enumerate(ranked)
        ]
    )


def with_scores(frame: DataFrame, cuts: DataFrame, measures: Sequence[Measure], tiles: int) -> DataFrame:
    """Adds the score of each measure, 1..tiles, among the subjects of the same `scope`."""
    scores = {m.score: _by_thresholds(m) if m.thresholds else _by_cuts(m, frame, tiles) for m in measures}
    joined = frame.join(F.broadcast(cuts), on="scope", how="left")
    return joined.withColumns(scores).select(*frame.columns, *scores)


def combinations(scored: DataFrame, measures: Sequence[Measure]) -> DataFrame:
    """One row a (scope, combination of scores): its subjects, and the least and greatest value of each measure.

    At most tiles ** measures rows a scope. What follows from the scores alone is found for these rows, not for every
    subject: see `named`. Read several times: persist it.
    """
    values = {m: F.col(m.column).cast("double") for m in measures}
    return scored.groupBy("scope", *[m.score for m in measures]).agg(
        F.count(F.lit(1)).alias("subjects"),
        *[F.min(value).alias(f"_min_{m.column}") for m, value in values.items()],
        *[F.max(value).alias(f"_max_{m.column}") for m, value in values.items()],
    )


def named(scored: DataFrame, combinations: DataFrame, measures: Sequence[Measure]) -> DataFrame:
    """Adds to the subjects what was found for the combination of their scores."""
    scores = ["scope", *[m.score for m in measures]]
    found = combinations.drop("subjects", *[f"_{end}_{m.column}" for end in ("min", "max") for m in measures])
    return scored.join(F.broadcast(found), on=scores, how="left").select(
        *scored.columns, *[name for name in found.columns if name not in scores]
    )


def described(
    scored: DataFrame, measures: Sequence[Measure], conf: ScoredConf, weights: Sequence[float] = ()
) -> DataFrame:
    """The combinations with code, sum, weighted sum, rank and segment."""
    return (
        combinations(scored, measures)
        .transform(with_code, measures, conf.tiles, weights)
        .transform(with_rank)
        .transform(with_segment, rules(conf.segments), conf.tiles)
    )


def with_code(
    combinations: DataFrame, measures: Sequence[Measure], tiles: int, weights: Sequence[float] = ()
) -> DataFrame:
    """Adds score_code (313, or 10-9-3 when a score can have two digits), score_sum and score_weighted."""
    scores = [F.col(m.score) for m in measures]
    weighted = sum((F.lit(float(w)) * s for w, s in zip(weights, scores, strict=False)), F.lit(0.0))
    return combinations.withColumns(
        {
            "score_code": F.concat_ws("" if tiles < 10 else "-", *[s.cast("string") for s in scores]),
            "score_sum": sum(scores[1:], scores[0]),
            "score_weighted": weighted if weights else F.lit(None).cast("double"),
        }
    )


def with_rank(combinations: DataFrame) -> DataFrame:
    """Adds rank: 1 + the subjects of the scope with a higher score_sum. Ties share a rank."""
    above = Window.partitionBy("scope").orderBy(F.desc("score_sum")).rangeBetween(Window.unboundedPreceding, -1)
    return combinations.withColumn("rank", F.coalesce(F.sum("subjects").over(above), F.lit(0)) + 1)


def with_segment(combinations: DataFrame, rules: Sequence[Rule], tiles: int) -> DataFrame:
    """Adds the segment of the first rule that matches. `high` is above the middle of 1..tiles, `low` the rest."""
    *conditional, last = rules
    chosen = F.lit(last.segment)
    for rule in reversed(conditional):
        met = F.lit(True)
        for score, asked in rule.asks.items():
            met = met & _meets(F.col(score), asked, tiles)
        chosen = F.when(met, F.lit(rule.segment)).otherwise(chosen)
    return combinations.withColumn("segment", chosen)


def bins(combinations: DataFrame, measures: Sequence[Measure], model: str) -> DataFrame:
    """Rows of gold.score_bins but for as_of: who got each score, so that a reader sees what heavy ties did."""
    entries = [
        F.struct(
            F.lit(m.column).alias("measure"),
            F.col(m.score).alias("score"),
            F.col(f"_min_{m.column}").alias("min"),
            F.col(f"_max_{m.column}").alias("max"),
        )
        for m in measures
    ]
    return (
        combinations.select("scope", "subjects", F.inline(F.array(*entries)))
        .groupBy("scope", "measure", "score")
        .agg(F.sum("subjects").alias("subjects"), F.min("min").alias("min_value"), F.max("max").alias("max_value"))
        .select(F.lit(model).alias("model"), "scope", "measure", "score", "subjects", "min_value", "max_value")
    )


def _with_bins(frame: DataFrame, measures: Sequence[Measure]) -> DataFrame:
    """One row a (subject, measure): scope, number of the measure, value in ticks, and the bin that holds it."""
    entries = [F.struct(F.lit(n).alias("measure"), _ticks(m, frame).alias("tick")) for n, m in enumerate(measures)]
    return frame.select("scope", F.inline(F.array(*entries))).withColumn("bin", _bin("tick"))


def _bins_at_cuts(ticks: DataFrame, tiles: int) -> DataFrame:
    """The bins that hold a cut: how many subjects lie below the bin, and the ranks of its cuts among all subjects.

    Its windows run over bins, a few thousand a scope, however many subjects there are.
    """
    all_bins = Window.partitionBy("scope", "measure")
    lower_bins = all_bins.orderBy("bin").rowsBetween(Window.unboundedPreceding, -1)
    # the k-th cut is the ceil(k * total / tiles)-th smallest value; `div` keeps it in integers
    ranks = F.expr(f"transform(sequence(1, {tiles - 1}), k -> (k * total + {tiles - 1}) div {tiles})")
    return (
        ticks.groupBy("scope", "measure", "bin")
        .agg(F.count(F.lit(1)).alias("held"))
        .withColumn("below", F.coalesce(F.sum("held").over(lower_bins), F.lit(0)))
        .withColumn("total", F.sum("held").over(all_bins))
        .withColumn("ranks", F.filter(ranks, lambda at: (F.col("below") < at) & (at <= F.col("below") + F.col("held"))))
        .where(F.size("ranks") > 0)
        .select("scope", "measure", "bin", "below", "ranks")
    )


def _values_at_cuts(ticks: DataFrame, bins: DataFrame) -> DataFrame:
    """The value of every cut. Its window runs over the distinct values of one bin."""
    up_to_here = Window.partitionBy("scope", "measure", "bin").orderBy("tick").rowsBetween(Window.unboundedPreceding, 0)
    return (
        ticks.join(F.broadcast(bins), on=["scope", "measure", "bin"], how="inner")
        .groupBy("scope", "measure", "bin", "tick")
        .agg(F.count(F.lit(1)).alias("held"), F.first("below").alias("below"), F.first("ranks").alias("ranks"))
        .withColumn("last", F.col("below") + F.sum("held").over(up_to_here))
        .withColumn("rank", F.explode("ranks"))
        .where((F.col("last") - F.col("held") < F.col("rank")) & (F.col("rank") <= F.col("last")))
        .select("scope", "measure", "tick")
    )


def _ticks(m: Measure, frame: DataFrame) -> Column:
    """The measure as an integer in its smallest unit, such that more is better: exact, and fast to group."""
    kind = frame.schema[m.column].dataType
    if not isinstance(kind, IntegralType | DecimalType):
        raise TypeError(f"{m.column} is {kind.simpleString()}: only integers and decimals are scored exactly")
    scale = kind.scale if isinstance(kind, DecimalType) else 0
    ticks = (F.col(m.column).cast(DecimalType(38, scale)) * F.lit(10**scale)).cast("long")
    ticks = ticks if scale else F.col(m.column).cast("long")
    return -ticks if m.less_is_better else ticks


def _bin(tick: str) -> Column:
    """A bin of about 0.4 % relative width: keeps the order (a logarithm never falls), and few bins cover any range."""
    return (F.signum(tick) * F.floor(F.log1p(F.abs(F.col(tick)).cast("double")) * 256)).cast("int")


def _by_cuts(m: Measure, frame: DataFrame, tiles: int) -> Column:
    # a sum of comparisons is compiled; filter() over the array would be interpreted row by row
    passed = [(_ticks(m, frame) > F.col(_cut_name(m))[k]).cast("int") for k in range(tiles - 1)]
    return reduce(Column.__add__, passed, F.lit(1))


def _by_thresholds(m: Measure) -> Column:
    passed = reduce(Column.__add__, [(F.col(m.column) > F.lit(cut)).cast("int") for cut in m.thresholds])
    return F.lit(len(m.thresholds) + 1) - passed if m.less_is_better else passed + 1


def _meets(score: Column, asked: Condition, tiles: int) -> Column:
    if asked == "high":
        return score * 2 > tiles + 1
    if asked == "low":
        return score * 2 <= tiles + 1
    return score.between(*asked)


def _cut_name(m: Measure) -> str:
    return f"_cuts_{m.score}"
