"""What the pages say, from literal rows. Nothing here needs Spark or a browser."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import configured

from memberlake import conf, jobs
from memberlake.churn import features, training
from memberlake.conf.kpi import MEMBER_DIMENSIONS, ORDER_DIMENSIONS, AlertRule
from memberlake.errors import UserError
from memberlake.kpi.metrics import METRICS, TRENDS
from memberlake.report import charts, texts, write
from memberlake.report.blocks import Block
from memberlake.report.facts import DEFINED, Facts
from memberlake.report.kpi import figure, fraction, trend
from memberlake.report.pages import every
from memberlake.report.texts import Said, number, slope

D = date(2026, 11, 20)
RULES = configured()
OPEN_ALERT = {
    "state": "open",
    "severity": "info",
    "raised_on": D,
    "as_of": D,
    "rule": "r",
    "notify": None,
    "message": "as stored",
}


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


def test_a_figure_is_the_last_whole_month_with_its_parts_and_the_change() -> None:
    found = block(
        "churn",
        "headline",
        kpi=[
            month("churn_rate", "2026-09-01", 0.02, (2, 100)),
            month("churn_rate", "2026-10-01", 0.05, (6, 120)),
            month("churn_rate", "2026-11-01", 0.01, (1, 100), is_complete=False, same_days_before=0.03),
        ],
    )
    (figure,) = found.figures
    assert (figure.value.en, figure.numerator.en, figure.denominator.en, figure.period.en) == (
        "5.0%",
        "6",
        "120",
        "2026-10",
    )
    assert figure.change == Said("+3.0 pts", "+3.0 个百分点")
    assert figure.is_good is False  # churn that rises
    assert [said.en for said in figure.so_far] == ["1.0%", "3.0%"]
    assert figure.defined.label == Said("Churn rate", "流失率")


def test_the_table_of_all_metrics_tells_the_parts_of_every_month() -> None:
    rows = [
        month("churn_rate", "2026-09-01", 0.02, (2, 100)),
        month("churn_rate", "2026-10-01", 0.05, (6, 120)),
        month("churn_rate", "2026-11-01", 0.01, (1, 110), is_complete=False, same_days_before=0.03),
    ]
    (listed,) = block("index", "all_metrics", kpi=rows).rows
    of_months = [(cell.said.en, cell.hover) for cell in listed if "%" in cell.said.en]
    assert of_months == [("5.0%", "6 / 120"), ("2.0%", "2 / 100"), ("1.0%", "1 / 110"), ("3.0%", "")]


def test_a_picture_of_one_metric_is_called_after_it() -> None:
    found = block("value", "value_months", kpi=[month("average_order_value", "2026-10-01", 20.0, (40, 2))])
    assert found.chart is not None
    assert found.chart["layout"]["showlegend"] is False
    assert DEFINED["average_order_value"].label.en in found.title.en
    assert DEFINED["average_order_value"].label.zh in found.title.zh


def test_what_fell_stands_clear_of_the_names() -> None:
    for value, is_moved in ((-1.0, True), (1.0, False)):
        chart = charts.ranking([texts.same("guests")], [charts.Series(texts.same("fell"), [], [value])], ",.0f")
        assert ("ticklabelstandoff" in chart["layout"]["yaxis"]) == is_moved


def test_tables_of_campaigns_and_goals_are_headed_alike() -> None:
    of = {"dimension": "goal", "dimension_value": "lead"}
    found = block("money", "by_goal", kpi=[month("cost_per_goal", "2026-10-01", 20.0, (40, 2), **of)])
    assert found.columns == [Said("Goal", "目标"), DEFINED["cost_per_goal"].label]


def test_a_zero_denominator_is_no_number() -> None:
    rows = [month("cost_per_winback", "2026-09-01", 8.0, (8, 1)), month("cost_per_winback", "2026-10-01", None, (8, 0))]
    (figure,) = block("money", "unit_cost", kpi=rows).figures
    assert (figure.value.en, figure.numerator.en, figure.denominator.en) == ("–", "¥8", "0")
    assert figure.change is None


def test_before_the_first_month_is_over_it_is_shown_as_running() -> None:
    rows = [
        month("orders", "2026-11-01", 7, (7, None), is_complete=False),
        month("visits", "2026-11-01", 3, (3, None), is_complete=False),
    ]
    (figure,) = block("activity", "headline", kpi=rows).figures
    assert figure.period == Said("2026-11, to date", "2026-11（至今）")


def test_shares_of_segments_add_up_and_the_richest_is_first() -> None:
    rows = [
        {"r_score": 5, "f_score": 5, "segment": "champions", "members": 1, "money": 90.0},
        {"r_score": 1, "f_score": 1, "segment": "own_name", "members": 2, "money": 10.0},
        {"r_score": 1, "f_score": 2, "segment": "own_name", "members": 1, "money": None},
    ]
    found = block("value", "rfm_table", rfm=rows)
    assert [[cell.said.en for cell in row] for row in found.rows] == [
        ["champions", "1", "25.0%", "¥90", "90.0%", "¥90.00"],
        ["own name", "3", "75.0%", "¥10", "10.0%", "¥3.33"],
    ]
    assert found.rows[1][2].hover == "3 / 4"
    chart = block("value", "rfm_map", rfm=rows).chart
    assert chart is not None
    assert chart["data"][0]["z"] == [[5.0, 0.0, None, None, None], *[[None] * 5] * 3, [None] * 4 + [90.0]]
    assert chart["data"][0]["customdata"][0][:3] == ["¥10 / 2", "¥0 / 1", ""]  # those of the mean


def test_every_block_of_an_empty_lake_says_what_is_missing() -> None:
    blocks = [b for page in every(Facts({}, D, "my lake", RULES)) for b in page.blocks]
    assert all(b.missing for b in blocks)
    commands = {b.key: b.command for b in blocks}
    assert commands["rfm_map"] == "memberlake run rfm --lake 'my lake' --as-of 2026-11-20"
    assert commands["rejects"] == ""


def test_where_kpi_ran_the_tables_that_it_lacks_are_named() -> None:
    told = {"kpi": [month("visits", "2026-10-01", 7.0, (7.0, None))]}
    missing = block("members", "new_members", **told).missing
    assert missing is not None
    assert missing.en == "Nothing to count: this needs rows of silver.members, silver.orders. Ingest them first."


MODEL: dict[str, Any] = {
    **dict.fromkeys(("base_rate", "pr_auc", "recency_pr_auc", "roc_auc", "brier", "ece"), 0.5),
    "examples": 900,
    **{"model_name": "churn", "model_version": "1", "as_of": D, "model": "random_forest", "is_promoted": True},
    "reason": "promoted by hand",
}
EMPTY = {"silver.members": False, "silver.orders": True, "silver.events": False, "silver.coupon_events": False}
INGEST = "memberlake ingest --source NAME --lake lake"


@pytest.mark.parametrize(
    ("page", "key", "ran", "why", "steps"),
    [
        # the job has run, and its table of silver is empty
        ("members", "new_members", "kpi", "no rows in silver.orders", ["ingest", "kpi"]),
        ("members", "funnel", "kpi", "no rows in silver.orders", ["ingest", "kpi"]),
        ("index", "headline", "kpi", "no rows in silver.orders", ["ingest", "kpi"]),
        ("churn", "movement", "kpi", "no rows in silver.orders", ["ingest", "kpi"]),
        ("value", "rfm_map", "rfm", "no rows in silver.orders", ["ingest", "rfm"]),
        ("value", "rfm_map", None, "no rows in silver.orders", ["ingest", "rfm"]),
        # it has run, and the table has rows, but none that counts
        ("value", "rfe_map", "rfe", "this needs events of visits", ["ingest", "rfe"]),
        # it has not run
        ("members", "new_members", None, "gold.kpi has nothing", ["kpi"]),
        ("value", "rfe_map", None, "this needs events of visits", ["rfe"]),
        # it needs a table that the report does not read
        ("money", "by_campaign", "kpi", "no rows in silver.orders", ["ingest", "kpi"]),
        ("coupons", "coupon_status", "coupons", "needs silver.coupons and", ["ingest", "coupons"]),
        # it needs another job before
        ("churn", "churn_rate", "kpi", "this needs members, and rules", ["churn_score", "kpi"]),
        ("churn", "churn_rate", "churn_score", "this needs members, and rules", ["ingest", "churn_score", "kpi"]),
        ("models", "monitoring", None, "no rows in silver.orders", ["ingest", "churn_train", "churn_score"]),
        ("alerts", "alert_list", None, "none was checked", ["kpi", "alerts"]),
    ],
)
def test_the_first_command_is_one_that_can_help(page: str, key: str, ran: str | None, why: str, steps: Any) -> None:
    at = datetime(2026, 11, 20)
    run = {"as_of": D, "state": "done", "started_at": at, "ended_at": at, "error": None}
    rows: dict[str, Any] = {"silver": [{"table": table, "is_empty": told} for table, told in EMPTY.items()]}
    if ran:
        rows["jobs"] = [{**run, "job": ran, "rows_read": 0, "rows_written": 0}]
        rows["kpi"] = [month("visits", "2026-10-01", 7.0, (7.0, None))] if ran == "kpi" else []
    found = block(page, key, **rows)
    assert found.missing is not None
    assert why in found.missing.en
    commands = [INGEST if s == "ingest" else f"memberlake run {s} --lake lake --as-of {D}" for s in steps]
    assert [found.command, *found.then] == commands


def test_what_only_time_brings_needs_no_command() -> None:
    at = datetime(2026, 11, 20)
    run = {"job": "churn_score", "as_of": D, "state": "done", "started_at": at, "ended_at": at, "error": None}
    rows = {"models": [MODEL], "jobs": [{**run, "rows_read": 1, "rows_written": 1}]}
    assert block("models", "monitoring", models=[MODEL]).command.startswith("memberlake run churn_score")
    assert block("models", "monitoring", **rows).command == ""


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


@pytest.mark.parametrize("name", [n for n, of in DEFINED.items() if n not in TRENDS])
def test_a_picture_writes_a_metric_as_its_card_does(name: str) -> None:
    """But for cents and millions."""
    value = 0.1392 if DEFINED[name].form == "share" else 13.92
    rows = [month(name, "2026-10-01", value, (value, None))]
    facts = Facts({"kpi": rows}, D, "lake", RULES)
    drawn, card = trend(facts, "churn_rate", [name]).chart, figure(facts, name)
    assert drawn is not None
    assert card is not None
    form = drawn["layout"]["yaxis"]["tickformat"]
    assert f"{{y:{form}}}" in drawn["data"][0]["hovertemplate"]
    is_money = DEFINED[name].form == "money"
    assert form.startswith("$") == is_money  # the currency, for d3
    assert format(value, form.removeprefix("$")) == ("14" if is_money else card.value.en)


def test_the_cost_ratio_is_written_alike_on_its_card_and_in_its_picture() -> None:
    of_kind = {"dimension": "cost_type", "dimension_value": "media"}
    rows = [
        month("marketing_cost", "2026-10-01", 1392.0, (1392, None), **of_kind),
        month("marketing_revenue", "2026-10-01", 1000.0, (1000, None)),
        month("marketing_cost_ratio", "2026-10-01", 1.392, (1392, 1000)),
    ]
    assert block("money", "headline", kpi=rows).figures[1].value.en == "1.392"
    chart = block("money", "cost", kpi=rows).chart
    assert chart is not None
    assert chart["layout"]["yaxis2"]["tickformat"] == ",.3f"
    assert "%{y:,.3f}" in chart["data"][-1]["hovertemplate"]


def test_drift_is_that_of_members_and_not_of_the_calendar() -> None:
    row = {"model_name": "churn", "model_version": "3", "as_of": D, "first_on": D, "threshold": None, "is_alert": False}
    values = {"psi:visits_30": 0.1, "psi:season_cos": 11.2, "psi:score": 0.3}
    found = block("models", "drift", monitoring=[{**row, "metric": m, "value": v} for m, v in values.items()])
    assert found.chart is not None
    drawn = [x for trace in found.chart["data"] for x in trace["x"] if x is not None]
    assert sorted(drawn) == [0.1, 0.3]


def test_drift_and_gaps_are_those_of_the_model_that_scored_last() -> None:
    def row(metric: str, version: str, day: int, value: float) -> dict[str, Any]:
        told = {"model_name": "churn", "model_version": version, "as_of": date(2026, 11, day), "metric": metric}
        return {**told, "first_on": D, "value": value, "threshold": None, "is_alert": False}

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


def test_every_feature_has_a_short_name_in_both_languages_and_nothing_else_has() -> None:
    assert texts.FEATURES.keys() == set(features.NAMES)
    assert len(set(texts.FEATURES.values())) == len(features.NAMES)
    for name, said in texts.FEATURES.items():
        assert len(said.en) <= 28, name  # it stands beside a bar, on a phone too
        assert len(said.zh) <= 14, name
        assert name not in said, name
        assert any(ord(c) > 0x2E80 for c in said.zh), name


def test_features_are_shown_by_their_names() -> None:
    row = {
        "model_name": "churn",
        "model_version": "3",
        "as_of": D,
        "first_on": D,
        "threshold": None,
        "is_alert": False,
        "value": 0.1,
    }
    told = [{**row, "metric": metric} for metric in ("psi:orders_30", "psi:score", "missing:orders_30")]
    orders = Said("Orders, last 30 days", "近30天订单数")
    drift, gaps = (block("models", key, monitoring=told) for key in ("drift", "gaps"))
    assert drift.chart is not None
    assert drift.chart["data"][0]["y"] == [orders, Said("model score", "模型得分")]
    assert gaps.rows[0][0].said == orders
    factors = [{"feature": name, "members": 2, "effect": 0.1} for name in ("orders_30", "of_an_older_model")]
    assert [row[0].said for row in block("churn", "factors", factors=factors).rows] == [
        orders,
        Said("of an older model", "of an older model"),
    ]


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
def test_why_a_model_was_promoted_is_told_in_both_languages(tests: dict[str, float] | None, zh: str) -> None:
    reason = training.judge({who: {"pr_auc": v} for who, v in tests.items()}, 0.01).reason if tests else zh
    (row,) = block("models", "trained", models=[{**MODEL, "reason": reason}]).rows
    assert row[-1].said == Said(reason, zh)
    assert (row[4].said.en, row[4].hover) == ("0.500", "450 / 900")


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            "DateTimeException: [CAST_INVALID_INPUT] The value 'Zhang San' of the type \"STRING\" cannot be cast",
            "DateTimeException: [CAST_INVALID_INPUT]",
        ),
        (
            "ValueError: the member's 'Zhang. San' of \"M1\" is odd. Row: (M1, Zhang)",
            "ValueError: the member's … of … is odd.",
        ),
        ("OSError: cannot open 'Zhang San", "OSError: cannot open …"),  # cut off
        (None, "–"),
    ],
)
def test_an_error_is_told_without_what_it_quotes(error: str | None, shown: str) -> None:
    at = datetime(2026, 11, 20)
    run = {"job": "kpi", "as_of": D, "state": "failed", "started_at": at, "ended_at": at, "error": error}
    listed = block("quality", "jobs", jobs=[{**run, "rows_read": 1, "rows_written": 0}])
    assert listed.rows[0][-1].said.en == shown


def test_a_command_that_brings_data_is_one_that_there_is() -> None:
    assert {of.job for of in texts.MISSING.values() if of.job} <= {job.name for job in jobs.every()}


def test_every_text_is_there_in_both_languages() -> None:
    def said(node: Any) -> list[Said]:
        if isinstance(node, Said):
            return [node]
        values = node.values() if isinstance(node, dict) else node if isinstance(node, tuple) else ()
        return [text for value in values for text in said(value)]

    found = said((texts.PAGES, texts.UI, texts.HEADERS, texts.WORDS, texts.BLOCKS, texts.ALERTS, texts.MISSING))
    found += said((texts.FEATURES, texts.VERDICTS, texts.MEASURES, texts.FORETOLD, texts.TERMS))
    found += [text for of in DEFINED.values() for text in (of.label, of.sentence, of.formula)]
    assert len(found) > 200
    assert all(text.en and text.zh for text in found)
    found = [text for text in found if text not in {texts.UI["switch"], texts.UI["slope"]}]
    assert all(any(ord(c) > 0x2E80 for c in text.zh) or text.en == text.zh for text in found)


def test_words_of_the_project_are_there_in_both_languages() -> None:
    rules = configured()
    told = (conf.project_home() / "docs" / "coupons.md").read_text(encoding="utf-8")
    others = told[told.index("Other flags:") :].partition("\n\n")[0]
    flags = {*re.findall(r"flag `(\w+)`", told), *re.findall(r"`(\w+)`", others)}
    assert len(flags) > 10
    named = {rule.name for rule in rules.churn.rules if rule.enabled} | {*rules.kpi.goals}
    dimensions = {name for metric in METRICS.values() for name in rules.kpi.dimensions_of(metric)}
    known = {*dimensions, *MEMBER_DIMENSIONS, *ORDER_DIMENSIONS}
    assert (flags | named | known) - texts.WORDS.keys() == set()


@pytest.mark.parametrize(
    ("value", "form", "en", "zh"),
    [
        (None, "count", "–", "–"),
        (0, "count", "0", "0"),
        (1234567, "count", "1,234,567", "1,234,567"),
        (12_345_678, "count", "12.3 M", "1,235 万"),
        (-12_345_678.0, "money", "-¥12.3 M", "-¥1,235 万"),
        (999.5, "money", "¥999.50", "¥999.50"),
        (-1908.6, "money", "-¥1,909", "-¥1,909"),
        (0.1234, "share", "12.3%", "12.3%"),
        (1.5, "ratio", "1.500", "1.500"),
        (12.3456, "ratio", "12.346", "12.346"),
    ],
)
def test_numbers_are_written_as_people_read_them(value: float | None, form: str, en: str, zh: str) -> None:
    assert number(value, form, "CNY") == Said(en, zh)


@pytest.mark.parametrize(
    ("value", "form", "period", "en", "zh"),
    [
        (None, "share", "month", "–", "–"),
        (0.0037, "share", "month", "+0.37 pts a month", "+0.37 个百分点/月"),
        (-0.0037, "share", "week", "-0.37 pts a week", "-0.37 个百分点/周"),
        (0.00001, "share", "day", "±0.00 pts a day", "±0.00 个百分点/日"),
        (-0.0096, "count", "month", "±0.0 a month", "±0.0/月"),
        (-2.345, "count", "month", "-2.3 a month", "-2.3/月"),
        (1234.5, "count", "month", "+1,234 a month", "+1,234/月"),
        (-12_345_678.0, "count", "month", "-12.3 M a month", "-1,235 万/月"),
        (-1908.6, "money", "month", "-¥1,909 a month", "-¥1,909/月"),
        (0.0, "money", "month", "±¥0 a month", "±¥0/月"),
        (-0.0104, "ratio", "month", "-0.010 a month", "-0.010/月"),
    ],
)
def test_a_slope_has_the_unit_of_what_rises(value: float | None, form: str, period: str, en: str, zh: str) -> None:
    assert slope(value, form, period, "CNY") == Said(en, zh)


def test_the_trend_of_a_metric_is_told_in_its_unit() -> None:
    rows = [
        month("churn_rate_trend", "2026-10-01", 0.0037, (0.0037, None)),
        month("churn_rate_trend", "2026-11-01", -0.002, (-0.002, None), is_complete=False),
        month("churned_members_trend", "2026-10-01", -0.6, (-0.6, None)),
        month("movement_ratio_trend", "2026-10-01", 0.05, (0.05, None)),
    ]
    figures = {f.key: f for f in block("churn", "headline", kpi=rows).figures}
    assert {key: f.value.en for key, f in figures.items()} == {
        "churn_rate_trend": "+0.37 pts a month",
        "churned_members_trend": "-0.6 a month",
        "movement_ratio_trend": "+0.050 a month",
    }
    rate = figures["churn_rate_trend"]
    assert (rate.value.zh, rate.numerator.en, rate.denominator.en) == ("+0.37 个百分点/月", "–", "–")
    assert [said.en for said in rate.so_far] == ["-0.20 pts a month", "–"]
    listed = {row[0].said.en: row[2].said.en for row in block("index", "all_metrics", kpi=rows).rows}
    assert listed["Trend of the churn rate"] == "+0.37 pts a month"


def test_the_parts_of_a_number_are_exact_however_large() -> None:
    revenue = {"numerator": 12_345_678_901.25, "denominator": 1_234_567.0}
    facts = Facts({}, D, "lake", RULES)
    assert fraction(facts, revenue, DEFINED["average_order_value"]) == "¥12,345,678,901.25 / 1,234,567"


def test_numerator_and_denominator_have_units_of_their_own() -> None:
    rows = [month("coupon_amount_ratio", "2026-10-01", 0.125, (125.0, 1000.0))]
    rows += [month("marketing_cost_ratio", "2026-10-01", 0.5, (500.25, 1000.5))]
    (share,) = block("coupons", "with_coupons", kpi=rows).figures
    assert (share.value.en, share.numerator.en, share.denominator.en) == ("12.5%", "¥125", "¥1,000")
    (ratio,) = block("money", "headline", kpi=rows).figures
    assert (ratio.numerator.en, ratio.denominator.en) == ("¥500.25", "¥1,000")


def test_amounts_of_a_column_have_cents_all_or_none() -> None:
    def listed(*costs: float) -> list[str]:
        of = {"dimension": "campaign"}
        rows = [
            month("marketing_cost", "2026-10-01", cost, (cost, None), **of, dimension_value=f"c{cost}")
            for cost in costs
        ]
        return [row[1].said.en for row in block("money", "by_campaign", kpi=rows).rows]

    assert listed(999.5, 3.0) == ["¥999.50", "¥3.00"]
    assert listed(1200.0, 3.25) == ["¥1,200", "¥3"]


def test_what_a_campaign_has_none_of_is_zero_where_a_ratio_says_so() -> None:
    of = {"dimension": "campaign", "dimension_value": "c1"}
    rows = [
        month("marketing_revenue", "2026-10-01", 200.0, (200.0, None), **of),
        month("marketing_cost_ratio", "2026-10-01", 0.0, (0.0, 200.0), **of),
        month("marketing_cost", "2026-09-01", 7.0, (7.0, None), **of),  # of another month
    ]
    (row,) = block("money", "by_campaign", kpi=rows).rows
    assert [cell.said.en for cell in row] == ["c1", "¥0", "¥200", "0.000", "–", "–"]
    assert row[3].hover == "¥0 / ¥200"


def test_a_table_names_its_month_which_may_not_be_the_last_one() -> None:
    of = {"dimension": "goal", "dimension_value": "lead"}
    rows = [
        month("marketing_cost", "2026-10-01", 7.0, (7.0, None), dimension="all", dimension_value="all"),
        month("cost_per_goal", "2026-09-01", 3.5, (7.0, 2.0), **of),
    ]
    assert "2026-09:" in block("money", "by_goal", kpi=rows).note.en


def test_the_confidence_of_vouchers_is_a_mean_of_those_that_have_one() -> None:
    inferred = {"method": "inferred", "vouchers": 5}
    rows: list[dict[str, Any]] = [
        {**inferred, "status": "issued", "confidence": 2.7, "measured": 3},
        {**inferred, "status": "redeemed", "confidence": 0.5, "measured": 1},
        {"method": "recorded", "vouchers": 9, "status": "issued", "confidence": None, "measured": 0},
    ]
    told = [row[-1] for row in block("coupons", "mapping", vouchers=rows).rows]
    assert [(cell.said.en, cell.hover) for cell in told] == [("80.0%", "3.20 / 4"), ("–", "")]


def test_a_table_says_how_much_it_does_not_list() -> None:
    of = {"dimension": "campaign"}
    rows = [
        month("marketing_cost", "2026-10-01", float(n), (float(n), None), **of, dimension_value=f"c{n}")
        for n in range(20)
    ]
    found = block("money", "by_campaign", kpi=rows)
    assert len(found.rows) == 16
    assert found.rows[0][0].said.en == "c19"
    assert found.note.en.endswith("Listed are the 16 largest of 20, by Marketing cost.")
    of = {"dimension": "city"}
    rows = [
        month("new_registered_members", "2026-10-01", 1.0, (1.0, None), **of, dimension_value=n) for n in "abcdefghij"
    ]
    found = block("members", "by_dimension", kpi=rows)
    assert [row[2].said.en for row in found.rows] == [*"abcdefgh", "2 others"]


def actives(**counts: float | None) -> list[dict[str, Any]]:
    """October, and November to date."""
    row = {"window": "month", "dimension": "all", "dimension_value": "all", "active": 5, "relative_error": None}
    return [
        {**row, **counts, "period_start": date(2026, n, 1), "period_end": date(2026, n, 30), "is_complete": n == 10}
        for n in (10, 11)
    ]


def drawn(found: Block) -> dict[str, list[Any]]:
    """The values of a picture's series, of those that have any."""
    assert found.chart is not None
    return {t["name"].en: t["y"] for t in found.chart["data"] if any(y is not None for y in t["y"])}


