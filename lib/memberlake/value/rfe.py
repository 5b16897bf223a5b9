"""Recency, frequency and engagement of visits, of members and of anonymous visitors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake import scoring
from memberlake.conf import RfeConf
from memberlake.scoring import Measure


def measures(thresholds: Mapping[str, tuple[float, ...]]) -> list[Measure]:
    """What RFE scores, in the order of the code."""
    return [
        Measure("recency_days", "r_score", less_is_better=True, thresholds=thresholds.get("r", ())),
        Measure("frequency", "f_score", thresholds=thresholds.get("f", ())),
        Measure("engagement", "e_score", thresholds=thresholds.get("e", ())),
    ]


def without_robots(events: DataFrame, active_types: Sequence[str], robot_threshold: int | None) -> DataFrame:
    """Without the days on which a subject has more active events than the threshold; NULL: all stay."""
    if robot_threshold is None:
        return events
    of_day = Window.partitionBy("subject_id", "active_on").rowsBetween(
        Window.unboundedPreceding, Window.unboundedFollowing
    )
    active = F.count_if(F.col("event_type").isin(*active_types)).over(of_day)
    return events.withColumn("_active", active).where(F.col("_active") <= robot_threshold).drop("_active")


def measure(events: DataFrame, as_of: date, active_types: Sequence[str], weights: Mapping[str, float]) -> DataFrame:
    """One row a subject with a visit: recency_days, frequency, engagement; scope `all`.

    An event of an active type is part of a visit. The visits of a subject are its sessions; of one without any
    session, its active days. Weights count for events of any type.

    Args:
        events: of the look-back, with subject_id, is_member and active_on.
    """
    visits = F.col("event_type").isin(*active_types)
    sessions = F.count_distinct(F.when(visits, F.col("session_id")))
    active_days = F.count_distinct(F.when(visits, F.col("active_on")))
    return (
        events.groupBy("subject_id")
        .agg(
            F.max("is_member").alias("is_member"),
            F.date_diff(F.lit(as_of), F.max(F.when(visits, F.col("active_on")))).cast("int").alias("recency_days"),
            F.coalesce(F.nullif(sessions, F.lit(0)), active_days).alias("frequency"),
            F.sum(_weight(weights)).alias("engagement"),
        )
        .where(F.col("recency_days").isNotNull())
        .withColumn("scope", F.lit("all"))
    )


def cuts(subjects: DataFrame, conf: RfeConf) -> DataFrame:
    """The exact quantiles that the scores are cut at. Persist both frames (`Lake.kept`)."""
    return scoring.cuts(subjects, measures(conf.thresholds), conf.tiles)


def score(subjects: DataFrame, cuts: DataFrame, conf: RfeConf) -> DataFrame:
    """Adds to the measured subjects their scores."""
    return scoring.with_scores(subjects, cuts, measures(conf.thresholds), conf.tiles)


def combinations(scored: DataFrame, conf: RfeConf) -> DataFrame:
    """The combinations of scores that subjects have, with code, sum, rank and segment; persist them."""
    return scoring.described(scored, measures(conf.thresholds), conf)


def _weight(weights: Mapping[str, float]) -> Column:
    # decimals: doubles have no exact sum, and are not scored
    weight = F.lit(Decimal(0)).cast("decimal(11,4)")
    for event_type, value in weights.items():
        given = F.lit(Decimal(str(value))).cast("decimal(11,4)")
        weight = F.when(F.col("event_type") == event_type, given).otherwise(weight)
    return weight
