"""The season of churn: how its share moved a year ago, between the days of a calibration and of a score.

A calibration knows the share of churners of its own day. Where there is a season, the share of another day is another,
and all probabilities are too high or too low by that. Nobody knows the share of today's outcomes, but those of a year
ago are known. Of their movement only that is taken which is more than chance would give (positive-part James-Stein).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from math import log

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from memberlake.churn import snapshots
from memberlake.conf import ChurnConf

YEAR = timedelta(days=364)  # so that weekdays agree


def year_ago(
    known: DataFrame, spells: DataFrame, conf: ChurnConf, first: date | None, calibrated_on: date, on: date
) -> DataFrame:
    """Members and churners, one row for each of the two days a year before; none when one is too early in the record,
    or its outcome is not known on `on`.

    Args:
        known: member_id, known_on.
        first: the first day of the record.
    """
    days = [calibrated_on - YEAR, on - YEAR]
    is_seen = first is not None and first + timedelta(days=conf.observe_days) <= min(days)
    examples = snapshots.eligible(known, spells, days).where(F.lit(is_seen and conf.embargo_days <= YEAR.days))
    labelled = snapshots.with_labels(examples, spells, days, conf)
    return labelled.groupBy("as_of").agg(F.count(F.lit(1)).alias("members"), F.sum("label").alias("churners"))


def shift(year_ago: Iterable[Row], calibrated_on: date, on: date) -> float:
    """What is to be added to the log-odds of scores of a day; 0.0 where the year before says nothing.

    Args:
        year_ago: the rows of `year_ago`.
    """
    found = {row["as_of"]: (row["members"], row["churners"]) for row in year_ago}
    before, after = found.get(calibrated_on - YEAR), found.get(on - YEAR)
    if before is None or after is None or any(churners in {0, members} for members, churners in (before, after)):
        return 0.0
    moved = _log_odds(*after) - _log_odds(*before)
    by_chance = sum(1 / churners + 1 / (members - churners) for members, churners in (before, after))  # variance
    return moved * max(0.0, 1 - by_chance / moved**2) if moved else 0.0


def _log_odds(members: int, churners: float) -> float:
    return log(churners / (members - churners))
