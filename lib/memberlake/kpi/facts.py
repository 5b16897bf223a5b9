"""What is counted: orders, members, costs, responses and visits as rows with a business date and dimensions, and their
sums, daily or by spans: see cells.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.conf.kpi import KpiConf
from memberlake.contacts import only_sent
from memberlake.kpi import attribution
from memberlake.kpi.cells import CELL, SPAN, column, exploded, of_member, of_members, total, union
from memberlake.kpi.metrics import COHORT_DAYS
from memberlake.value import rfm

_OF_ORDERS = (
    "order_id", "member_id", "business_date", "net_amount", "channel", "method", "campaign_id", "has_coupon",
    "voucher_value", "coupon_amount", "points_redeemed", "points_granted",
)  # fmt: skip
CHANNELS = {"sms": "phone", "email": "email", "qq": "qq", "wechat": "wechat"}  # to the address that each needs


def orders(
    orders: DataFrame, members: DataFrame, contacts: DataFrame, vouchers: DataFrame, conf: KpiConf, zone: str
) -> DataFrame:
    """Counted orders with what they are owed to and who ordered; only the columns that are counted, for these are kept.

    Args:
        orders: counted, with business_date.
        members: of `described`.
    """
    attributed = attribution.attributed(orders, contacts, vouchers, conf.attribution_days, zone)
    return attributed.join(members, on="member_id", how="left").select(
        *_OF_ORDERS, *of_members(conf.of_members).values()
    )


def with_categories(facts: DataFrame, lines: DataFrame, products: DataFrame) -> DataFrame:
    """Each order once for each category that it holds, with the amount of its lines; the category is its only cell."""
    by_category = rfm.with_categories(facts.select("order_id", "net_amount"), lines, products)
    amounts = by_category.where(F.col("scope") != "all").select("order_id", "net_amount", "scope")
    held = facts.drop("net_amount").join(amounts, on="order_id", how="inner")
    return exploded(held, {"category": F.col("scope")}, with_all=False).drop("scope")


def orders_by_member(orders: DataFrame, days: DataFrame, told_apart: Iterable[Column | str]) -> DataFrame:
    """Spans: the orders of each member, and of guests.

    Args:
        orders: facts of orders.
        days: of periods.with_days.
        told_apart: columns whose values are counted apart.
    """
    amount, coupon = F.col("net_amount"), F.col("has_coupon")
    return (
        orders.join(F.broadcast(days.select(*SPAN, "business_date")), on="business_date", how="inner")
        .groupBy(*SPAN, *told_apart, "member_id")
        .agg(
            F.count(F.lit(1)).alias("orders"),
            F.sum(amount).alias("revenue"),
            F.count_if(coupon).alias("coupon_orders"),
            F.sum(F.when(coupon, amount)).alias("coupon_revenue"),
            F.sum(F.when(F.col("method") != "none", amount)).alias("attributed"),
        )
    )


def order_sums(by_member: DataFrame) -> DataFrame:
    """Spans: orders, revenue and the members behind them; each member once a span.

    Args:
        by_member: of `orders_by_member`, a row for each dimension.
    """
    is_member, with_coupon = F.col("member_id").isNotNull(), F.col("coupon_orders")
    plain = F.col("orders") - with_coupon

    def buyers(at_least: int, kind: Column) -> Column:
        return F.count_if(is_member & (kind >= at_least))

    return (
        by_member.groupBy(*SPAN, *CELL)
        .agg(
            F.sum("orders").alias("orders"),
            total(F.col("revenue")).alias("revenue"),
            F.coalesce(F.sum(F.when(is_member, F.col("orders"))), F.lit(0)).alias("member_orders"),
            total(F.when(is_member, F.col("revenue"))).alias("member_revenue"),
            F.sum("coupon_orders").alias("coupon_orders"),
            total(F.col("coupon_revenue")).alias("coupon_revenue"),
            total(F.col("attributed")).alias("attributed"),
            buyers(1, F.col("orders")).alias("buyers"),
            buyers(2, F.col("orders")).alias("repeat_buyers"),
            buyers(1, with_coupon).alias("coupon_buyers"),
            buyers(2, with_coupon).alias("repeat_coupon_buyers"),
            buyers(1, plain).alias("plain_buyers"),
            buyers(2, plain).alias("repeat_plain_buyers"),
        )
        .withColumn("plain_orders", F.col("orders") - F.col("coupon_orders"))
        .withColumn("plain_revenue", F.col("revenue") - F.col("coupon_revenue"))
        .withColumn("unattributed", F.col("revenue") - F.col("attributed"))
    )


def member_days(members: DataFrame, dimensions: Sequence[str], first: date, as_of: date, zone: str) -> DataFrame:
    """Daily, from the first day on: registrations, activations, and who of the registered can be reached."""
    activated_at = F.greatest("registered_at", "activated_at")  # nobody is known before; passes over a NULL
    known = members.select(
        "*",
        calendar.business_date(F.col("registered_at"), zone).alias("registered_on"),
        F.when(F.col("activated_at").isNotNull(), calendar.business_date(activated_at, zone)).alias("activated_on"),
        *[of_member(d).alias(column(d)) for d in dimensions],
    ).where(F.col("registered_on") <= F.lit(as_of))
    cells = of_members(dimensions)
    reach = {c: F.col(f"has_{address}") & F.col(f"consent_{c}") for c, address in CHANNELS.items()}
    app = F.col("attributes")
    reach["app_push"] = (app["has_app_push"] == "true") & (app["consent_app_push"] == "true")
    reached = {c: F.coalesce(can, F.lit(False)) for c, can in reach.items()}
    on = F.col("business_date")
    registered = known.select(
        "*", F.col("registered_on").alias("business_date"), *[v.alias(c) for c, v in reached.items()]
    ).where(on >= F.lit(first))
    anyhow = reduce(Column.__or__, [F.col(c) for c in reached])
    channels = F.array(*[F.struct(F.lit(c).alias("dimension_value"), F.col(c).alias("can")) for c in reached])
    by_channel = registered.select("business_date", F.lit("channel").alias("dimension"), F.inline(channels))
    return union(
        exploded(registered, cells)
        .groupBy("business_date", *CELL)
        .agg(F.count(F.lit(1)).alias("new_registered"), F.count_if(anyhow).alias("new_reachable")),
        by_channel.groupBy("business_date", *CELL).agg(F.count_if("can").alias("new_reachable")),
        exploded(known.withColumn("business_date", F.col("activated_on")).where(on.between(first, as_of)), cells)
        .groupBy("business_date", *CELL)
        .agg(F.count(F.lit(1)).alias("new_activated")),
    )


def buyers(orders: DataFrame, dimensions: Sequence[str]) -> DataFrame:
    """Members with the day of the first of these orders.

    Args:
        orders: of `orders`.
    """
    members = orders.where(F.col("member_id").isNotNull()).groupBy("member_id", *of_members(dimensions).values())
    return members.agg(F.min("business_date").alias("business_date"))


def first_orders(buyers: DataFrame, earlier: DataFrame, dimensions: Sequence[str]) -> DataFrame:
    """Daily: members whose first counted order it is.

    Args:
        buyers: of `buyers`; where Spark knows that they are few, it shuffles no earlier order.
        earlier: counted orders of the days before theirs.
    """
    known = earlier.join(buyers, on="member_id", how="left_semi").select("member_id")
    return (
        exploded(buyers.join(known, on="member_id", how="left_anti"), of_members(dimensions))
        .groupBy("business_date", *CELL)
        .agg(F.count(F.lit(1)).alias("new_purchasing"))
    )


def costs(
    costs: DataFrame, contacts: DataFrame, vouchers: DataFrame, facts: DataFrame, campaigns: DataFrame, conf: KpiConf
) -> DataFrame:
    """Daily: what marketing cost. Every frame has business_date.

    Cost types: media and other (campaign_costs), contact (cost of contacts that were sent), coupon (value that vouchers
    were redeemed for; of an order whose vouchers have no value its coupon_amount), points (spent as cash at
    point_value, and granted at point_value * expected_redemption). What an order cost that nobody is owed is of
    campaign `none`: among costs of campaigns that are `unknown` it would be the most by far.
    """
    redeemed, granted = [F.coalesce(c, F.lit(0)) for c in ("points_redeemed", "points_granted")]
    spent = _exact(conf.point_value)
    # not by what one granted point costs: that has more decimals than are held
    points = redeemed * spent + granted * spent * _exact(conf.expected_redemption)
    owed = facts.withColumn(
        "campaign_id", F.when(F.col("method") == "none", F.lit("none")).otherwise(F.col("campaign_id"))
    )
    own = F.when(F.coalesce("voucher_value", F.lit(0)) > 0, 0).otherwise(F.coalesce("coupon_amount", F.lit(0)))
    rows = union(
        _cost(costs, F.col("cost_type"), F.col("amount")),
        _cost(contacts.transform(only_sent), F.lit("contact"), F.col("cost")),
        _cost(vouchers, F.lit("coupon"), F.col("redeemed_amount")),
        _cost(owed, F.lit("coupon"), own),
        _cost(owed, F.lit("points"), points),
    ).where(F.col("amount") != 0)
    goals = campaigns.where(F.col("goal").isin(*conf.goals)).select("campaign_id", "goal")
    cells = {"cost_type": F.col("cost_type"), "campaign": F.col("campaign_id"), "goal": F.col("goal")}
    of_goal, amount = F.col("dimension") == "goal", F.col("amount")
    for_goal = F.col("goal").isNotNull() & F.col("cost_type").isin("media", "other", "contact")
    return (
        exploded(rows.join(goals, on="campaign_id", how="left"), cells)
        .where(~of_goal | for_goal)
        .groupBy("business_date", *CELL)
        .agg(F.sum(F.when(~of_goal, amount)).alias("cost"), F.sum(F.when(of_goal, amount)).alias("goal_cost"))
    )


def _cost(frame: DataFrame, kind: Column, amount: Column) -> DataFrame:
    return frame.select(
        "business_date", "campaign_id", kind.alias("cost_type"), amount.cast("decimal(38,6)").alias("amount")
    )


def _exact(value: Decimal) -> Column:
    return F.lit(str(value)).cast("decimal(18,6)")


def responses(responses: DataFrame, contacts: DataFrame, campaigns: DataFrame, goals: Mapping[str, str]) -> DataFrame:
    """Daily: leads, and responses that reach the goal of their campaign."""
    of_contact = contacts.select("contact_id", "campaign_id")
    answered = responses.join(of_contact, on="contact_id", how="left").join(
        campaigns.select("campaign_id", "goal"), on="campaign_id", how="left"
    )
    asked = reduce(lambda c, goal: c.when(F.col("goal") == goal, goals[goal]), goals, F.when(F.lit(False), ""))
    of_goal, kind = F.col("dimension") == "goal", F.col("response_type")
    return (
        exploded(answered, {"campaign": F.col("campaign_id"), "goal": F.col("goal")})
        .groupBy("business_date", *CELL)
        .agg(
            F.count_if(~of_goal & (kind == "lead")).alias("leads"),
            F.count_if(of_goal & (kind == asked)).alias("goal_reached"),
        )
    )


def visits(events: DataFrame, active_types: Sequence[str], robot_threshold: int | None = None) -> DataFrame:
    """Daily: visits. Those of a subject on a day are its sessions with an event of an active type; where such events
    have none, they are one visit. More of these events than the threshold are a robot's, and no visit."""
    of_subject = (
        events.where(F.col("event_type").isin(*active_types))
        .groupBy("business_date", F.coalesce("member_id", "visitor_id").alias("subject_id"))
        .agg(F.collect_set("session_id").alias("sessions"), F.count(F.lit(1)).alias("events"))
    )
    if robot_threshold is not None:
        of_subject = of_subject.where(F.col("events") <= robot_threshold)
    sessions = F.transform("sessions", lambda session: F.concat(F.lit("s"), session))
    visit = F.when(F.size("sessions") > 0, sessions).otherwise(F.array(F.concat(F.lit("d"), "subject_id")))
    return (
        exploded(of_subject.select("business_date", F.explode(visit).alias("visit")).distinct(), {})
        .groupBy("business_date", *CELL)
        .agg(F.count(F.lit(1)).alias("visits"))
    )


