"""The facts of a lake as a day sees them: what happened by then, each with its business date `on`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.activity import identity as identities
from memberlake.contacts import only_sent
from memberlake.orders import has_coupon, only_counted
from memberlake.tables import silver

TABLES = {  # what `until` is given, by name
    "members": silver.MEMBERS,
    "orders": silver.ORDERS,
    "lines": silver.ORDER_LINES,
    "products": silver.PRODUCTS,
    "events": silver.EVENTS,
    "campaigns": silver.CAMPAIGNS,
    "contacts": silver.CAMPAIGN_CONTACTS,
    "responses": silver.CAMPAIGN_RESPONSES,
    "coupon_events": silver.COUPON_EVENTS,
}
_OF_ORDERS = ("order_id", "net_amount", "discount_amount", "points_redeemed")


class Facts(NamedTuple):
    """Rows of silver up to a day.

    Attributes:
        known: one row a member: `member_id`, and `known_on`, the first of registration and first counted order.
        members: with `activated_on`.
        orders: counted orders of members, in the order of `in_order`; `has_coupon`, also by promo code.
        identity: who a visitor was, rows of gold.subject_identity.
        contacts: without those of control groups, who were sent nothing.
    """

    known: DataFrame
    members: DataFrame
    orders: DataFrame
    lines: DataFrame
    products: DataFrame
    events: DataFrame
    identity: DataFrame
    campaigns: DataFrame
    contacts: DataFrame
    responses: DataFrame
    coupon_events: DataFrame


def until(
    tables: Mapping[str, DataFrame],
    as_of: date,
    zone: str,
    statuses: Sequence[str],
    identity: DataFrame | None = None,
    kept: Callable[[DataFrame], DataFrame] = lambda frame: frame,
) -> Facts:
    """The facts as of a day.

    Args:
        tables: those of `TABLES`.
        identity: gold.subject_identity; where it is not given, it is derived from the events.
        kept: is given what is used many times.
    """

    def seen(name: str) -> DataFrame:
        return calendar.dated(tables[name], str(TABLES[name].happened_at), None, as_of, zone, "on")

    activated_on = calendar.business_date(F.col("activated_at"), zone)
    members = seen("members").withColumn("activated_on", activated_on)
    orders = seen("orders").transform(only_counted, statuses).where(F.col("member_id").isNotNull())
    has_code = F.col("promo_code").isNotNull()
    coupon = (has_coupon() | has_code).alias("has_coupon")
    orders = kept(in_order(orders.select("member_id", "on", *_OF_ORDERS, coupon)))
    contacts = seen("contacts").transform(only_sent)
    bought = orders.groupBy("member_id").agg(F.min("on").alias("on"))
    known = members.select("member_id", "on").unionByName(bought)
    events = seen("events")
    if identity is None:
        identity = identities.stretches(events, zone)
    return Facts(
        known=kept(known.groupBy("member_id").agg(F.min("on").alias("known_on"))),
        members=members,
        orders=orders,
        lines=tables["lines"],
        products=tables["products"],
        events=events,
        identity=identity.where(F.col("identified_on") <= F.lit(as_of)),
        campaigns=tables["campaigns"],
        contacts=contacts,
        responses=seen("responses"),
        coupon_events=seen("coupon_events"),
    )


def in_order(frame: DataFrame) -> DataFrame:
    """Rows of a member together, by date: what groups them, or looks from one to the next, moves and sorts none."""
    return frame.repartition("member_id").sortWithinPartitions("member_id", "on")


def at_each(frame: DataFrame, snapshots: Sequence[date], when: Callable[[Column], Column]) -> DataFrame:
    """Each row once for each snapshot, `as_of`, for which it is so."""
    held = [F.when(when(F.lit(s)), F.lit(s)) for s in snapshots]  # compiled; Spark interprets a lambda over an array
    return frame.withColumn("as_of", F.explode(F.array(*held))).where(F.col("as_of").isNotNull())
