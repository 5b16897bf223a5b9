"""What the report says of alerts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.pages import RULES, D, block

from memberlake.conf.kpi import AlertRule
from memberlake.report import write
from memberlake.report.facts import DEFINED, Facts
from memberlake.report.pages import every
from memberlake.report.texts import Said

OPEN_ALERT = {
    "state": "open",
    "severity": "info",
    "raised_on": D,
    "as_of": D,
    "rule": "r",
    "notify": None,
    "message": "as stored",
}


@pytest.mark.parametrize(
    ("subject", "rule", "en", "zh"),
    [
        ("movement_ratio", {"below": 1}, "Movement ratio (month) below 1.000", "新增流失比（月）低于 1.000"),
        (
            "revenue/channel/wechat",
            {"measure": "change", "above": 0.5},
            "Revenue, change (month, channel WeChat) above 50.0%",
            "订单金额的变化（月，渠道 微信）高于 50.0%",
        ),
        (
            "churn_rate",
            {"measure": "trend", "above": 0.002},
            "Churn rate, trend (month) above +0.20 pts a month",
            "流失率的趋势（月）高于 +0.20 个百分点/月",
        ),
        ("churn_rate", None, "as stored", "as stored"),  # the rule is gone
        (None, {"above": 1}, "as stored", "as stored"),
        (
            "churn/3/pr_auc",
            "model",
            "PR-AUC of model churn, version 3, beyond 0.400",
            "模型 churn 版本 3 的 PR-AUC 超出 0.400",
        ),
        (
            "churn/3/missing:orders_30",
            "model",
            "missing values of “Orders, last 30 days” of model churn, version 3, beyond 40.0%",
            "模型 churn 版本 3 的 “近30天订单数”的缺失值 超出 40.0%",
        ),
    ],
)
def test_an_alert_speaks_the_language_of_the_page(subject: str | None, rule: Any, en: str, zh: str) -> None:
    given = {"name": "r", "metric": (subject or "revenue").partition("/")[0], "period": "month"}
    rules = {"r": AlertRule(**given, **rule)} if isinstance(rule, dict) else {}
    limit = rule.get("above", rule.get("below")) if isinstance(rule, dict) else 0.4
    kind = "model" if rule == "model" else "metric"
    alert = {**OPEN_ALERT, "subject_kind": kind, "subject_id": subject, "value": None, "threshold": limit}
    (listed,) = next(
        p for p in every(Facts({"alerts": [alert]}, D, "lake", RULES, rules=rules)) if p.key == "alerts"
    ).blocks
    assert listed.rows[0][2].said == Said(en, zh)


def test_the_numbers_of_an_alert() -> None:
    """An amount of money as whole as it is read out, a share to its last digit that counts."""
    alert = {**OPEN_ALERT, "subject_kind": "metric", "subject_id": None, "value": 1234567.89, "threshold": 0.0352}
    (row,) = block("alerts", "alert_list", alerts=[alert]).rows
    assert [cell.said.en for cell in row if cell.is_number] == ["1,234,568", "0.0352"]


def test_the_numbers_of_an_alert_are_written_as_on_the_other_pages(tmp_path: Path) -> None:
    alert = {"state": "open", "severity": "info", "raised_on": D, "as_of": D, "rule": "r", "subject_id": "churn_rate"}
    alert |= {"subject_kind": "metric", "message": "as stored", "value": 0.0352, "threshold": 0.0349, "notify": None}
    rules = {"r": AlertRule(name="r", metric="churn_rate", period="month", above=0.0349)}
    facts = Facts({"alerts": [alert]}, D, "lake", RULES, rules=rules)
    listed = next(p for p in every(facts) if p.key == "alerts").blocks[0]
    (row,) = listed.rows
    assert [(cell.said.en, cell.hover) for cell in row if cell.is_number] == [("3.5%", "0.0352"), ("3.5%", "0.0349")]
    assert [cell.defined for cell in row if cell.is_number] == [DEFINED["churn_rate"], None]
    assert listed.defined[0] == DEFINED["churn_rate"]
    page = (write.folder(tmp_path, facts, "en", "0.1.0").parent / "alerts.html").read_text(encoding="utf-8")
    assert DEFINED["churn_rate"].formula.zh in page[page.index("<tbody>") : page.index("</tbody>")]


@pytest.mark.parametrize(("days_after", "said"), [(0, "every number is within its limit"), (1, "or none was checked")])
def test_without_alerts_all_is_well_only_on_the_day_that_was_judged_last(days_after: int, said: str) -> None:
    facts = Facts({}, D, "lake", RULES, judged_until=D + timedelta(days=days_after))
    (listed,) = next(page for page in every(facts) if page.key == "alerts").blocks
    assert listed.missing is not None
    assert said in listed.missing.en
