"""Which vouchers a night touches: each function gives the coupon_id and holder of some, repeats allowed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.contacts import only_sent
from memberlake.coupons import campaigns
from memberlake.coupons.state import NUMBER, from_history, only_until, with_holder

VOUCHER = ("coupon_id", "holder")
_MOST = 1000  # ranges listed in a condition
_IS_CAPPED = "array_contains(flags, 'history_capped')"  # not all of its events are in its row


def between(rows: DataFrame, instant: str, since: date, as_of: date, zone: str) -> DataFrame:
    """Rows of the business dates in (since, as_of]."""
    return rows.where(calendar.between(F.col(instant), since + timedelta(days=1), as_of, zone))


def by_events(events: DataFrame) -> DataFrame:
    """Vouchers with events that changed, in old and new form, or that as_of has come to."""
    return with_holder(events).select(*VOUCHER)


def by_calendar(vouchers: DataFrame, since: date, as_of: date, zone: str) -> DataFrame:
    """Vouchers that fall due."""
    return (
        between(vouchers, "valid_to", since, as_of, zone)
        .where(F.col("status").isin("issued", "claimed"))
        .select(*VOUCHER)
    )


def coupons(*changed: DataFrame) -> DataFrame:
    """One row a coupon that the rows are about, for a place of all its months."""
    named = reduce(DataFrame.unionAll, [rows.select("coupon_id") for rows in changed])
    return named.distinct().withColumn("issued_month", F.lit(None).cast("date"))


def by_overrides(vouchers: DataFrame, changed: DataFrame) -> DataFrame:
    """Vouchers that a changed decision by hand is or was about."""
    about = campaigns.decided_by_hand(vouchers, changed).select("voucher_id")
    return vouchers.join(about, on="voucher_id", how="left_semi").select(*VOUCHER)


def lists(contacts: DataFrame, changed: DataFrame, since: date, zone: str) -> DataFrame:
    """Campaigns and members whose being on the campaign's list may have changed.

    All members (NULL) where the campaign may have had no list before, or has none now.

    Args:
        contacts: of these campaigns.
        changed: contacts that changed, or that as_of has come to.
    """
    old = contacts.transform(only_sent).transform(only_until, "sent_at", since, zone)
    had_list = (
        old.join(changed.select("contact_id").distinct(), on="contact_id", how="left_anti")
        .select("campaign_id")
        .distinct()
        .withColumn("had_list", F.lit(True))
    )
    member = F.when(F.col("had_list"), F.col("member_id"))
    return (
        changed.join(F.broadcast(had_list), on="campaign_id", how="left")
        .select("campaign_id", member.alias("of_member"))
        .distinct()
    )


def by_windows(vouchers: DataFrame, review: DataFrame, windows: DataFrame) -> DataFrame:
    """Vouchers that begin in a window of a touched campaign, or for which it stands in the review.

    Args:
        windows: campaign_id, opens_on, closes_on (NULL where it has no window) and of_member: NULL for all members.
    """
    months = F.sequence(F.trunc("opens_on", "month"), F.trunc("closes_on", "month"), F.expr("INTERVAL 1 MONTH"))
    by_month = windows.withColumn("issued_month", F.explode(months)).drop("campaign_id").distinct()
    of_all = by_month.where("of_member IS NULL").drop("of_member")
    of_members = by_month.where("of_member IS NOT NULL").withColumnRenamed("of_member", "member_id")
    begins = F.col("first_on").between(F.col("opens_on"), F.col("closes_on"))
    in_review = review.join(
        F.broadcast(windows.select(F.col("campaign_id").alias("candidate_campaign_id")).distinct()),
        on="candidate_campaign_id",
        how="left_semi",
    )
    found = (
        vouchers.join(F.broadcast(of_all), on="issued_month", how="inner").where(begins),
        vouchers.join(of_members, on=["issued_month", "member_id"], how="inner").where(begins),
        in_review,
    )
    return reduce(DataFrame.unionAll, [rows.select(*VOUCHER) for rows in found])


def by_orders(vouchers: DataFrame, orders: DataFrame) -> DataFrame:
    """Vouchers flagged for an unknown order that is among the orders now, or that no row of theirs may name."""
    flagged = vouchers.where(F.array_contains("flags", "unknown_order"))
    asked = flagged.select(*VOUCHER, F.explode("history.order_id").alias("order_id"))
    found = asked.join(orders.select("order_id").distinct(), on="order_id", how="left_semi")
    return found.select(*VOUCHER).unionAll(flagged.where(_IS_CAPPED).select(*VOUCHER))


def orders_gone(changed: DataFrame, since: date, as_of: date, zone: str) -> DataFrame:
    """Ids of orders that were known by `since`, and in one of their new forms are not by as_of.

    Args:
        changed: orders that changed, in every form, with `_change_type`.
    """
    is_new = F.col("_change_type").isin("insert", "update_postimage")
    is_later = calendar.business_date(F.col("ordered_at"), zone) > F.lit(as_of)
    was = changed.where(~is_new).transform(only_until, "ordered_at", since, zone)
    return was.join(changed.where(is_new & is_later), on="order_id", how="left_semi").select("order_id").distinct()


def by_orders_gone(vouchers: DataFrame, gone: Sequence[Row]) -> DataFrame:
    """Vouchers that name one of the orders, or may have before their history was cut."""
    named = F.array(*[F.lit(order_id) for (order_id,) in gone])
    return vouchers.where(F.arrays_overlap("history.order_id", named) | F.expr(_IS_CAPPED)).select(*VOUCHER)


def may_be(orders: Row | None) -> Column:
    """True for orders within the range of the events' orders: literals, as in may_hold."""
    return F.col("order_id").between(*orders) if orders else F.lit(False)


