"""Parts of gold.kpi that take more than loops to check: attribution, costs, churn by snapshots, metrics of metrics."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType
from tests.conftest import configured
from tests.frames import utc

from memberlake.kpi import attribution, cells, facts, movement, periods, table
from memberlake.kpi.cells import CELL
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


Stretches = list[tuple[date, date | None]]


def is_open(stretches: Stretches) -> bool:
    return bool(stretches) and stretches[-1][1] is None


def snapshot(
    spark: SparkSession, as_of: date, members: Mapping[str, Stretches], known: Mapping[str, date], **given: Any
) -> DataFrame:
    """Members by their stretches of churn; the rest is that of the churned ones."""
    return rows(
        spark,
        CHURN_STATUS,
        [
            {
                "as_of": as_of,
                "member_id": m,
                "known_on": known.get(m, ago(90)),
                "stretches": stretches,
                **(given.get(m, {"kind": "implicit", "permanence": "temporary"}) if is_open(stretches) else {}),
            }
            for m, stretches in members.items()
        ],
    )


def test_churn_of_a_period_by_the_snapshot_that_sees_it(spark: SparkSession) -> None:
    """A week with a snapshot at its end; a day that only this one sees, and one that an earlier one saw."""
    sunday = date(2026, 3, 29)

    def on(days_before: int) -> date:
        return sunday - timedelta(days=days_before)

    early = snapshot(spark, on(7), {"stays": [], "gone": [(on(30), None)], "returns": [(on(20), None)]}, {})
    late = snapshot(
        spark,
        sunday,
        {
            "stays": [],
            "leaves": [(on(3), None)],
            "gone": [(on(30), None)],
            "returns": [(on(20), on(2))],
            "left and back": [(on(5), on(4))],
            "twice": [(on(6), on(5)), (on(3), on(1))],  # once in the week, on the day
            "new": [],
            "new and gone": [(on(1), None)],
        },
        {"new": on(2), "new and gone": on(5)},
        gone={"kind": "explicit", "permanence": "permanent"},
    )
    names = [r.member_id for r in late.collect()]
    members = spark.createDataFrame([(m, "here") for m in names], "member_id string, by_city string")
    week, day, past, unseen = (
        Span("week", on(6), on(6), sunday),
        Span("day", on(3), on(3), on(3)),
        Span("day", on(30), on(30), on(30)),
        Span("day", on(-1), on(-1), on(-1)),
    )
    seen = movement.seen_by([week, day, past, unseen], [on(7), sunday])
    looks = periods.literal(spark.range(1), seen, periods.SNAPSHOT)
    found = {
        (r.period_start, r.dimension, r.dimension_value): (
            *(r.churned_in, r.returned, r.not_churned, r.churned, r.all_members),
        )
        for r in movement.sums(early.unionByName(late), members, ["city"], looks).collect()
    }
    everyone = {on(6): (4, 3, 4, 3, 8), on(3): (2, 0, 5, 4, 7), on(30): (1, 0, 3, 1, 3)}
    assert {k[0]: v for k, v in found.items() if k[1] == "all"} == everyone
    assert {k[0]: v for k, v in found.items() if k[1:] == ("city", "here")} == everyone
    of_kind = {k[1:]: (v[0], v[3], v[4]) for k, v in found.items() if k[0] == on(6) and k[1] in ("kind", "permanence")}
    assert of_kind == {  # what is over was implicit; of all members, not of those of the kind
        ("kind", "explicit"): (0, 1, 8),
        ("kind", "implicit"): (4, 2, 8),
        ("permanence", "permanent"): (0, 1, 8),
        ("permanence", "temporary"): (4, 2, 8),
    }


def test_churn_of_periods_by_brute_force(spark: SparkSession) -> None:
    """Every day of random members: churned or not, yesterday and today."""
    draw = random.Random(3)
    life = range(70, -1, -1)
    members: dict[str, Stretches] = {}
    for n in range(40):
        turns = sorted(draw.sample(life, 2 * draw.randint(0, 4)), reverse=True)
        ends = [ago(b) for b in turns[1::2]]
        if ends and draw.random() < 0.5:
            ends[-1] = None  # type: ignore[call-overload]
        members[f"m{n}"] = [*zip([ago(b) for b in turns[::2]], ends, strict=True)]
    known = {m: min([ago(draw.randint(0, 80)), *[s[0] for s in stretches]]) for m, stretches in members.items()}

    def is_churned(member: str, on: date) -> bool:
        return any(first <= on and (back is None or back > on) for first, back in members[member])

    def there(on: date) -> list[str]:
        return [m for m in members if known[m] <= on]

    spans = periods.spans(periods.touched(ago(70), ago(1)), ago(70), ago(1))
    expected = {}
    for span in spans:
        days = [span.first_on + timedelta(days=n) for n in range((span.last_on - span.first_on).days + 1)]
        eve = span.first_on - timedelta(days=1)
        left = {m for m in members for on in days if is_churned(m, on) > is_churned(m, on - timedelta(days=1))}
        back = {m for m in members for on in days if is_churned(m, on) < is_churned(m, on - timedelta(days=1))}
        expected[span.period, span.period_start, span.is_before] = (
            *(len(left), len(back), sum(not is_churned(m, eve) for m in there(eve))),
            *(sum(is_churned(m, span.last_on) for m in there(span.last_on)), len(there(span.last_on))),
        )
    looks = periods.literal(spark.range(1), movement.seen_by(spans, [D]), periods.SNAPSHOT)
    described = spark.createDataFrame([], "member_id string")
    found = movement.sums(snapshot(spark, D, members, known), described, [], looks).where("dimension = 'all'")
    assert {
        (r.period, r.period_start, r.is_before): (r.churned_in, r.returned, r.not_churned, r.churned, r.all_members)
        for r in found.collect()
    } == expected


def test_winbacks(spark: SparkSession) -> None:
    lost: Stretches = [(ago(20), None)]
    status = snapshot(
        spark,
        D,
        {
            "won": [(ago(20), ago(3))],  # their order ended it
            "still churned": lost,  # an order does not end every churn
            "lost and won in the week": [(ago(6), ago(4))],
            "back before": [(ago(20), ago(4))],
            "too late": lost,
            "alone": lost,
            "never left": [],
            "left on the day": [(ago(3), None)],
        },
        {},
    )
    campaigns = rows(spark, CAMPAIGNS, [{"campaign_id": "c", "starts_on": ago(10), "ends_on": ago(2)}])
    orders = [
        ("won", ago(3), "contact", "c"),
        ("won", ago(2), "marked", "c"),
        ("still churned", ago(2), "marked", "c"),
        ("lost and won in the week", ago(4), "code", "c"),
        ("back before", ago(3), "contact", "c"),
        ("too late", ago(1), "contact", "c"),
        ("alone", ago(2), "none", None),
        ("never left", ago(2), "contact", "c"),
        ("left on the day", ago(3), "contact", "c"),
        (None, ago(2), "marked", "c"),
    ]
    placed = spark.createDataFrame(orders, "member_id string, business_date date, method string, campaign_id string")
    spans = [Span("week", ago(6), ago(6), D), Span("day", ago(2), ago(2), ago(2)), Span("day", ago(1), ago(1), ago(1))]
    looks = periods.literal(spark.range(1), movement.seen_by(spans, [D]), periods.SNAPSHOT)
    found = facts.winbacks(placed, campaigns, periods.with_days(looks), status)
    assert {(r.period, r.period_start, r.dimension): r.winbacks for r in found.collect()} == {
        ("week", ago(6), "all"): 3,
        ("day", ago(2), "all"): 1,
        ("day", ago(1), "all"): 0,
    }


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
    told = [
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
        spark, CAMPAIGN_CONTACTS, [{"contact_id": f"k{n}", "campaign_id": c} for n, (c, _) in enumerate(told)]
    )
    responses = spark.createDataFrame(
        [(D, f"k{n}", kind) for n, (_, kind) in enumerate(told)],
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


def test_a_measure_that_nobody_counts_is_told(spark: SparkSession) -> None:
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
    told = table.derived(known, active, CONF, date(2026, 3, 2), active_before=found)
    assert {(r.metric, r.dimension_value): (r.value, r.same_days_before) for r in told.collect()} == {
        ("active_subjects", "all"): (5, 2),
        ("active_subjects", "member"): (5, 1),
        ("active_subjects", "web"): (5, 2),
        ("active_subjects", "shop"): (5, 0),  # nobody then
        ("active_subjects", "Suzhou"): (5, None),  # members are described as today: not counted
        ("activity_rate", "all"): (0.5, 0.125),
    }


def test_attributes_of_any_name_are_dimensions(spark: SparkSession) -> None:
    names = ["a.b", "a_b", "City", "city", "`", "城市"]
    dimensions = ["tier", *[f"attributes.{name}" for name in names]]
    held = [F.lit(text) for name in ("tier", *names) for text in (name, f"of {name}")]
    members = spark.range(1).select(F.lit("1").alias("member_id"), F.create_map(*held).alias("attributes"))
    found = cells.exploded(cells.described(members, dimensions), cells.of_members(dimensions), with_all=False)
    expected = {"tier": "of tier", **{f"attributes.{name}": f"of {name}" for name in names}}
    assert {row.dimension: row.dimension_value for row in found.collect()} == expected
