"""Pages of the report from literal rows."""

from __future__ import annotations

from datetime import date
from typing import Any

from memberlake.report.blocks import Block
from memberlake.report.facts import Facts
from memberlake.report.pages import every
from tests.conftest import configured

D = date(2026, 11, 20)
RULES = configured()


def month(metric: str, start: str, value: float | None, of: tuple[float, float | None], **more: Any) -> dict[str, Any]:
    return {
        "period": "month",
        "period_start": date.fromisoformat(start),
        "metric": metric,
        "dimension": "all",
        "dimension_value": "all",
        "numerator": of[0],
        "denominator": of[1],
        "value": value,
        "is_complete": True,
        "same_days_before": None,
        "as_of": D,
        **more,
    }


def block(page: str, key: str, **rows: list[dict[str, Any]]) -> Block:
    pages = {p.key: p for p in every(Facts(rows, D, "lake", RULES))}
    return next(b for b in pages[page].blocks if b.key == key)


MODEL: dict[str, Any] = {
    **dict.fromkeys(("base_rate", "pr_auc", "recency_pr_auc", "roc_auc", "brier", "ece"), 0.5),
    "examples": 900,
    **{"model_name": "churn", "model_version": "1", "as_of": D, "model": "random_forest", "is_promoted": True},
    "reason": "promoted by hand",
}