def windows(of_all: DataFrame, of_members: DataFrame) -> DataFrame:
    """Windows in which vouchers of all members, or of the named ones, are touched."""
    return of_all.withColumn("of_member", F.lit(None).cast("string")).unionByName(of_members)


def ranges(keys: DataFrame) -> DataFrame:
    """The least and greatest holder of each coupon, by kind of holder."""
    return keys.groupBy("coupon_id", F.substring("holder", 1, 1)).agg(
        F.min("holder").alias("least"), F.max("holder").alias("greatest")
    )


def may_hold(ranges: Sequence[Row]) -> Column:
    """True for holders within one of the ranges: literals, so that Delta skips the files of other numbers."""
    if len(ranges) > _MOST:
        return F.col("holder").between(min(r["least"] for r in ranges), max(r["greatest"] for r in ranges))
    within = [F.col("holder").between(r["least"], r["greatest"]) for r in ranges]
    return reduce(Column.__or__, within, F.lit(False))


def places(keys: DataFrame, located: DataFrame) -> DataFrame:
    """The coupons of the keys, with the months in which their vouchers stand: NULL for those that are new."""
    return keys.join(located, on=[*VOUCHER], how="left").select("coupon_id", "issued_month").distinct()


def current(changes: DataFrame, due: DataFrame) -> DataFrame:
    """The new forms of changed events, several where one changed more than once, and events that as_of has come to."""
    new = changes.where(F.col("_change_type").isin("insert", "update_postimage"))
    return new.drop("_change_type").unionByName(due)


def events_of(mine: DataFrame, events: DataFrame, changed: DataFrame, current: DataFrame) -> DataFrame:
    """The events of touched vouchers: those kept in their rows, brought up to date.

    Where a row could not keep them all, they are read again.

    Args:
        mine: rows of the touched vouchers.
        events: silver.coupon_events.
        changed: events that changed, in every form, and those that as_of has come to.
        current: of these the form that counts, one row an event_id.
    """
    # with the other copies of their coupon and member, which are told apart by all of their events
    capped = mine.where(_IS_CAPPED).select(*VOUCHER).distinct()
    kept = from_history(mine).join(F.broadcast(capped), on=[*VOUCHER], how="left_anti")
    again = with_holder(events).join(F.broadcast(capped), on=[*VOUCHER], how="left_semi")
    fresh = with_holder(current).join(F.broadcast(capped), on=[*VOUCHER], how="left_anti")
    return (
        kept.join(changed.select("event_id").distinct(), on="event_id", how="left_anti")
        .unionByName(fresh.select(*kept.columns))
        .unionByName(again.select(*kept.columns))
    )


def with_namesakes(keys: DataFrame, located: DataFrame) -> DataFrame:
    """The keys, and vouchers of other coupons that have one of their numbers.

    Args:
        located: coupon_id and holder of the vouchers there.
    """
    numbers = keys.where(F.col("holder").startswith(NUMBER)).select("holder").distinct()
    return keys.unionByName(located.select(*VOUCHER).join(numbers, on="holder", how="left_semi")).distinct()


def union(frames: Iterable[DataFrame]) -> DataFrame:
    return reduce(DataFrame.unionByName, frames).distinct()
