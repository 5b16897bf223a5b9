"""What the rules say of gold.kpi, and monitoring of the models, as of a day. Runs a query for each rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake.conf import Conf
from memberlake.conf.kpi import AlertRule
from memberlake.kpi import alerts
from memberlake.kpi.alerts import Alert, Reading


def of_day(
    kpi: DataFrame, monitoring: DataFrame, rules: Iterable[AlertRule], held: Sequence[Alert], conf: Conf, as_of: date
) -> list[Reading]:
    """Args: held: alerts that are there."""
    found = [each for rule in rules for each in _of_rule(kpi, rule, held, conf, as_of)]
    monitored = monitoring.where(F.col("as_of") <= F.lit(as_of))
    newest = monitored.join(monitored.agg(F.max("as_of").alias("as_of")), on="as_of", how="inner")
    return found + [alerts.of_model(row.asDict()) for row in newest.collect()]  # a row a metric of a model


def _of_rule(kpi: DataFrame, rule: AlertRule, held: Sequence[Alert], conf: Conf, as_of: date) -> list[Reading]:
    days = alerts.needed(rule, conf.alerts, conf.kpi.trend_periods, as_of)
    # a day of the past may have left a week or month running
    same = (F.col("metric") == rule.read_metric) & (F.col("period") == rule.period) & F.col("is_complete")
    # collected: a metric's few periods, for the values of one dimension and over all
    dimensions = F.col("dimension").isin("all", rule.dimension)
    rows = kpi.where(same & dimensions & F.col("period_start").isin(days)).collect()
    of_rule = [r for r in rows if r["dimension"] == rule.dimension]
    values = {(r["dimension_value"], r["period_start"]): r["value"] for r in of_rule}
    counted = {r["period_start"] for r in rows if r["dimension"] == "all"}
    return alerts.readings(rule, days, values, counted, held)
