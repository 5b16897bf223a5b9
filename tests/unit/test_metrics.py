"""The declarations of metrics are whole. Nothing here needs Spark."""

from __future__ import annotations

import pytest

from memberlake.kpi import metrics
from memberlake.kpi.metrics import MEASURES, METRICS, Metric
from memberlake.tables import BY_NAME


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda m: m.name)
def test_a_metric_explains_itself(metric: Metric) -> None:
    assert metric.numerator in MEASURES
    assert metric.denominator is None or metric.denominator in MEASURES
    assert metric.sentence.endswith(".")
    assert metric.en
    assert metric.zh
    assert metric.formula
    assert metric.formula_zh
    assert metric.zero_rule
    assert {*metric.sources} <= {*BY_NAME}


def test_names_and_measures_are_used_once_or_more() -> None:
    assert len({m.en for m in METRICS.values()}) == len(METRICS)
    assert len({m.zh for m in METRICS.values()}) == len(METRICS)
    used = {name for m in METRICS.values() for name in (m.numerator, m.denominator) if name}
    assert used == {*MEASURES}
    families = (metrics.OPERATION, metrics.COHORT, metrics.CHURN_METRICS, metrics.DERIVED, ("visits",))
    assert sorted(name for family in families for name in family) == sorted(METRICS)
