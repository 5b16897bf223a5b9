"""The first day that changed rows of the lake may change a metric of. Everything from there on is counted again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from functools import reduce
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.kpi.metrics import (
    CAMPAIGNS,
    CHURN,
    CONTACTS,
    COSTS,
    DERIVED,
    EVENTS,
    MEMBERS,
    ORDERS,
    RESPONSES,
    VOUCHERS,
)

LINES, PRODUCTS = "silver.order_lines", "silver.products"
_INSTANTS = {
    MEMBERS: "registered_at",
    COSTS: "cost_date",
    ORDERS: "ordered_at",
    EVENTS: "occurred_at",
    CONTACTS: "sent_at",
    RESPONSES: "responded_at",
    VOUCHERS: "redeemed_at",
}


class Held(NamedTuple):
    """What gold.kpi holds.

    Attributes:
        reached: of each metric the last day that all its rows have seen.
        first_row: the first day of a counted metric, date.max without any.
        last_row: when its last period begins, date.min without any.
    """

    reached: Mapping[str, date]
    first_row: date
    last_row: date

    def begins_with_data(self, changed: Mapping[str, date | None], tables: Collection[str]) -> bool:
        """Whether the first row is surely of the first data: all tables are known, and no change touches that day.

        Args:
            changed: of the tables that are known the first day that their changes touch, None without changes.
        """
        is_later = all(day > self.first_row for day in changed.values() if day)
        return self.first_row < date.max and {*tables} <= changed.keys() and is_later

    def beginning(self, first_data: date) -> Held:
        """Nothing is reached where the first data is of another day: every metric has rows from there on."""
        if first_data == self.first_row:
            return self
        return self._replace(reached={}, first_row=min(first_data, self.first_row))


def reached(stored: DataFrame) -> DataFrame:
    """Of each metric that is stored: `reached`, the last day that all its rows have seen, `last`, its last row, and
    `first_day`."""
    return stored.groupBy("metric").agg(
        F.least(F.max("as_of"), F.min(F.when(~F.col("is_complete"), F.col("as_of")))).alias("reached"),
        F.max("period_start").alias("last"),
        F.min(F.when(F.col("period") == "day", F.col("period_start"))).alias("first_day"),
    )


def held(rows: Sequence[Row]) -> Held:
    """By the rows of `reached`."""
    counted = [row["first_day"] for row in rows if row["metric"] not in DERIVED]
    return Held(
        reached={row["metric"]: row["reached"] for row in rows},
        first_row=min(counted, default=date.max),
        last_row=max((row["last"] for row in rows), default=date.min),
    )


def filled(frames: Mapping[str, DataFrame]) -> DataFrame:
    """`name` of each table that has a row."""
    return reduce(DataFrame.unionAll, [f.select(F.lit(name).alias("name")).limit(1) for name, f in frames.items()])


def first_day(frames: Mapping[str, DataFrame], zone: str) -> DataFrame:
    """One row: `day`, the first with data in any of the tables; reads all of them."""
    firsts = [
        frame.agg(F.min(instant(name)).alias("first")).select(_day(name, F.col("first"), zone))
        for name, frame in frames.items()
    ]
    return reduce(DataFrame.unionAll, firsts).agg(F.min("day").alias("day"))


def instant(name: str) -> str:
    """The column that tells when a row of the table happened."""
    return _INSTANTS[name.partition("#")[0]]


def _day(name: str, at: Column, zone: str) -> Column:
    return (at if name == COSTS else calendar.business_date(at, zone)).alias("day")


def changed(
    changes: Mapping[str, DataFrame], tables: Mapping[str, DataFrame], zone: str, keep: Callable[[DataFrame], DataFrame]
) -> DataFrame:
    """Of each table with changed rows the first day that they touch: `name`, `day`; NULL when nothing changed.

    Args:
        changes: changed rows, old and new form, of the tables that are known in part.
        tables: all rows, to find the orders of a changed member and the like.
        keep: computes a frame once for all its uses.
    """

    def days_of_orders(named: DataFrame, key: str) -> DataFrame:
        keys = named.select(key).distinct().transform(keep)
        keys.count()  # so Spark knows when they are few: all orders are read for them, none is shuffled
        return orders.join(keys, on=key, how="left_semi").select("day")

    orders = tables[ORDERS].select(
        "order_id", "member_id", "voucher_id", calendar.business_date(F.col("ordered_at"), zone).alias("day")
    )
    found = []
    for name, rows in changes.items():
        if name == MEMBERS:
            # erased with all orders: the snapshots still say from when on
            erased = rows.where("_change_type = 'delete'").select("member_id").distinct().transform(keep)
            erased.count()  # mostly none, and then Spark reads no snapshot
            since = tables[CHURN].join(erased, on="member_id", how="left_semi")
            days = _of_members(rows, days_of_orders, zone).unionAll(since.select(F.col("known_on").alias("day")))
        elif name == CAMPAIGNS:
            days = _of_campaigns(rows, tables, zone)
        elif name == PRODUCTS:  # a product's category is that of all its orders
            days = rows.crossJoin(orders.agg(F.min("day").alias("day"))).select("day")
        elif name == LINES:
            days = days_of_orders(rows, "order_id")
        elif name == CHURN:
            days = rows.select(F.col("as_of").alias("day"))
        else:
            days = rows.select(_day(name, F.col(instant(name)), zone))
            if name == CONTACTS:
                days = days.unionAll(_of_responses(rows.select("contact_id").distinct(), tables, zone))
            if name == VOUCHERS:  # its campaign and value are those of the order that it names, or that names it
                for key in ("order_id", "voucher_id"):
                    days = days.unionAll(days_of_orders(rows, key))
        found.append(days.agg(F.min("day").alias("day")).select(F.lit(name).alias("name"), "day"))
    return reduce(DataFrame.unionAll, found)


def _of_members(rows: DataFrame, days_of_orders: Callable[[DataFrame, str], DataFrame], zone: str) -> DataFrame:
    """An activation touches its day; a new description the member's whole life."""
    said = F.to_json(F.struct(*[c for c in rows.columns if c not in {"activated_at", "recorded_at", "_change_type"}]))
    changed = rows.groupBy("member_id").agg(
        F.min("registered_at").alias("registered_at"),
        F.min("activated_at").alias("activated_at"),
        (F.count_distinct(said) > 1).alias("anew"),
        F.min(F.col("_change_type").startswith("update")).alias("was_there"),
    )
    lives = changed.where(F.col("anew") | ~F.col("was_there"))
    return (
        changed.select(_day(MEMBERS, F.col("activated_at"), zone))
        .unionAll(lives.select(_day(MEMBERS, F.col("registered_at"), zone)))
        .unionAll(days_of_orders(lives, "member_id"))
    )


def _of_campaigns(rows: DataFrame, tables: Mapping[str, DataFrame], zone: str) -> DataFrame:
    """A campaign's dates and goal matter from its start, or its first cost, contact or response, on."""
    ids = rows.select("campaign_id").distinct()
    contacts = tables[CONTACTS].join(ids, on="campaign_id", how="left_semi")
    sent = contacts.select(_day(CONTACTS, F.col("sent_at"), zone))
    answered = _of_responses(contacts.select("contact_id"), tables, zone)
    paid = tables[COSTS].join(ids, on="campaign_id", how="left_semi").select(F.col("cost_date").alias("day"))
    return rows.select(F.col("starts_on").alias("day")).unionAll(sent).unionAll(answered).unionAll(paid)


def _of_responses(contacts: DataFrame, tables: Mapping[str, DataFrame], zone: str) -> DataFrame:
    """A response is of its contact's campaign; by a wrong clock it comes before the contact."""
    responses = tables[RESPONSES].join(contacts, on="contact_id", how="left_semi")
    return responses.select(_day(RESPONSES, F.col("responded_at"), zone))
