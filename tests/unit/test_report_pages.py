"""What the pages say, from literal rows. Nothing here needs Spark or a browser."""

from __future__ import annotations

import json
import math
import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.pages import RULES, D, block, month

from memberlake.errors import UserError
from memberlake.kpi.metrics import TRENDS
from memberlake.report import charts, texts, write
from memberlake.report.blocks import Block
from memberlake.report.facts import DEFINED, Facts
from memberlake.report.kpi import figure, trend
from memberlake.report.pages import every
from memberlake.report.texts import Said


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
    shown = (figure.value, figure.numerator, figure.denominator, figure.period)
    assert [said.en for said in shown] == ["5.0%", "6", "120", "2026-10"]
    assert figure.change == Said("+3.0 pts", "+3.0 个百分点")
    assert figure.is_good is False  # churn that rises
    assert [said.en for said in figure.so_far] == ["1.0%", "3.0%"]
    assert figure.defined.label == Said("Churn rate", "流失率")


@pytest.mark.parametrize(
    ("metric", "before", "change"),
    [
        ("average_order_value", 110.9, Said("±0.0%", "±0.0%")),
        ("average_order_value", 111.0, Said("-0.1%", "-0.1%")),
        ("churn_rate", 110.8904, Said("±0.0 pts", "±0.0 个百分点")),
    ],
)
def test_a_change_too_small_to_be_seen_has_no_direction(metric: str, before: float, change: Said) -> None:
    rows = [month(metric, "2026-09-01", before, (1, 1)), month(metric, "2026-10-01", 110.89, (1, 1))]
    (figure,) = block("churn" if metric == "churn_rate" else "value", "headline", kpi=rows).figures
    assert (figure.change, figure.is_good is None) == (change, change.en[0] == "±")


def test_the_table_of_all_metrics_has_the_parts_of_every_month() -> None:
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


@pytest.mark.parametrize(("value", "is_moved"), [(-1.0, True), (1.0, False)])
def test_what_fell_stands_clear_of_the_names(value: float, is_moved: bool) -> None:
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
    missing = block("members", "new_members", kpi=[month("visits", "2026-10-01", 7.0, (7.0, None))]).missing
    assert missing is not None
    assert missing.en == "Nothing to count: this needs rows of silver.members, silver.orders. Ingest them first."


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
    rows: dict[str, Any] = {"silver": [{"table": table, "is_empty": is_empty} for table, is_empty in EMPTY.items()]}
    if ran:
        rows["jobs"] = [{**run, "job": ran, "rows_read": 0, "rows_written": 0}]
        rows["kpi"] = [month("visits", "2026-10-01", 7.0, (7.0, None))] if ran == "kpi" else []
    found = block(page, key, **rows)
    assert found.missing is not None
    assert why in found.missing.en
    commands = [INGEST if s == "ingest" else f"memberlake run {s} --lake lake --as-of {D}" for s in steps]
    assert [found.command, *found.then] == commands


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
def test_an_error_is_shown_without_what_it_quotes(error: str | None, shown: str) -> None:
    at = datetime(2026, 11, 20)
    run = {"job": "kpi", "as_of": D, "state": "failed", "started_at": at, "ended_at": at, "error": error}
    listed = block("quality", "jobs", jobs=[{**run, "rows_read": 1, "rows_written": 0}])
    assert listed.rows[0][-1].said.en == shown


def test_the_trend_of_a_metric_is_in_its_unit() -> None:
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
    cells = [row[-1] for row in block("coupons", "mapping", vouchers=rows).rows]
    assert [(cell.said.en, cell.hover) for cell in cells] == [("80.0%", "3.20 / 4"), ("–", "")]


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
        month("new_registered_members", "2026-10-01", 1.0, (1.0, None), **of, dimension_value=n, values=10)
        for n in "abcdefgh"
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


def test_who_is_dormant_is_drawn_once_the_period_is_over() -> None:
    found = block("activity", "active_months", actives=actives(new=1, retained=4, resurrected=0, dormant=3))
    assert drawn(found) == {"new": [1, 1], "retained": [4, 4], "resurrected": [0, 0], "dormant": [-3, None]}
    assert found.chart is not None
    hovers = {t["name"].en: t["customdata"][0].en for t in found.chart["data"] if "customdata" in t}
    assert hovers == dict.fromkeys(("new", "retained", "resurrected"), "of 5 active")  # who is dormant is none of them
    assert "estimates" not in found.note.en


@pytest.mark.parametrize(("first", "is_noted"), [(date(2026, 10, 9), True), (date(2026, 9, 30), False)])
def test_what_the_begin_of_the_record_does_is_noted(first: date, is_noted: bool) -> None:
    """In the middle of a record there is nothing to note."""
    began = [{"what": what, "first_on": first} for what in ("active", "bought")]
    rows = actives(new=1, retained=4, resurrected=0, dormant=3)
    bought = [month("new_purchasing_members", f"2026-{n}-01", 1.0, (1.0, None)) for n in (10, 11)]
    left = [month("churn_rate", f"2026-{n}-01", 0.1, (1, 10)) for n in (10, 11)]
    for found in (
        block("activity", "active_months", actives=rows, began=began),
        block("members", "new_members", kpi=bought, began=began),
        block("index", "new_members", kpi=bought, began=began),
        block("churn", "churn_rate", kpi=left, began=began),
    ):
        assert (f" begins on {first}" in found.note.en, f"始于 {first}" in found.note.zh) == (is_noted, is_noted)


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


def test_the_last_days_of_gold_are_those_of_the_rows() -> None:
    versions = {f"gold.{name}": (1, datetime(2026, 11, 21)) for name in ("kpi", "abc_classes", "rfm_scores")}
    kpi = [month("orders", "2026-10-01", 1.0, (1.0, None), as_of=date(2026, 10, 31))]
    rows: dict[str, Any] = {"kpi": kpi, "abc": [{"class": "A", "value_tier": "high", "members": 1, "money": 1.0}]}
    quality = next(page for page in every(Facts(rows, D, "lake", RULES, versions)) if page.key == "quality")
    (freshness,) = [b for b in quality.blocks if b.key == "freshness"]
    assert [row[1].said.en for row in freshness.rows] == ["2026-10-31", str(D), "–"]


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
    with pytest.raises(UserError, match=r"the report cannot be written to .*: Not a directory"):
        write.target(str(tmp_path / "thesis.txt" / "report"), None)
    made = write.folder(tmp_path / "new", Facts({}, D, "lake", RULES), "en", "0.1.0")
    assert write.target(str(made.parent), None) == made.parent  # its own, which it may replace


def test_a_value_that_is_no_number_stops_no_picture(tmp_path: Path) -> None:
    """JSON has neither NaN nor infinity: a page with one would draw nothing at all."""
    values = {"2026-08-01": 1.0, "2026-09-01": math.nan, "2026-10-01": math.inf, "2026-11-01": 3.0}
    rows = [month("churn_rate", start, value, (1, 2)) for start, value in values.items()]
    write.folder(tmp_path, Facts({"kpi": rows}, D, "lake", RULES), "en", "0")
    page = (tmp_path / "churn.html").read_text()
    (spec,) = re.findall(r'id="s-churn_rate">(.*?)</script>', page)
    assert json.loads(spec, parse_constant=pytest.fail)["data"][0]["y"] == [1.0, None, None, 3.0]
    assert 'points="2.0,29.0 118.0,3.0"' in page