def test_who_is_dormant_is_told_once_the_period_is_over() -> None:
    found = block("activity", "active_months", actives=actives(new=1, retained=4, resurrected=0, dormant=3))
    assert drawn(found) == {"new": [1, 1], "retained": [4, 4], "resurrected": [0, 0], "dormant": [-3, None]}
    assert found.chart is not None
    told = {t["name"].en: t["customdata"][0].en for t in found.chart["data"] if "customdata" in t}
    assert told == dict.fromkeys(("new", "retained", "resurrected"), "of 5 active")  # who is dormant is none of them
    assert "estimates" not in found.note.en


@pytest.mark.parametrize(("first", "is_told"), [(date(2026, 10, 9), True), (date(2026, 9, 30), False)])
def test_who_is_new_since_the_record_begins(first: date, is_told: bool) -> None:
    """Of periods in the middle of a record there is nothing to tell."""
    began = [{"what": what, "first_on": first} for what in ("active", "bought")]
    rows = actives(new=1, retained=4, resurrected=0, dormant=3)
    bought = [month("new_purchasing_members", f"2026-{n}-01", 1.0, (1.0, None)) for n in (10, 11)]
    for found in (
        block("activity", "active_months", actives=rows, began=began),
        block("members", "new_members", kpi=bought, began=began),
        block("index", "new_members", kpi=bought, began=began),
    ):
        assert (f" begins on {first}" in found.note.en, f"始于 {first}" in found.note.zh) == (is_told, is_told)


