"""Rows of gold.kpi: metrics of sums, metrics of stored metrics, and the same days before a running period."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.conftest import configured
from tests.frames import rows

from memberlake.kpi import facts, periods, table
from memberlake.kpi.cells import CELL
from memberlake.kpi.periods import Span
from memberlake.tables.gold.activity import ACTIVE_COUNTS
from memberlake.tables.gold.kpi import KPI

D = date(2026, 3, 31)
CONF = configured("kpi.dimensions=[city]").kpi


def ago(days: int) -> date:
    return D - timedelta(days=days)


def stored(spark: SparkSession, given: list[dict[str, Any]]) -> DataFrame:
    every = {"dimension": "all", "dimension_value": "all", "is_complete": True}
    return rows(spark, KPI, [{**every, "numerator": r.get("value"), "as_of": r["period_start"], **r} for r in given])


def derived(spark: SparkSession, given: list[dict[str, Any]], active: list[dict[str, Any]] = []) -> dict[Any, Any]:  # noqa: B006
    found = table.derived(stored(spark, given), rows(spark, ACTIVE_COUNTS, active), CONF, D)
    return {(r.period, r.period_start, r.metric, r.dimension_value): r.value for r in found.collect()}


def test_change_of_revenue_split_exactly(spark: SparkSession) -> None:
    def month(
        on: date, members: int, orders: int, of_members: float, revenue: float, **more: Any
    ) -> list[dict[str, Any]]:
        numbers = {
            "ordering_members": members,
            "member_orders": orders,
            "member_revenue": of_members,
            "revenue": revenue,
        }
        return [
            {"period": "month", "period_start": on, "metric": m, "value": float(v), **more.get(m, {})}
            for m, v in numbers.items()
        ]

    jan, feb, march = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
    found = derived(
        spark,
        [*month(date(2025, 12, 1), 0, 0, 0, 0), *month(jan, 10, 20, 1000, 1000), *month(feb, 12, 24, 1080, 1090)],
    )
    parts = {
        start: [
            round(found["month", start, f"revenue_change{p}", "all"], 9)
            for p in ("", "_members", "_frequency", "_order_value", "_guests")
        ]
        for start in (jan, feb)
    }
    assert parts == {
        jan: [1000.0, 1000.0, 0.0, 0.0, 0.0],  # nobody had ordered before
        feb: [90.0, 190.0, 0.0, -110.0, 10.0],
    }
    assert ("month", march, "revenue_change", "all") not in found


def test_a_running_month_is_compared_with_the_same_days(spark: SparkSession) -> None:
    names = ("revenue", "member_revenue", "member_orders", "ordering_members")
    before = [{"period": "month", "period_start": date(2026, 2, 1), "metric": m, "value": 99.0} for m in names]
    running = {"period": "month", "period_start": date(2026, 3, 1), "is_complete": False}
    now = [
        {**running, "metric": m, "value": v, "same_days_before": b}
        for m, v, b in zip(names, (30.0, 30.0, 3.0, 3.0), (20.0, 20.0, 2.0, 2.0), strict=True)
    ]
    found = derived(spark, [*before, *now])
    assert found["month", date(2026, 3, 1), "revenue_change", "all"] == 10.0
    assert found["month", date(2026, 3, 1), "revenue_change_members", "all"] == pytest.approx(10.0)
    unknown = [{**row, "same_days_before": None} for row in now]  # before the first data
    assert not any("revenue_change" in metric for _, _, metric, _ in derived(spark, [*before, *unknown]))


def test_trends_and_movement(spark: SparkSession) -> None:
    months = [date(2025, 10, 1), date(2025, 11, 1), date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]
    rates = zip(months, (0.01, 0.02, 0.05, None, 0.9), strict=True)  # December is missing, February unknown
    given = [{"period": "month", "period_start": on, "metric": "churn_rate", "value": v} for on, v in rates]
    given[-1]["is_complete"] = False  # a running month bends no trend
    for metric, value in (("new_purchasing_members", 6.0), ("churned_members", 4.0)):
        given.append({"period": "month", "period_start": months[3], "metric": metric, "value": value})
    given.append({"period": "month", "period_start": months[2], "metric": "new_purchasing_members", "value": 6.0})
    found = derived(spark, given)
    trends = {k[1]: round(v, 9) for k, v in found.items() if k[2] == "churn_rate_trend"}
    # slopes through (0, .01) (1, .02) and (3, .05)
    assert trends == {months[1]: 0.01, months[2]: 0.013571429, months[3]: 0.013571429}
    assert found["month", months[3], "new_purchasing_members_trend", "all"] == 0.0
    ratios = {k[1]: v for k, v in found.items() if k[2] == "movement_ratio"}
    assert ratios == {months[3]: 1.5}  # without a snapshot in January it is not known


def test_orders_per_visit_count_everyones(spark: SparkSession) -> None:
    """A guest's order and a stranger's visit are part of both; the running week is compared with the same days."""
    given = [
        {"period": "day", "period_start": ago(back), "metric": metric, "value": value}
        for back, orders, visits in ((7, 3.0, 6.0), (6, 1.0, 0.0), (1, 1.0, 2.0), (0, 2.0, 2.0))
        for metric, value in (("orders", orders), ("visits", visits))
    ]
    given += [
        {"period": "day", "period_start": ago(back), "metric": "lifetime_orders", "value": 1.0} for back in (1, 0)
    ]
    week = {"period": "week", "period_start": ago(1), "metric": "visits", "value": 4.0, "as_of": D}
    found = table.derived(
        stored(spark, [*given, {**week, "is_complete": False}]), rows(spark, ACTIVE_COUNTS, []), CONF, D
    )
    assert {
        (r.period, r.period_start): (r.numerator, r.denominator, r.value, r.same_days_before)
        for r in found.where("metric = 'orders_per_visit'").collect()
    } == {
        ("day", ago(7)): (3, 6, 0.5, None),
        ("day", ago(6)): (4, 6, 4 / 6, None),
        ("day", ago(1)): (5, 8, 5 / 8, None),
        ("day", D): (7, 10, 0.7, None),
        ("week", ago(1)): (7, 10, 0.7, 0.5),  # the week before on its second day, ago(7)
    }


def test_what_is_counted_had_0_on_the_same_days_before_where_nothing_was(spark: SparkSession) -> None:
    week, one = periods.start("week", D), spark.range(1)
    running = Span("week", week, week, D)
    before = Span("week", week, week - timedelta(days=7), D - timedelta(days=7), is_before=True)
    counted = spark.createDataFrame(
        [
            ("week", week, False, "Suzhou", 3, 1, 2, 1),
            ("day", D, False, "Suzhou", 1, 1, 2, 1),
            ("week", week, True, "silent", 2, 3, 4, 0),
        ],
        "period string, period_start date, is_before boolean, dimension_value string, new_registered long,"
        " activated long, registered long, churned_in long",
    ).withColumn("dimension", F.lit("city"))
    spans = periods.frame(one, [running, before, Span("day", D, D, D)])
    names = ("new_registered_members", "activation_rate", "churned_members")
    known = {"new_registered", "activated", "registered"}  # of churn the snapshot knows
    found = table.rows([counted], spans, names, known, one, CONF, D).where("dimension = 'city'").collect()
    assert {(r.period, r.metric): (r.value, r.same_days_before) for r in found if r.dimension_value == "Suzhou"} == {
        ("week", "new_registered_members"): (3, 0),
        ("week", "activation_rate"): (0.5, None),  # 0 of 0
        ("week", "churned_members"): (1, 0),
        ("day", "new_registered_members"): (1, None),  # a day is never running
        ("day", "activation_rate"): (0.5, None),
        ("day", "churned_members"): (1, None),
    }
    silent = [r for r in found if r.dimension_value == "silent"]
    assert {(r.metric, r.numerator, r.denominator, r.value, r.same_days_before) for r in silent} == {
        ("new_registered_members", 0, None, 0, 2),
        ("activation_rate", 0, 0, None, 0.75),
    }


def test_a_measure_that_nobody_counts_is_refused(spark: SparkSession) -> None:
    """It would be 0 in every period."""
    spans = periods.frame(spark.range(1), [Span("day", D, D, D)])
    counted = spans.select("period", "period_start", "is_before", *[F.lit("all").alias(c) for c in CELL])
    counted = counted.withColumn("activated", F.lit(1))
    names, known = ("activation_rate", "visits"), {"activated", "registered"}
    with pytest.raises(ValueError, match="no frame has the measure registered"):
        table.rows([counted], spans, names, known, spark.range(1), CONF, D)


def test_ratios_of_a_running_month_beside_those_of_the_same_days(spark: SparkSession) -> None:
    running = {"period": "month", "period_start": date(2026, 3, 1), "is_complete": False}

    def row(metric: str, value: float, before: float | None, dimension: str = "all", of: str = "all") -> dict[str, Any]:
        cell = {"dimension": dimension, "dimension_value": of}
        return {**running, "metric": metric, "value": value, "same_days_before": before, **cell}

    given = [
        row("revenue", 40.0, 20.0),
        row("marketing_revenue", 10.0, 15.0),
        row("marketing_revenue", 10.0, 15.0, "method", "code"),
        row("marketing_revenue", 10.0, None, "method", "contact"),  # nothing in the month before
        row("unattributed_revenue", 30.0, 5.0),
        row("new_purchasing_members", 6.0, 3.0),
        row("churned_members", 4.0, 2.0),
        row("new_purchasing_members", 6.0, None, "city", "Suzhou"),
        row("churned_members", 4.0, 2.0, "city", "Suzhou"),
        row("new_purchasing_members", 1.0, 1.0, "city", "nobody left"),
        row("churned_members", 4.0, 2.0, "city", "nobody came"),  # nor in the same days before
        row("new_purchasing_members", 0.0, 1.0, "city", "no ratio"),  # now or then
        row("churned_members", 0.0, 1.0, "city", "a ratio then"),
    ]
    found = table.derived(stored(spark, given), rows(spark, ACTIVE_COUNTS, []), CONF, D)
    assert {(r.metric, r.dimension_value): (r.value, r.same_days_before) for r in found.collect()} == {
        ("attributed_share", "all"): (0.25, 0.75),
        ("attributed_share", "code"): (0.25, 0.75),
        ("attributed_share", "contact"): (0.25, 0.0),
        ("attributed_share", "marked"): (0.0, 0.0),
        ("attributed_share", "voucher"): (0.0, 0.0),
        ("attributed_share", "none"): (0.75, 0.25),
        ("movement_ratio", "all"): (1.5, 1.5),
        ("movement_ratio", "Suzhou"): (1.5, 0.0),
        ("movement_ratio", "nobody left"): (None, None),
        ("movement_ratio", "nobody came"): (0.0, 0.0),
        ("movement_ratio", "a ratio then"): (None, 0.0),
    }


def test_shares_of_a_month_that_has_sold_nothing_yet(spark: SparkSession) -> None:
    """Each method keeps what it had on the same days before; a month that had nothing then either has no parts."""
    running = {"period": "month", "is_complete": False, "value": 0.0, "dimension": "all", "dimension_value": "all"}
    march, february = date(2026, 3, 1), date(2026, 2, 1)
    given = [
        {**running, "period_start": march, "metric": "revenue", "same_days_before": 20.0},
        {**running, "period_start": march, "metric": "marketing_revenue", "same_days_before": 5.0},
        {**running, "period_start": march, "metric": "unattributed_revenue", "same_days_before": 15.0},
        {**running, "period_start": february, "metric": "revenue", "same_days_before": 0.0},
    ]
    given.append({**given[1], "dimension": "method", "dimension_value": "code"})
    found = table.derived(stored(spark, given), rows(spark, ACTIVE_COUNTS, []), CONF, D)
    shares = [r for r in found.collect() if r.metric == "attributed_share"]
    assert {(r.period_start, r.dimension_value): (r.value, r.same_days_before) for r in shares} == {
        (march, "all"): (None, 0.25),
        (march, "code"): (None, 0.25),
        (march, "contact"): (None, 0.0),
        (march, "marked"): (None, 0.0),
        (march, "voucher"): (None, 0.0),
        (march, "none"): (None, 0.75),
        (february, "all"): (None, None),
    }


def test_activity_of_active_counts(spark: SparkSession) -> None:
    def count(window: str, start: date, end: date, active: int, kind: str = "all") -> dict[str, Any]:
        cell = {"dimension": "kind" if kind != "all" else "all", "dimension_value": kind}
        return {"window": window, "period_start": start, "period_end": end, "active": active, **cell}

    active = [
        {**count("day", D, D, 6), "active_30": 24},
        count("day", D, D, 4, "member"),
        count("month", D.replace(day=1), D, 30),
        count("rolling_7", ago(6), D, 12),
    ]
    registered = {"period": "day", "period_start": D, "metric": "registered_members", "value": 16.0}
    found = derived(spark, [registered], active)
    assert found == {
        ("day", D, "active_subjects", "all"): 6.0,
        ("day", D, "active_subjects", "member"): 4.0,
        ("month", D.replace(day=1), "active_subjects", "all"): 30.0,
        ("day", D, "activity_rate", "all"): 0.25,
        ("day", D, "stickiness", "all"): 0.25,
    }
    later = [*active, count("day", D + timedelta(days=1), D + timedelta(days=1), 9)]
    running = count("week", ago(1), D + timedelta(days=5), 7)
    assert ("week", ago(1), "active_subjects", "all") in derived(spark, [registered], [*active, running])
    assert ("week", ago(1), "active_subjects", "all") not in derived(spark, [registered], [*later, running])


def test_actives_of_a_running_month_beside_those_of_the_same_days(spark: SparkSession) -> None:
    month, before = date(2026, 3, 1), date(2026, 2, 1)
    daily = [
        ("m", before, True, ["web", "app"], False),
        ("m", date(2026, 2, 2), True, ["web"], False),  # one subject, however many days
        ("v", date(2026, 2, 2), False, ["web"], False),
        ("robot", date(2026, 2, 2), False, ["web"], True),
        ("late", date(2026, 2, 3), True, ["web"], False),  # after the same days
    ]
    placed = spark.createDataFrame(
        daily, "subject_id string, active_on date, is_member boolean, channels array<string>, is_robot boolean"
    )
    same = [Span("month", month, before, date(2026, 2, 2), is_before=True)]
    found = facts.actives(placed, periods.with_days(periods.frame(spark.range(1), same)))
    assert {(r.dimension, r.dimension_value): r.active for r in found.collect()} == {
        ("all", "all"): 2, ("kind", "member"): 1, ("kind", "anonymous"): 1, ("channel", "web"): 2, ("channel", "app"): 1
    }  # fmt: skip

    def count(dimension: str, value: str, active: int) -> dict[str, Any]:
        of = {"window": "month", "period_start": month, "period_end": date(2026, 3, 31), "is_complete": False}
        return {**of, "dimension": dimension, "dimension_value": value, "active": active}

    cells = [("all", "all"), ("kind", "member"), ("channel", "web"), ("channel", "shop"), ("city", "Suzhou")]
    active = rows(spark, ACTIVE_COUNTS, [count(*cell, 5) for cell in cells])
    registered = {"period": "month", "period_start": month, "metric": "registered_members", "value": 10.0}
    known = stored(spark, [{**registered, "same_days_before": 8.0, "is_complete": False}])
    found = table.derived(known, active, CONF, date(2026, 3, 2), active_before=found)
    assert {(r.metric, r.dimension_value): (r.value, r.same_days_before) for r in found.collect()} == {
        ("active_subjects", "all"): (5, 2),
        ("active_subjects", "member"): (5, 1),
        ("active_subjects", "web"): (5, 2),
        ("active_subjects", "shop"): (5, 0),  # nobody then
        ("active_subjects", "Suzhou"): (5, None),  # members are described as today: not counted
        ("activity_rate", "all"): (0.5, 0.125),
    }
