"""What the report takes from the tables: as of the day, and nothing that leads to a person."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import chain
from typing import Any

import pytest
from pyspark.sql import SparkSession
from tests import health
from tests.conftest import configured

from memberlake.report import data
from memberlake.report.blocks import Block
from memberlake.report.facts import Facts
from memberlake.report.pages import every

D = health.AS_OF
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> Rows:
    small = data.small(health.frames(spark), D, "Asia/Shanghai")
    return {name: [row.asDict() for row in frame.collect()] for name, frame in small.items()}


def test_nothing_leads_to_a_person(rows: Rows) -> None:
    told = json.dumps(rows, default=str)
    for of_a_person in ("PRIVATE", "13900000000", '"m1"', '"v1"', '"w1"', 'member_id":'):
        assert of_a_person not in told
    assert not {"member_id", "subject_id", "voucher_id", "visitor_id"} & {
        column for name, held in rows.items() if name != "alerts" for row in held for column in row
    }


def test_alerts_are_in_their_state_of_the_day(rows: Rows) -> None:
    assert [(a["rule"], a["state"]) for a in rows["alerts"]] == [
        ("churn_rate_rises", "open"),
        ("closed later", "open"),
        ("fewer_new_members", "closed"),
    ]


def test_a_period_that_was_running_is_known_from_then_only(spark: SparkSession) -> None:
    def month(metric: str, start: date, computed: date, is_complete: bool) -> dict[str, Any]:
        of_all = {"period": "month", "dimension": "all", "dimension_value": "all", "value": 1.0}
        return of_all | {"metric": metric, "period_start": start, "as_of": computed, "is_complete": is_complete}

    september, october, november = (date(2026, n, 1) for n in (9, 10, 11))
    given = [
        month("over, computed later", october, health.LATER, True),
        month("running, computed then", november, D, False),
        month("running, computed later", november, health.LATER, True),
        month("of a later month", date(2026, 12, 1), health.LATER, False),
        month("of long ago", date(2024, 10, 1), D, True),
        month("register_to_purchase_30d_rate", september, health.LATER, True),  # had its 30 days by October 30
        month("register_to_purchase_30d_rate", october, health.LATER, True),  # has them on November 30
    ]
    found = data.kpi(health.frames(spark, {"kpi": given}).kpi, D)
    assert sorted((r["metric"], r["period_start"]) for r in found.collect()) == [
        ("over, computed later", october),
        ("register_to_purchase_30d_rate", september),
        ("running, computed then", november),
    ]


def test_of_a_dimension_the_largest_values_of_listed_metrics_are_taken(spark: SparkSession) -> None:
    """A dimension may have as many values as a brand has shops."""
    row = {"period": "month", "period_start": date(2026, 10, 1), "as_of": D, "is_complete": True}

    def of(metric: str, dimension: str, value: str, numerator: float, denominator: float | None) -> dict[str, Any]:
        parts = {"numerator": numerator, "denominator": denominator}
        return {**row, "metric": metric, "dimension": dimension, "dimension_value": value, **parts}

    sizes = {f"shop {n}": float(n // 2) for n in range(10)}  # two of each
    given = [
        *[of("activation_rate", "shop", shop, 10.0 - n, n) for shop, n in sizes.items()],
        *[of("revenue", "shop", shop, n, None) for shop, n in sizes.items()],  # listed by none
        *[of("marketing_cost", "campaign", shop, n, None) for shop, n in sizes.items()],  # all: joined to others
    ]
    found = data.kpi(health.frames(spark, {"kpi": given}).kpi, D).collect()
    rates = [(r["dimension_value"], r["values"]) for r in found if r["metric"] == "activation_rate"]
    # without a denominator the numerator is the size: 10 of 0
    assert sorted(rates) == [(f"shop {n}", 10) for n in (0, 1, 4, 5, 6, 7, 8, 9)]
    assert sum(r["metric"] == "marketing_cost" for r in found) == 10
    assert not any(r["metric"] == "revenue" for r in found)


def test_a_week_that_ran_is_not_shown_as_counted_later(spark: SparkSession) -> None:
    monday, before = date(2026, 11, 16), date(2026, 11, 9)

    def counted(as_of: date) -> list[dict[str, Any]]:
        """As gold.active_counts holds it as of a day."""
        days = [("day", D, D), ("day", as_of, as_of)] if as_of > D else [("day", D, D)]
        spans = [*days, *[("week", start, start + timedelta(days=6)) for start in (before, monday)]]
        told = ("window", "period_start", "period_end")
        of_all = {"dimension": "all", "dimension_value": "all", "active": 1}
        return [of_all | dict(zip(told, span, strict=True)) | {"is_complete": span[2] <= as_of} for span in spans]

    def shown(as_of: date) -> list[tuple[str, date]]:
        counts = health.frames(spark, {"active_counts": counted(as_of)}).active_counts
        return sorted((r["window"], r["period_start"]) for r in data.actives(counts, D).collect())

    assert shown(D) == [("day", D), ("week", before), ("week", monday)]
    assert shown(D + timedelta(days=1)) == [("day", D), ("week", before)]  # with who came on that day
    assert shown(D + timedelta(days=2)) == [("day", D), ("week", before)]  # the week is over


def test_the_last_business_dates(rows: Rows) -> None:
    assert {r["table"]: r["last_on"] for r in rows["last_days"]} == {
        "silver.members": D,
        "silver.orders": D - timedelta(days=1),  # the one five days later is not seen
        "silver.events": None,
        "silver.campaign_contacts": None,
        "silver.coupon_events": None,
    }


def test_the_silver_tables_without_a_row(rows: Rows) -> None:
    empty = {r["table"] for r in rows["silver"] if r["is_empty"]}
    assert empty == {"silver.events", "silver.campaign_contacts", "silver.coupon_events"}
    assert len(rows["silver"]) == 6


def test_when_the_record_begins(spark: SparkSession) -> None:
    """With the first day on which someone came, or bought: not with the first that a table has a row for."""
    counted = [("day", n, active) for n, active in ((1, 0), (2, 3), (3, 0), (4, 1))] + [("week", 1, 3)]
    counts = spark.createDataFrame(
        [("all", window, date(2026, 10, n), active) for window, n, active in counted],
        "dimension string, window string, period_start date, active long",
    )
    kpi = spark.createDataFrame(
        [("all", "day", "new_purchasing_members", date(2026, 11, n), n - 1.0) for n in (1, 2, 3)],
        "dimension string, period string, metric string, period_start date, numerator double",
    )
    found = {tuple(row) for row in data.began(counts, kpi).collect()}
    assert found == {("active", date(2026, 10, 2)), ("bought", date(2026, 11, 2))}
    assert data.began(counts.limit(0), kpi.where("numerator = 0")).isEmpty()


def test_counts_and_sums(rows: Rows) -> None:
    assert {r["class"]: (r["members"], r["money"]) for r in rows["abc"]} == {
        "A": (40, 20000.0), "B": (60, 3600.0), "C": (140, 1120.0)
    }  # fmt: skip
    assert sum(r["members"] for r in rows["rfm"]) == sum(r["subjects"] for r in rows["rfe"]) == 240
    assert {(r["kind"], r["permanence"]): r["members"] for r in rows["churned"]} == {
        (None, None): 180, ("explicit", "permanent"): 15, ("explicit", "temporary"): 15, ("implicit", "temporary"): 30
    }  # fmt: skip
    assert {r["reason"]: (r["vouchers"], r["candidates"]) for r in rows["review"]} == {
        "several campaigns fit": (15, 2), "no campaign fits": (5, 0)
    }  # fmt: skip
    campaigns = {r["campaign_id"]: (r["issued"], r["redeemed"], r["redeemed_amount"]) for r in rows["coupon_campaigns"]}
    assert campaigns["c2"] == (24 * 820, 24 * (220 - 2), 24 * (2200.0 - 20))  # less what was returned
    of_runs = {r["coupon_run_id"]: (r["issued"], r["redeemed"], r["redeemed_amount"]) for r in rows["runs_of_coupons"]}
    assert of_runs["run2"] == campaigns["c2"]
    assert rows["funnel"] == [{"campaigns": 4, "runs": 5, "last_on": date(2026, 10, 9)}]
    assert rows["rejected"] == [{"rejected": 30, "read": 1000}]
    inferred = [r for r in rows["vouchers"] if r["method"] == "inferred"]
    assert [round(sum(r[of] for r in inferred), 6) for of in ("vouchers", "measured", "confidence")] == [120, 120, 108]
    assert sum(r["measured"] for r in rows["vouchers"]) == 120
    (liability,) = rows["liability"]
    assert (liability["open_vouchers"], liability["open_value"]) == (200, 2062.5)
    months = {r["month"]: r for r in rows["coupon_months"]}
    assert (months[date(2026, 10, 1)]["issued"], months[date(2026, 10, 1)]["redeemed"]) == (4100, 1100)
    assert min(months) == date(2025, 12, 1)  # the twelfth month, with the one that runs
    assert [(r["job"], r["state"]) for r in rows["jobs"]] == [
        ("ingest", "done"), ("kpi", "done"), ("report", "running"), ("rfm", "failed")
    ]  # fmt: skip


def test_money_that_no_source_gives_is_not_known(spark: SparkSession) -> None:
    """A liability of 0 beside a million open vouchers would be believed."""
    due = spark.createDataFrame(
        [(D, 1, 10.0, 0, 0.0), (D, 5, None, 3, 30.0)],
        "as_of date, open_vouchers long, open_value double, expired_vouchers long, expired_value double",
    )
    (found,) = data.liability(due).collect()
    assert found.asDict() == {
        "as_of": D, "runs": 2, "open_vouchers": 6, "open_value": None, "expired_vouchers": 3, "expired_value": 30.0
    }  # fmt: skip
    days = spark.createDataFrame(
        [("untold", 5, 0), ("none redeemed", 0, 0), ("told", 5, 50)],
        "campaign_id string, in_force long, redeemed_amount long",
    ).selectExpr("*", "9 issued", "9 claimed", "0 returned_amount", f"DATE '{D}' business_date")
    costs = {r.campaign_id: r.redeemed_amount for r in data.coupon_campaigns(days, D).collect()}
    assert costs == {"untold": None, "none redeemed": 0, "told": 50}


WITHOUT_PARTS = {
    ("all_metrics", "Same days before"),  # of which gold.kpi keeps the value alone
    *((key, column) for key in ("alert_list", "open_alerts") for column in ("Value", "Limit")),  # as a rule saw it
    # measures of a ranking or of a spread are no part of a whole
    *(("trained", name) for name in ("PR-AUC", "Recency alone", "ROC-AUC", "Brier score", "Calibration error")),
    *(("model_quality", name) for name in ("PR-AUC", "Recency alone")),
    *(("monitoring", column) for column in ("Value", "Limit")),
    *(("drift", name) for name in ("within limit", "beyond limit")),
}


def shares(found: Block) -> Iterator[tuple[str, str]]:
    """Shares and ratios of a block: name of the column, figure or series, and what is told of their parts."""
    is_one = re.compile(r"[\d,.]+%|[\d,]+\.\d{3}").fullmatch
    for row in found.rows:
        yield from (
            (column.en, cell.hover) for column, cell in zip(found.columns, row, strict=True) if is_one(cell.said.en)
        )
    for figure in found.figures:
        if is_one(figure.value.en) and not figure.defined.is_slope:
            yield figure.key, f"{figure.numerator.en} / {figure.denominator.en}"
    for trace in found.chart["data"] if found.chart else ():
        if "z" in trace or re.search(r":,?\.(1%|3f)}", trace["hovertemplate"]):
            values = trace["z"] if "z" in trace else [trace["x" if "orientation" in trace else "y"]]
            told = trace.get("customdata", [""] * len(values[0]))
            for value, text in zip(chain(*values), chain(*told) if "z" in trace else told, strict=True):
                if value is not None:
                    yield trace.get("name", found.title).en, str(text)


def test_every_share_and_ratio_has_what_it_is_made_of(rows: Rows) -> None:
    """In tables, figures and pictures, but for those above, each of which there is."""
    blocks = [found for page in every(Facts(rows, D, "lake", configured())) for found in page.blocks]
    told = [(found.key, name, parts) for found in blocks for name, parts in shares(found)]
    assert len({(key, name) for key, name, _ in told} - WITHOUT_PARTS) > 30
    assert {(key, name) for key, name, parts in told if " / " not in parts or "–" in parts} == WITHOUT_PARTS


def test_the_newest_measurement_of_a_model_is_shown(rows: Rows) -> None:
    assert {r["as_of"] for r in rows["monitoring"]} == {D}
    assert {r["first_on"] for r in rows["monitoring"]} == {D - timedelta(days=30)}
    assert len(rows["monitoring"]) == 9
    assert [r["model_version"] for r in rows["models"]] == ["3", "2", "1"]  # the fourth is of a later day