def test_of_estimated_actives_no_parts_are_drawn() -> None:
    rows = actives(new=None, retained=None, resurrected=None, dormant=None, relative_error=0.008125)
    found = block("activity", "active_months", actives=rows)
    assert drawn(found) == {"active": [5, 5]}
    for key in ("active_days", "active_months", "active_weeks", "active_split"):
        noted = block("activity", key, actives=rows).note
        assert "estimates with a standard error of 0.8%" in noted.en, key
        assert "标准误差 0.8%" in noted.zh, key
    rates = [month("activity_rate", "2026-10-01", 0.5, (5.0, 10.0))]
    for page in ("index", "activity"):
        noted = block(page, "headline", actives=rows, kpi=rates).note
        assert "rates of them, are estimates with a standard error of 0.8%" in noted.en, page
        assert "estimates" not in block(page, "headline", kpi=rates).note.en, page


def test_when_the_outcome_of_scores_is_known() -> None:
    first = date(2026, 11, 1)
    told = {"model_name": "churn", "model_version": "3", "as_of": D, "first_on": first, "threshold": None}
    missing = block("models", "monitoring", monitoring=[{**told, "metric": "psi:score", "value": 0.1}]).missing
    assert missing is not None
    due = first + timedelta(days=RULES.churn.embargo_days)
    assert missing.en == f"Members have been scored since {first}; what came of these scores is known from {due} on."


