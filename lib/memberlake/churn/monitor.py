"""Does a model still meet the world it was trained in? Shift of features and scores, missing values, known outcomes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
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
    """How each feature is spread among members, and their `probability`, in one pass."""
    nobody = {name: np.zeros(len(values) + 2, np.int64) for name, values in bounds.items()}

    # it refers to nothing of this module: an executor would import that, and lacks pydantic
    def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Members in each bin: a row a feature, of all batches of a task."""
        counts = {name: none.copy() for name, none in nobody.items()}
        for batch in batches:
            for name, values in bounds.items():
                column = batch.column(name)
                if column.type in {pa.string(), pa.large_string()}:
                    found = pc.index_in(column, pa.array(values, column.type)).fill_null(len(values)).to_numpy()
                else:
                    found = np.searchsorted(values, column.to_numpy(zero_copy_only=False))
                is_null = column.is_null().to_numpy(zero_copy_only=False)
                bins = np.where(is_null, len(values) + 1, found)
                counts[name] += np.bincount(bins, minlength=len(values) + 2)
        yield pa.RecordBatch.from_pydict({"name": [*counts], "counts": [*counts.values()]})

    columns = [F.col("probability" if name == SCORE else name).alias(name) for name in bounds]
    counted = members.select(*columns).mapInArrow(count, "name string, counts array<bigint>")
    total = {name: none.copy() for name, none in nobody.items()}
    for row in counted.collect():  # a row a feature and task
        total[row["name"]] += row["counts"]
    return {name: Spread(values, total[name].tolist()) for name, values in bounds.items()}


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
