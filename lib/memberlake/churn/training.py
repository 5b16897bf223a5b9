"""From labelled examples to a model with everything that is told of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake.churn import evaluate, explain, measure, models, monitor
from memberlake.churn.evaluate import Level
from memberlake.churn.explain import Effects
from memberlake.churn.models import Fitted
from memberlake.churn.monitor import Spread
from memberlake.churn.snapshots import Split
from memberlake.conf import ChurnConf
from memberlake.errors import NotYet

log = logging.getLogger(__name__)

_RIVALS = {"recency": "recency alone", "champion": "the champion"}


class Trained(NamedTuple):
    """A model, tested.

    Attributes:
        threshold: probability at which a member is told to churn.
        tests: measures on the test snapshot, by who was measured: model, uncalibrated, recency, base_rate, and
            champion when there is one.
        levels: of the model on the test snapshot, for pictures.
        importance: of features, adding up to 1.
        spreads: of the training part, for monitoring.
    """

    fitted: Fitted
    threshold: float
    tests: Mapping[str, Mapping[str, float]]
    levels: Sequence[Level]
    importance: Mapping[str, float]
    effects: Effects
    spreads: Mapping[str, Spread]


class Verdict(NamedTuple):
    """Whether a challenger becomes champion, and why."""

    is_promoted: bool
    reason: str


def require_honest(table: DataFrame) -> None:
    """Refuses features that saw the future.

    Raises:
        ValueError: names a feature, the snapshot and the date.
    """
    if leak := measure.only_leaks(table).orderBy("as_of", "feature", F.desc("seen_on")).first():
        raise ValueError(f"feature {leak['feature']} at {leak['as_of']} saw {leak['seen_on']}: a leak; refused")


def require_both_classes(table: DataFrame, split: Split) -> None:
    """Refuses parts in which nobody or everybody churned.

    Raises:
        NotYet: names the part.
    """
    part = (
        F.when(F.col("as_of") == F.lit(split.test), "test")
        .when(F.col("as_of") == F.lit(split.calibrate), "calibration")
        .otherwise("training")
    )
    counted = table.groupBy(part.alias("part")).agg(F.count(F.lit(1)).alias("n"), F.sum("label").alias("churners"))
    found = {row["part"]: (row["n"], int(row["churners"])) for row in counted.collect()}  # three rows
    for name in ("training", "calibration", "test"):
        members, churners = found.get(name, (0, 0))
        if churners in {0, members}:
            said = "no member is an example" if not members else f"{churners} of {members:,} examples churned"
            raise NotYet(
                f"nothing to learn: {said} in the {name} part; look at churn.label_rule and churn.horizon_days"
            )


def train(
    table: DataFrame, split: Split, conf: ChurnConf, champion: PipelineModel | None, shift: float = 0.0
) -> Trained:
    """Fits, calibrates and tests a model.

    Args:
        table: examples with label and features at the snapshots of the split, persisted.
        champion: measured on the same test.
        shift: the season's, from the calibration part to the test.

    Raises:
        NotYet: no tree found a split, as of too few examples.
    """
    is_train = F.col("as_of").isin(*split.train)
    calibrate, test = (table.where(F.col("as_of") == F.lit(day)) for day in (split.calibrate, split.test))
    count = table.where(is_train).count()
    train = models.arranged(table.where(is_train), count).persist()
    try:
        fitted = models.fit(train, calibrate, conf, split.train)
        log.info("fitted %s %s", conf.model, dict(fitted.parameters))
        effects = explain.effects(fitted.pipeline, train)
        if not explain.order(effects):
            raise NotYet(
                f"nothing to learn: the {conf.model} tells no two of {count:,} examples apart; train when there are "
                f"more, or look at churn.grids.{conf.model}"
            )
        threshold = evaluate.threshold(_levels(fitted.pipeline, calibrate), conf.threshold)
        levels = _levels(fitted.pipeline, test, shift)
        tests = {"model": {**evaluate.measures(levels), "season_shift": shift}}
        tests["model"] |= evaluate.at_threshold(levels, threshold)
        if conf.model != "linear_svm":
            raw = evaluate.table(models.with_probability(fitted.pipeline, test), "uncalibrated")
            tests["uncalibrated"] = evaluate.measures(raw)
        tests["recency"] = evaluate.measures(_levels(models.recency_alone(train), test))
        tests["base_rate"] = evaluate.measures(_constant(levels, _mean_label(train)))
        if champion is not None:
            tests["champion"] = evaluate.measures(_levels(champion, test))
        scored = models.with_probability(fitted.pipeline, train)
        spreads = monitor.spreads(scored, monitor.bounds(scored, fitted.used))
        importance = explain.importance(scored, effects)
    finally:
        train.unpersist()
    return Trained(fitted, threshold, tests, levels, importance, effects, spreads)


def judge(tests: Mapping[str, Mapping[str, float]], margin: float) -> Verdict:
    """The gate: PR-AUC on the same test must beat recency alone and the champion, each by the margin."""
    own = tests["model"]["pr_auc"]
    rivals = {name: tests[who]["pr_auc"] for who, name in _RIVALS.items() if who in tests}
    for name, theirs in rivals.items():
        if own <= theirs or own < theirs + margin:  # a margin of 0 makes no tie a win
            return Verdict(False, f"PR-AUC {own:.4f} does not beat {name} ({theirs:.4f}) by {margin}")
    beaten = " and ".join(f"{name} ({theirs:.4f})" for name, theirs in rivals.items())
    return Verdict(True, f"PR-AUC {own:.4f} beats {beaten} by {margin} or more")


def _levels(model: PipelineModel, examples: DataFrame, shift: float = 0.0) -> list[Level]:
    return evaluate.table(models.with_probability(model, examples, shift))


def _constant(levels: Sequence[Level], rate: float) -> list[Level]:
    """The levels if everyone had the same probability."""
    members, churners = sum(e.members for e in levels), sum(e.churners for e in levels)
    squares = churners * (1 - rate) ** 2 + (members - churners) * rate**2
    return [Level(rate, members, churners, members * rate, squares)]


def _mean_label(examples: DataFrame) -> float:
    found: Any = examples.agg(F.avg("label")).first()
    return float(found[0])