def actives(daily: DataFrame, days: DataFrame) -> DataFrame:
    """Spans: distinct subjects who were active; by channel and kind too.

    Args:
        daily: gold.activity_days.
        days: of periods.with_days.
    """
    spans = F.broadcast(days.select(*SPAN, F.col("business_date").alias("active_on")))
    came = daily.where(~F.col("is_robot")).join(spans, on="active_on", how="inner")
    there = union(came.select(*SPAN, "subject_id", "is_member"), days.select(*SPAN))  # 0 where nobody came
    kind = F.when(F.col("is_member"), "member").otherwise("anonymous")
    by_channel = came.select(*SPAN, "subject_id", F.explode("channels").alias("channel"))
    cells = [exploded(there, {"kind": kind}), exploded(by_channel, {"channel": F.col("channel")}, with_all=False)]
    counted = [frame.select(*SPAN, *CELL, "subject_id") for frame in cells]
    return union(*counted).groupBy(*SPAN, *CELL).agg(F.count_distinct("subject_id").alias("active"))


def cohorts(members: DataFrame, counted: DataFrame, dimensions: Sequence[str]) -> DataFrame:
    """Daily, by the day of registration: members, and those of them who bought soon after.

    Args:
        members: with business_date, the day of registration.
        counted: counted orders with business_date, from the first of these days on.
    """
    bought = (
        members.select("member_id", "business_date")
        .join(counted.select("member_id", F.col("business_date").alias("bought_on")), on="member_id", how="inner")
        .where(F.col("bought_on") >= F.col("business_date"))
        .groupBy("member_id")
        .agg(F.min(F.date_diff("bought_on", "business_date")).alias("days"))
    )
    known = members.select("member_id", "business_date", *[of_member(d).alias(column(d)) for d in dimensions])
    within = [F.count_if(F.col("days") <= days).alias(f"within_{days}") for days in COHORT_DAYS]
    return (
        exploded(known.join(bought, on="member_id", how="left"), of_members(dimensions))
        .groupBy("business_date", *CELL)
        .agg(F.count(F.lit(1)).alias("new_registered"), *within)
    )


