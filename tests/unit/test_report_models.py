"""What the report says of churn models: why one was promoted, drift and gaps of features, what came of scores."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from tests.pages import MODEL, RULES, D, block

from memberlake.churn import training
from memberlake.report.texts import Said


@pytest.mark.parametrize(
    ("tests", "zh"),
    [
        ({"model": 0.5, "recency": 0.45}, "PR-AUC 0.5000，高出仅用最近一次购买（0.4500）至少 0.01"),
        (
            {"model": 0.5, "recency": 0.45, "champion": 0.4},
            "PR-AUC 0.5000，高出仅用最近一次购买（0.4500）与现任模型（0.4000）至少 0.01",
        ),
        ({"model": 0.5, "recency": 0.45, "champion": 0.5}, "PR-AUC 0.5000，未能高出现任模型（0.5000）至少 0.01"),
        (None, "promoted by hand"),
    ],
)
def test_why_a_model_was_promoted_is_said_in_both_languages(tests: dict[str, float] | None, zh: str) -> None:
    reason = training.judge({who: {"pr_auc": v} for who, v in tests.items()}, 0.01).reason if tests else zh
    (row,) = block("models", "trained", models=[{**MODEL, "reason": reason}]).rows
    assert row[-1].said == Said(reason, zh)
    assert (row[4].said.en, row[4].hover) == ("0.500", "450 / 900")


def test_what_only_time_brings_needs_no_command() -> None:
    at = datetime(2026, 11, 20)
    run = {"job": "churn_score", "as_of": D, "state": "done", "started_at": at, "ended_at": at, "error": None}
    rows = {"models": [MODEL], "jobs": [{**run, "rows_read": 1, "rows_written": 1}]}
    assert block("models", "monitoring", models=[MODEL]).command.startswith("memberlake run churn_score")
    assert block("models", "monitoring", **rows).command == ""


def test_when_the_outcome_of_scores_is_known() -> None:
    first = date(2026, 11, 1)
    row = {"model_name": "churn", "model_version": "3", "as_of": D, "first_on": first, "threshold": None}
    missing = block("models", "monitoring", monitoring=[{**row, "metric": "psi:score", "value": 0.1}]).missing
    assert missing is not None
    due = first + timedelta(days=RULES.churn.embargo_days)
    assert missing.en == f"Members have been scored since {first}; what came of these scores is known from {due} on."


def test_drift_is_that_of_members_and_not_of_the_calendar() -> None:
    row = {"model_name": "churn", "model_version": "3", "as_of": D, "first_on": D, "threshold": None, "is_alert": False}
    values = {"psi:visits_30": 0.1, "psi:season_cos": 11.2, "psi:score": 0.3}
    found = block("models", "drift", monitoring=[{**row, "metric": m, "value": v} for m, v in values.items()])
    assert found.chart is not None
    drawn = [x for trace in found.chart["data"] for x in trace["x"] if x is not None]
    assert sorted(drawn) == [0.1, 0.3]


def test_drift_and_gaps_are_those_of_the_model_that_scored_last() -> None:
    def row(metric: str, version: str, day: int, value: float) -> dict[str, Any]:
        model = {"model_name": "churn", "model_version": version, "as_of": date(2026, 11, day)}
        return {**model, "metric": metric, "first_on": D, "value": value, "threshold": None, "is_alert": False}

    rows = [
        row("psi:logins_30", "8", 12, 0.9),
        row("psi:visits_30", "9", 20, 0.8),
        row("psi:visits_30", "10", 20, 0.1),
        row("missing:visits_30", "9", 20, 0.5),
        row("missing:visits_30", "10", 20, 0.2),
    ]
    drift = block("models", "drift", monitoring=rows)
    assert drift.chart is not None
    assert [x for trace in drift.chart["data"] for x in trace["x"] if x is not None] == [0.1]
    assert [row[1].said.en for row in block("models", "gaps", monitoring=rows).rows] == ["+20.0"]


def test_drift_that_is_judged_comes_first_and_the_rest_is_counted() -> None:
    row = {"model_name": "churn", "model_version": "3", "as_of": D, "first_on": D, "is_alert": False}
    rows = [{**row, "metric": f"psi:f{n}", "value": 0.01 * n, "threshold": 0.25} for n in range(20)]
    found = block("models", "drift", monitoring=[{**row, "metric": "psi:age", "value": 0.9, "threshold": None}, *rows])
    assert found.note.en.endswith("Listed are the first 20 of 21.")  # not the largest
    assert found.chart is not None
    assert found.chart["data"][0]["x"] == [r["value"] for r in reversed(rows)]


def test_features_are_shown_by_their_names() -> None:
    row = {"model_name": "churn", "model_version": "3", "as_of": D, "first_on": D, "threshold": None, "is_alert": False}
    rows = [{**row, "value": 0.1, "metric": metric} for metric in ("psi:orders_30", "psi:score", "missing:orders_30")]
    orders = Said("Orders, last 30 days", "近30天订单数")
    drift, gaps = (block("models", key, monitoring=rows) for key in ("drift", "gaps"))
    assert drift.chart is not None
    assert drift.chart["data"][0]["y"] == [orders, Said("model score", "模型得分")]
    assert gaps.rows[0][0].said == orders
    factors = [{"feature": name, "members": 2, "effect": 0.1} for name in ("orders_30", "of_an_older_model")]
    assert [row[0].said for row in block("churn", "factors", factors=factors).rows] == [
        orders,
        Said("of an older model", "of an older model"),
    ]
