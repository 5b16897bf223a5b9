"""Orders: which count, of which days, and which say that they had a coupon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake import calendar


def only_counted(orders: DataFrame, statuses: Sequence[str]) -> DataFrame:
    """Orders that count: in a counted status and not refunded in full. A NULL refund is none."""
    refunded_in_full = (F.coalesce("refunded_amount", F.lit(0)) > 0) & (F.col("net_amount") <= 0)
    return orders.where(F.col("status").isin(*statuses) & ~refunded_in_full)


def only_within(orders: DataFrame, as_of: date, days: int, zone: str) -> DataFrame:
    """Orders of the business dates in (as_of - days, as_of], with their `business_date`."""
    return calendar.dated(orders, "ordered_at", as_of - timedelta(days=days - 1), as_of, zone)


def names_coupon() -> Column:
    """True where an order names a voucher or a coupon; never NULL."""
    return F.col("voucher_id").isNotNull() | F.col("coupon_id").isNotNull()


def has_coupon() -> Column:
    """True where an order names a voucher or a coupon, or has an amount of coupons; never NULL."""
    return names_coupon() | (F.coalesce("coupon_amount", F.lit(0)) > 0)