def winbacks(facts: DataFrame, campaigns: DataFrame, days: DataFrame, status: DataFrame) -> DataFrame:
    """Spans: members who were churned on the day before an order of theirs by a campaign, within its dates.

    Args:
        days: of periods.with_days, with the snapshot that sees them, `as_of`; other spans are left out.
        status: gold.churn_status.
    """
    windows = campaigns.select("campaign_id", "starts_on", "ends_on")
    on = F.col("business_date")
    won = (
        facts.where((F.col("method") != "none") & F.col("member_id").isNotNull())
        .join(windows, on="campaign_id", how="inner")
        .where(on.between(F.col("starts_on"), F.col("ends_on")))
        .select("member_id", "business_date")
        .distinct()
        .join(F.broadcast(days.select(*SPAN, "as_of", "business_date")), on="business_date", how="inner")
        .join(status.select("as_of", "member_id", "stretches"), on=["as_of", "member_id"], how="inner")
        .where(F.exists("stretches", lambda s: (s["churned_on"] < on) & (s["back_on"].isNull() | (s["back_on"] >= on))))
    )
    return (
        exploded(union(won.select(*SPAN, "member_id"), days.select(*SPAN)), {})
        .groupBy(*SPAN, *CELL)
        .agg(F.count_distinct("member_id").alias("winbacks"))
    )
