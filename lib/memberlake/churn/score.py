"""Scores of members by a model, and the day's row for each measure of that model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from memberlake.churn import evaluate, explain, models, monitor
from memberlake.churn.features import DECLARED
from memberlake.churn.monitor import Metric
from memberlake.churn.registry import Loaded
from memberlake.conf.churn import Bands, ChurnAlerts, Threshold


class Monitored(NamedTuple):
    """A measure of a model."""

    model_name: str
    model_version: str
    metric: Metric


def threshold(members: DataFrame, model: Loaded, conf: Threshold, shift: float = 0.0) -> float:
    """The probability from which on a member is told to churn: the model's; by capacity, that of these members."""
    if conf.by != "capacity":
        return model.version.threshold
    nobody_knows = members.withColumn("label", F.lit(0))
    return evaluate.threshold(evaluate.table(models.with_probability(model.pipeline, nobody_knows, shift)), conf)


def scores(members: DataFrame, model: Loaded, bands: Bands, threshold: float, shift: float = 0.0) -> DataFrame:
    """Rows of gold.churn_scores from rows of gold.churn_features.

    Args:
        shift: the season's, from the day on which the model was calibrated.
    """
    scored = models.with_probability(model.pipeline, members, shift)
    probability = F.col("probability")
    band = F.when(probability >= bands.high, "high").when(probability >= bands.medium, "medium").otherwise("low")
    return scored.select(
        "as_of",
        "member_id",
        F.lit(model.version.name).alias("model_name"),
        F.lit(model.version.version).alias("model_version"),
        "probability",
        # as the threshold was found: scores that agree to so many digits are one level
        (F.round(probability, evaluate.DIGITS) >= threshold).alias("predicted_churn"),
        band.alias("risk_band"),
        explain.top_factors(model.effects).alias("top_factors"),
    )


def shifts(members: DataFrame, scored: DataFrame, model: Loaded, limits: ChurnAlerts, first: date) -> list[Monitored]:
    """How far the members of the day are from those the model was trained on.

    Args:
        members: rows of gold.churn_features.
        scored: rows of gold.churn_scores, of the same members.
        first: day of the record.
    """
    drifting = moving(model.version.trained_from, first)
    bounds = {name: then.bounds for name, then in model.spreads.items()}
    score = {monitor.SCORE: bounds.pop(monitor.SCORE)}
    now = monitor.spreads(members, bounds) | monitor.spreads(scored, score)
    found = monitor.shifts(model.spreads, now, limits, drifting)
    return [Monitored(model.version.name, model.version.version, metric) for metric in found]


def moving(trained_from: date | None, first: date) -> list[str]:
    """Features that move whatever members do: by nature, or because their window reached before the record's first day
    in training, so that they grow with the record."""
    seen = (trained_from - first).days + 1 if trained_from else None
    return [f.name for f in DECLARED if f.drifts or (seen is not None and f.window is not None and f.window > seen)]


def outcomes(given: DataFrame, tested: DataFrame, limits: ChurnAlerts) -> list[Monitored]:
    """What came of the scores of a day: none where nobody was scored, or where nobody or everybody churned.

    Args:
        given: rows of gold.churn_scores of one day, with label.
        tested: gold.churn_models.
    """
    levels = evaluate.table(given)
    if not 0 < sum(e.churners for e in levels) < sum(e.members for e in levels):
        return []
    by = given.select("model_name", "model_version").first()  # a day is scored by one model
    assert by is not None
    own = tested.where((F.col("model_name") == by["model_name"]) & (F.col("model_version") == by["model_version"]))
    test = own.select("pr_auc").first()
    found = monitor.outcomes(evaluate.measures(levels), test["pr_auc"] if test else None, limits)
    return [Monitored(by["model_name"], by["model_version"], metric) for metric in found]


def monitoring(spark: SparkSession, rows: Sequence[Monitored], as_of: date) -> DataFrame:
    """Rows of gold.model_monitoring."""
    structs = [
        F.struct(
            F.lit(row.model_name).alias("model_name"),
            F.lit(row.model_version).alias("model_version"),
            F.lit(as_of).alias("as_of"),
            F.lit(row.metric.metric).alias("metric"),
            F.lit(row.metric.value).cast("double").alias("value"),
            F.lit(row.metric.threshold).cast("double").alias("threshold"),
            F.lit(row.metric.is_alert).alias("is_alert"),
        )
        for row in rows
    ]
    frame: DataFrame = spark.range(1).select(F.inline(F.array(*structs)))
    return frame