def test_the_last_days_of_gold_are_those_of_the_rows() -> None:
    versions = {f"gold.{name}": (1, datetime(2026, 11, 21)) for name in ("kpi", "abc_classes", "rfm_scores")}
    kpi = [month("orders", "2026-10-01", 1.0, (1.0, None), as_of=date(2026, 10, 31))]
    rows: dict[str, Any] = {"kpi": kpi, "abc": [{"class": "A", "value_tier": "high", "members": 1, "money": 1.0}]}
    quality = next(page for page in every(Facts(rows, D, "lake", RULES, versions)) if page.key == "quality")
    (freshness,) = [b for b in quality.blocks if b.key == "freshness"]
    assert [row[1].said.en for row in freshness.rows] == ["2026-10-31", str(D), "–"]


def test_every_block_explains_itself() -> None:
    """A press of its button tells more than its note again."""
    for page in every(Facts({}, D, "lake", RULES)):
        for found in page.blocks:
            assert found.defined, (page.key, found.key)
    used = {name for told in texts.BLOCKS.values() for name in told.terms}
    assert used == texts.TERMS.keys()
    for labels in zip(*(label for label, _ in texts.TERMS.values()), strict=True):
        assert len(set(labels)) == len(labels)  # the definitions of a page hold each label once


def test_names_of_settings_are_for_those_who_set_them() -> None:
    for of in DEFINED.values():
        assert "kpi." not in "".join((*of.sentence, *of.formula))
    for page in every(Facts({}, D, "lake", RULES)):
        for found in page.blocks:
            assert "{" not in "".join((*found.title, *found.note))


def test_the_report_goes_where_it_may(tmp_path: Path) -> None:
    assert write.target(None, str(tmp_path)) == tmp_path / "report"
    assert write.target(str(tmp_path / "new"), "s3a://bucket/lake") == tmp_path / "new"
    with pytest.raises(UserError, match="a folder on a disk of this machine"):
        write.target(None, "s3a://bucket/lake")
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something else than a report"):
        write.target(str(tmp_path), None)
    with pytest.raises(UserError, match="holds something else than a report"):
        write.target(str(tmp_path / "thesis.txt"), None)
    made = write.folder(tmp_path / "new", Facts({}, D, "lake", RULES), "en", "0.1.0")
    assert write.target(str(made.parent), None) == made.parent  # its own, which it may replace
