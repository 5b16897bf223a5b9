"""What gold.kpi counts: periods, whom an order is owed to, costs, responses, visits, categories, dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.conftest import configured
from tests.frames import rows, utc

from memberlake.kpi import attribution, cells, facts, periods
from memberlake.kpi.cells import CELL
from memberlake.kpi.periods import Span
from memberlake.tables.gold.coupons import VOUCHERS
from memberlake.tables.silver import CAMPAIGN_CONTACTS, CAMPAIGNS, ORDERS

D = date(2026, 3, 31)
CONF = configured("kpi.dimensions=[city]").kpi


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
        ("names the voucher", "m", "2026-03-12 09:00", {"voucher_id": "silent"}, "voucher", "W"),
        ("another's voucher", "m", "2026-03-12 09:00", {"voucher_id": "v"}, "voucher", None),
        ("amount of coupons only", "m", "2026-03-06 09:00", {"coupon_amount": Decimal(2)}, "contact", "B"),
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
        *[{"voucher_id": "v", "order_id": name, "campaign_id": "V"} for name in ("voucher", "code before voucher")],
        {"voucher_id": "w", "order_id": "gone", "campaign_id": "V"},
        {"voucher_id": "silent", "campaign_id": "W", "redeemed_amount": Decimal(3)},  # its redemption names no order
    ]
    placed = rows(spark, ORDERS, orders).withColumn("business_date", F.to_date("ordered_at"))
    found = attribution.attributed(
        placed, rows(spark, CAMPAIGN_CONTACTS, sent), rows(spark, VOUCHERS, used), CONF.attribution_days, "UTC"
    )
    assert {r.order_id: (r.method, r.campaign_id) for r in found.collect()} == {c[0]: (c[4], c[5]) for c in cases}
    assert [r.order_id for r in found.where("voucher_value = 3").collect()] == ["names the voucher"]


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
        [
            (D, "c", "marked", 3.0, 9.0, 0, 0),
            (D, None, "voucher", None, 2.0, 100, 1000),
            (D, None, "none", None, 4.0, 50, None),
            (D, None, "none", None, None, None, None),
        ],
        "business_date date, campaign_id string, method string, voucher_value double, coupon_amount double,"
        " points_redeemed bigint, points_granted bigint",
    )
    campaigns = rows(spark, CAMPAIGNS, [{"campaign_id": "c", "goal": "lead"}])
    found = facts.costs(costs, contacts, vouchers, orders, campaigns, CONF).collect()
    assert {(r.dimension, r.dimension_value): float(r.cost) for r in found if r.cost is not None} == {
        ("all", "all"): 33.0,
        ("cost_type", "media"): 11.0,
        ("cost_type", "other"): 5.0,
        ("cost_type", "contact"): 0.5,
        ("cost_type", "coupon"): 9.0,  # the voucher's 3, and the 2 and 4 of orders without voucher
        ("cost_type", "points"): 7.5,  # 150 spent as 1.50, 1,000 granted of which 60 % are 6
        ("campaign", "c"): 15.5,
        ("campaign", "unknown to campaigns"): 1.0,
        ("campaign", "unknown"): 12.0,
        ("campaign", "none"): 4.5,  # points and coupons of orders that nobody is owed
    }
    assert {r.dimension_value: float(r.goal_cost) for r in found if r.goal_cost is not None} == {"lead": 15.5}


def test_points_cost_what_the_settings_say(spark: SparkSession) -> None:
    """What one granted point costs has more decimals than money."""
    conf = configured("kpi.point_value=0.0005", "kpi.expected_redemption=0.125").kpi
    columns = (
        "business_date date, campaign_id string, method string, cost_type string, is_control boolean, amount double,"
        " cost double, redeemed_amount double, voucher_value double, coupon_amount double, points_redeemed bigint,"
        " points_granted bigint"
    )
    orders = spark.createDataFrame([(D, *[None] * 9, 3, 1_000_000)], columns)
    none = orders.limit(0)
    found = facts.costs(none, none, none, orders, rows(spark, CAMPAIGNS, []), conf).where("dimension = 'all'")
    assert [row.cost for row in found.collect()] == [Decimal("62.5015")]


def test_responses_that_reach_the_goal_of_their_campaign(spark: SparkSession) -> None:
    """A goal is reached by its own type of response alone, a campaign whose goal no type reaches by none."""
    goals = {"leads": "lead", "sales": "conversion", "fame": "fame", "no goal": None}
    answers = [
        ("leads", "lead"),
        ("leads", "conversion"),
        ("sales", "conversion"),
        ("sales", "conversion"),
        ("sales", "lead"),
        ("sales", "open"),
        ("fame", "open"),
        ("no goal", "lead"),
        ("unknown to campaigns", "lead"),
    ]
    campaigns = rows(spark, CAMPAIGNS, [{"campaign_id": c, "goal": goal} for c, goal in goals.items()])
    contacts = rows(
        spark, CAMPAIGN_CONTACTS, [{"contact_id": f"k{n}", "campaign_id": c} for n, (c, _) in enumerate(answers)]
    )
    responses = spark.createDataFrame(
        [(D, f"k{n}", kind) for n, (_, kind) in enumerate(answers)],
        "business_date date, contact_id string, response_type string",
    )
    found = facts.responses(responses, contacts, campaigns, CONF.goals).collect()
    assert {(r.dimension, r.dimension_value): r.goal_reached for r in found if r.goal_reached} == {
        ("goal", "lead"): 1,
        ("goal", "conversion"): 2,
    }
    assert {(r.dimension, r.dimension_value): r.leads for r in found if r.leads} == {
        ("all", "all"): 4,
        ("campaign", "leads"): 1,
        ("campaign", "sales"): 1,
        ("campaign", "no goal"): 1,
        ("campaign", "unknown to campaigns"): 1,
    }


def test_visits_are_sessions_else_days_of_active_events(spark: SparkSession) -> None:
    other = ago(1)
    events = [
        ("session of two events", D, "m", "d1", "s1", "visit"),
        ("session of two events", D, "m", "d1", "s1", "unsubscribe"),
        ("before the login", D, None, "d1", "s1", "page_view"),  # the same visit
        ("without a session, but has one", D, "m", "d1", None, "search"),
        ("never a session", D, "n", "d2", None, "search"),
        ("never a session", D, "n", "d3", None, "visit"),
        ("no visit: says so in a session", D, "n", "d2", "s2", "unsubscribe"),
        ("no visit: says so", D, None, "d4", None, "blacklist"),
        ("no visit: no type", D, "m", "d1", "s3", None),
        ("stranger", D, None, "d5", None, "visit"),
        ("session over midnight", other, "m", "d1", "s1", "visit"),
    ]
    names = (
        "about string, business_date date, member_id string, visitor_id string, session_id string, event_type string"
    )
    placed, types = spark.createDataFrame(events, names), ["visit", "search", "page_view"]
    found = facts.visits(placed, types)
    assert {(r.business_date, r.dimension): r.visits for r in found.collect()} == {(D, "all"): 3, (other, "all"): 1}
    # m and n have two active events on the day: robots; the session of m's device is its visitor's too
    without = facts.visits(placed, types, robot_threshold=1)
    assert {(r.business_date, r.dimension): r.visits for r in without.collect()} == {(D, "all"): 2, (other, "all"): 1}


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
    by_member = facts.orders_by_member(facts.with_categories(orders, lines, products), days, CELL)
    found = facts.order_sums(by_member).collect()
    cells = {
        (r.dimension, r.dimension_value): (r.orders, float(r.revenue), r.member_orders, r.buyers, r.repeat_buyers)
        for r in found
    }
    assert cells == {  # lines of unknown products and of products without category are in no category, nor in `unknown`
        ("category", "food"): (2, 70.0, 2, 1, 1),
        ("category", "care"): (2, 67.0, 1, 1, 0),
    }


def test_attributes_of_any_name_are_dimensions(spark: SparkSession) -> None:
    names = ["a.b", "a_b", "City", "city", "`", "城市"]
    dimensions = ["tier", *[f"attributes.{name}" for name in names]]
    held = [F.lit(text) for name in ("tier", *names) for text in (name, f"of {name}")]
    members = spark.range(1).select(F.lit("1").alias("member_id"), F.create_map(*held).alias("attributes"))
    found = cells.exploded(cells.described(members, dimensions), cells.of_members(dimensions), with_all=False)
    expected = {"tier": "of tier", **{f"attributes.{name}": f"of {name}" for name in names}}
    assert {row.dimension: row.dimension_value for row in found.collect()} == expected
