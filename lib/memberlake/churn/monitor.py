"""Does a model still meet the world it was trained in? Shift of features and scores, missing values, known outcomes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.churn.features import Feature
from memberlake.conf.churn import ChurnAlerts

SCORE = "score"
_MOST_CATEGORIES = 20


class Metric(NamedTuple):
    """A row of gold.model_monitoring, but for the model and the day."""

    metric: str
    value: float | None
    threshold: float | None = None
    is_alert: bool = False


class Spread(NamedTuple):
    """How a feature is spread: members in each bin.

    Attributes:
        bounds: of numbers the rising upper bounds of all bins but the last; of texts the categories.
        counts: members in each bin, then (texts: other categories, then) those with NULL.
    """

    bounds: Sequence[Any]
    counts: Sequence[int]


def bounds(examples: DataFrame, used: Sequence[Feature]) -> dict[str, list[Any]]:
    """Deciles of each number, and the most frequent values of each text; and deciles of the probability."""
    numbers = [f.name for f in used if not f.is_text]
    cuts = [n / 10 for n in range(1, 10)]
    named = [*[(name, name) for name in numbers], (SCORE, "probability")]
    found = examples.agg(*[F.percentile_approx(c, cuts, 1000).alias(name) for name, c in named]).first()  # one row
    assert found is not None
    deciles = {name: sorted(set(found[name] or ())) for name, _ in named}
    texts = {}
    for name in (f.name for f in used if f.is_text):
        frequent = examples.where(F.col(name).isNotNull()).groupBy(name).count().orderBy(F.desc("count"), name)
        # collected: the most frequent categories, a limited number
        texts[name] = [row[0] for row in frequent.limit(_MOST_CATEGORIES).collect()]
    return {**deciles, **texts}


def spreads(members: DataFrame, bounds: Mapping[str, Sequence[Any]]) -> dict[str, Spread]:
    """How each feature is spread among members with `probability`, in one pass."""
    columns = {name: F.col("probability" if name == SCORE else name) for name in bounds}
    entries = [
        F.struct(F.lit(name).alias("name"), _bin(column, bounds[name]).alias("bin")) for name, column in columns.items()
    ]
    counted = members.select(F.explode(F.array(*entries)).alias("e")).groupBy("e.name", "e.bin").count()
    found = {(row["name"], row["bin"]): row["count"] for row in counted.collect()}  # a dozen rows a feature
    return {
        name: Spread(values, [found.get((name, at), 0) for at in [*range(len(values) + 1), -1]])
        for name, values in bounds.items()
    }


def psi(then: Spread, now: Spread) -> float:
    """Population stability index: sum over bins of (now - then) * ln(now / then), in shares of members.

    Half a member is added to each bin, so that an empty one is no infinity.
    """
    bins = len(then.counts)
    shares = [[(n + 0.5) / (sum(spread.counts) + bins / 2) for n in spread.counts] for spread in (then, now)]
    return math.fsum((b - a) * math.log(b / a) for a, b in zip(*shares, strict=True))


def shifts(
    then: Mapping[str, Spread], now: Mapping[str, Spread], limits: ChurnAlerts, drifting: Sequence[str] = ()
) -> Iterator[Metric]:
    """psi:<feature>, psi:score, and missing:<feature>, the rise of the share of NULL since training.

    Args:
        drifting: features that move by nature, such as the season: measured, no alert.
    """
    for name, spread in then.items():
        limit = None if name in drifting else limits.psi
        yield _above(f"psi:{name}", psi(spread, now[name]), limit)
        if spread.counts[-1] or now[name].counts[-1]:
            missing = [s.counts[-1] / max(sum(s.counts), 1) for s in (now[name], spread)]
            yield _above(f"missing:{name}", missing[0] - missing[1], limits.missing_rise)


def outcomes(measures: Mapping[str, float], tested_pr_auc: float | None, limits: ChurnAlerts) -> Iterator[Metric]:
    """How the scores given a gap and a horizon ago did.

    Args:
        tested_pr_auc: what the model's own test promised, where it is known.
    """
    least = None if tested_pr_auc is None else tested_pr_auc - limits.pr_auc_drop
    yield Metric("pr_auc", measures["pr_auc"], least, least is not None and measures["pr_auc"] < least)
    yield _above("ece", measures["ece"], limits.ece)
    for name in ("roc_auc", "brier", "base_rate", "mean_probability"):
        yield Metric(name, measures[name])


def _above(name: str, value: float, limit: float | None) -> Metric:
    return Metric(name, value, limit, limit is not None and value > limit)


def _bin(column: Column, values: Sequence[Any]) -> Column:
    """The number of the bin; -1 for NULL."""
    if values and isinstance(values[0], str):
        place = F.array_position(F.array(*map(F.lit, values)), column)
        return F.when(column.isNull(), -1).otherwise(F.when(place > 0, place - 1).otherwise(len(values))).cast("int")
    passed = reduce(Column.__add__, [(column > F.lit(v)).cast("int") for v in values], F.lit(0))
    return F.when(column.isNull(), -1).otherwise(passed)
