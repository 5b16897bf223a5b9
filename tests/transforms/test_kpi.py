"""Parts of gold.kpi that take more than loops to check: attribution, costs, churn by snapshots, metrics of metrics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType
from tests.conftest import configured
from tests.jobs.orders import utc

from memberlake.kpi import attribution, facts, movement, periods, table
from memberlake.kpi.periods import Span
from memberlake.lake.contract import Table
from memberlake.tables.gold.activity import ACTIVE_COUNTS
from memberlake.tables.gold.churn import CHURN_STATUS
from memberlake.tables.gold.coupons import VOUCHERS
from memberlake.tables.gold.kpi import KPI
from memberlake.tables.silver import CAMPAIGN_CONTACTS, CAMPAIGNS, ORDERS

D = date(2026, 3, 31)
CONF = configured("kpi.dimensions=[city]").kpi


def rows(spark: SparkSession, contract: Table, given: list[dict[str, Any]]) -> DataFrame:
    """Rows of a table of which only what matters is given; the rest is NULL, also where the contract forbids it."""
    nullable = StructType([StructField(c.name, c.type) for c in contract.columns])
    return spark.createDataFrame([tuple(row.get(c) for c in contract.column_names) for row in given], nullable)


def ago(days: int) -> date:
    return D - timedelta(days=days)


def test_periods_that_a_day_touches() -> None:
    """Sunday 1 March 2026 is a day, ends a week and begins a month."""
    starts = periods.touched(date(2026, 3, 1), date(2026, 3, 2))
    assert starts == [date(2026, 2, 23), date(2026, 3, 1), date(2026, 3, 2)]
    spans = periods.spans(starts, date(2026, 2, 27), date(2026, 3, 2))
    assert [(s.period, s.first_on.day, s.last_on.day, s.is_before) for s in spans] == [
        ("week", 23, 1, False),  # 23 February as a day is before the first data
        ("day", 1, 1, False),
        ("month", 1, 2, False),  # and 1 to 2 February are too
        ("day", 2, 2, False),
        ("week", 2, 2, False),
    ]


def test_the_same_days_of_a_shorter_month() -> None:
    spans = periods.spans([date(2026, 3, 1)], date(2025, 1, 1), date(2026, 3, 30))
    (before,) = [s for s in spans if s.is_before]
    assert (before.first_on, before.last_on) == (date(2026, 2, 1), date(2026, 2, 28))


def test_whom_an_order_is_owed_to(spark: SparkSession) -> None:
    contacts = [
        ("earlier", "A", "m", "2026-03-01 09:00", None),
        ("later", "B", "m", "2026-03-05 09:00", False),
        ("of the same instant, greater id", "C", "twice", "2026-03-05 09:00", None),
        ("of the same instant", "D", "twice", "2026-03-05 09:00", None),
        ("held out", "E", "held out", "2026-03-05 09:00", True),
    ]
    names = ("contact_id", "campaign_id", "member_id", "sent_at", "is_control")
    sent = [{**dict(zip(names, c, strict=True)), "sent_at": utc(c[3])} for c in contacts]
    cases: list[tuple[str, str | None, str, Mapping[str, Any], str, str | None]] = [
        ("marked", "m", "2026-03-06 09:00", {"marked_channel": "wechat", "promo_code": "P"}, "marked", None),
        ("credited", "m", "2026-03-06 09:00", {"campaign_id": "Z"}, "marked", "Z"),
        ("code before voucher", "m", "2026-03-06 09:00", {"promo_code": "P", "voucher_id": "v"}, "code", "V"),
        ("voucher", "m", "2026-03-06 09:00", {"voucher_id": "v"}, "voucher", "V"),
        ("coupon of no voucher", "m", "2026-03-06 09:00", {"coupon_id": "k"}, "voucher", None),
        ("coupon amount 0", "m", "2026-03-11 09:00", {"coupon_amount": Decimal(0)}, "contact", "B"),  # its seventh day
        ("between the contacts", "m", "2026-03-05 08:59", {}, "contact", "A"),
        ("at the contact", "m", "2026-03-05 09:00", {}, "contact", "B"),
        ("eighth day", "m", "2026-03-12 09:00", {}, "none", None),
        ("two at once", "twice", "2026-03-06 09:00", {}, "contact", "C"),
        ("held out", "held out", "2026-03-06 09:00", {}, "none", None),
        ("guest", None, "2026-03-06 09:00", {}, "none", None),
    ]
    orders = [
        {"order_id": name, "member_id": member, "ordered_at": utc(at), **given} for name, member, at, given, *_ in cases
    ]
    used = [
        {"voucher_id": "v", "order_id": name, "campaign_id": "V"} for name in ("voucher", "code before voucher", "gone")
    ]
    placed = rows(spark, ORDERS, orders).withColumn("business_date", F.to_date("ordered_at"))
    found = attribution.attributed(
        placed, rows(spark, CAMPAIGN_CONTACTS, sent), rows(spark, VOUCHERS, used), CONF.attribution_days, "UTC"
    )
    assert {r.order_id: (r.method, r.campaign_id) for r in found.collect()} == {c[0]: (c[4], c[5]) for c in cases}


def status(spark: SparkSession, snapshots: Mapping[date, Mapping[str, date | None]]) -> DataFrame:
    return rows(
        spark,
        CHURN_STATUS,
        [
            {
                "as_of": day,
                "member_id": m,
                "is_churned": on is not None,
                "churned_on": on,
                "rules": [],
                "kind": "implicit",
            }
            for day, members in snapshots.items()
            for m, on in members.items()
        ],
    )


def test_churn_by_snapshots(spark: SparkSession) -> None:
    """A week with a snapshot on its eve and one at its end; a day that only the later snapshot sees."""
    eve, end = ago(7), D
    churn = status(
        spark,
        {
            eve: {"stays": None, "leaves": None, "gone": ago(30), "returns": ago(20)},
            end: {
                "stays": None,
                "leaves": ago(3),
                "gone": ago(30),
                "returns": None,
                "new": None,
                "new and gone": ago(1),
            },
        },
    )
    registered = {"stays": 90, "leaves": 90, "gone": 90, "returns": 90, "new": 2, "new and gone": 5}
    members = spark.createDataFrame(
        [(m, "here", ago(n)) for m, n in registered.items()], "member_id string, by_city string, registered_on date"
    )
    one = spark.range(1)
    spans = [
        Span("week", ago(6), ago(6), D),
        Span("day", ago(3), ago(3), ago(3)),
        Span("day", ago(30), ago(30), ago(30)),
    ]
    snapshots = [eve, end]
    seen, before = movement.seen_by(one, spans, snapshots), movement.preceded_by(one, spans, snapshots)
    sums = movement.sums(churn, members, ["city"], seen, before)
    found = {
        (r.period_start, r.dimension): (r.churned_in, r.not_churned, r.churned, r.all_members) for r in sums.collect()
    }
    of = {
        ago(6): (2, 2, 3, 6),  # at the start the eve's snapshot knows that `returns` was churned
        ago(3): (1, 4, 2, 5),  # by the last snapshot: of 5 there on that day, gone was churned before it
        ago(30): (2, 4, 2, 4),  # by the eve's snapshot: churned on that very day is gone, later is returns
    }
    of[ago(30)] = (1, 4, 1, 4)
    assert {key: value for key, value in found.items() if key[1] == "all"} == {(day, "all"): v for day, v in of.items()}
    assert {v for k, v in found.items() if k[1] == "city"} == {*of.values()}
    back = movement.returned(churn, seen, before)
    assert {r.period_start: r.returned for r in back.collect()} == {ago(6): 1, ago(3): 1}


def test_winbacks(spark: SparkSession) -> None:
    week = [Span("week", ago(6), ago(6), D), Span("day", ago(90), ago(90), ago(90))]  # before the day there is no look
    before = movement.preceded_by(spark.range(1), week, [ago(8)])
    churned = movement.churned_before(
        status(spark, {ago(8): {m: ago(20) for m in ("won", "too late", "alone")} | {"never left": None}}), before
    )
    campaigns = rows(spark, CAMPAIGNS, [{"campaign_id": "c", "starts_on": ago(10), "ends_on": ago(2)}])
    orders = spark.createDataFrame(
        [
            ("won", ago(2), "contact", "c"),
            ("won", ago(3), "marked", "c"),
            ("too late", ago(1), "contact", "c"),
            ("alone", ago(2), "none", None),
            ("never left", ago(2), "contact", "c"),
            (None, ago(2), "marked", "c"),
        ],
        "member_id string, business_date date, method string, campaign_id string",
    )
    days = periods.with_days(periods.frame(spark.range(1), week))
    found = facts.winbacks(orders, campaigns, days, churned)
    assert [(r.period, r.dimension, r.winbacks) for r in found.collect()] == [("week", "all", 1)]


def test_cost_by_kind_and_goal(spark: SparkSession) -> None:
    costs = spark.createDataFrame(
        [(D, "c", "media", 10.0), (D, "c", "other", 5.0), (D, "unknown to campaigns", "media", 1.0)],
        "business_date date, campaign_id string, cost_type string, amount double",
    )
    contacts = spark.createDataFrame(
        [(D, "c", 0.5, None), (D, "c", 0.5, True), (D, "c", None, False)],
        "business_date date, campaign_id string, cost double, is_control boolean",
    )
    vouchers = spark.createDataFrame([(D, None, 3.0)], "business_date date, campaign_id string, redeemed_amount double")
    orders = spark.createDataFrame(
        [(D, "c", 3.0, 9.0, 0, 0), (D, None, None, 2.0, 100, 1000), (D, None, None, None, None, None)],
        "business_date date, campaign_id string, voucher_value double, coupon_amount double,"
        " points_redeemed bigint, points_granted bigint",
    )
    campaigns = rows(spark, CAMPAIGNS, [{"campaign_id": "c", "goal": "lead"}])
    found = facts.costs(costs, contacts, vouchers, orders, campaigns, CONF).collect()
    assert {(r.dimension, r.dimension_value): float(r.cost) for r in found if r.cost is not None} == {
        ("all", "all"): 28.5,
        ("cost_type", "media"): 11.0,
        ("cost_type", "other"): 5.0,
        ("cost_type", "contact"): 0.5,
        ("cost_type", "coupon"): 5.0,  # the voucher's 3, and the 2 of an order without voucher
        ("cost_type", "points"): 7.0,  # 100 spent as 1, 1,000 granted of which 60 % are 6
        ("campaign", "c"): 15.5,
        ("campaign", "unknown to campaigns"): 1.0,
        ("campaign", "unknown"): 12.0,
    }
    assert {r.dimension_value: float(r.goal_cost) for r in found if r.goal_cost is not None} == {"lead": 15.5}


def test_an_order_counts_in_each_category_that_it_holds(spark: SparkSession) -> None:
    orders = spark.createDataFrame(
        [("both", "m", D, 100.0), ("again", "m", D, 40.0), ("guest", None, D, 7.0), ("no lines", "m", D, 5.0)],
        "order_id string, member_id string, business_date date, net_amount double",
    ).withColumns({"has_coupon": F.lit(False), "method": F.lit("none")})
    lines = spark.createDataFrame(
        [
            *[("both", "apple", 10.0), ("both", "pear", 20.0), ("both", "soap", 60.0), ("both", "new", 9.0)],
            *[("again", "apple", 40.0), ("guest", "soap", 7.0), ("again", "bare", 1.0), ("of no order", "soap", 99.0)],
        ],
        "order_id string, product_id string, amount double",
    )
    products = spark.createDataFrame(
        [("apple", "food"), ("pear", "food"), ("soap", "care"), ("bare", None)], "product_id string, category string"
    )
    one = spark.range(1)
    days = periods.with_days(periods.frame(one, [Span("day", D, D, D)]))
    found = facts.order_sums(facts.with_categories(orders, lines, products), days).collect()
    cells = {
        (r.dimension, r.dimension_value): (r.orders, float(r.revenue), r.member_orders, r.buyers, r.repeat_buyers)
        for r in found
    }
    assert cells == {  # lines of unknown products and of products without category are in no category, nor in `unknown`
        ("category", "food"): (2, 70.0, 2, 1, 1),
        ("category", "care"): (2, 67.0, 1, 1, 0),
    }


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
    ratios = {k[1]: v for k, v in found.items() if k[2] == "movement_ratio"}
    assert ratios == {months[3]: 1.5}  # without a snapshot in January it is not known


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
