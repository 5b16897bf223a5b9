"""Whom an order is owed to: the mark, code or voucher that it carries, else the last contact."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.contacts import only_sent
from memberlake.orders import has_coupon, names_coupon

METHODS = ("marked", "code", "voucher", "contact", "none")


def attributed(orders: DataFrame, contacts: DataFrame, vouchers: DataFrame, days: int, zone: str) -> DataFrame:
    """Adds to each order its `method`, the credited `campaign_id`, whether it `has_coupon`, and what its vouchers
    redeemed, `voucher_value`.

    The first that applies: `marked` (a marked channel or a campaign that the source credits), `code` (a promo code),
    `voucher` (a voucher or coupon of the brand; an amount alone may be a manufacturer's), `contact` (the member's last
    contact, not a held-out one, that was sent before the order, on its business date or one of the days - 1 before),
    `none`. Two contacts of one instant: the greater id.

    Args:
        orders: with business_date.
        vouchers: gold.vouchers. One that names an order gives its campaign and its value to it, any other to the order
            that names the voucher.
    """
    joined = orders.join(_used(orders, vouchers), on="order_id", how="left").join(
        _sent(contacts, zone), on="member_id", how="left"
    )
    last = F.array_max(
        F.filter(
            "contacts", lambda c: (c["sent_at"] <= F.col("ordered_at")) & (c["on"] > F.date_sub("business_date", days))
        )
    )
    is_named_by_voucher = F.col("has_voucher").isNotNull()
    method = (
        F.when(F.col("marked_channel").isNotNull() | F.col("campaign_id").isNotNull(), "marked")
        .when(F.col("promo_code").isNotNull(), "code")
        .when(names_coupon() | is_named_by_voucher, "voucher")
        .when(F.col("last").isNotNull(), "contact")
        .otherwise("none")
    )
    by_contact = F.when(F.col("method") == "contact", F.col("last")["campaign_id"])
    return (
        joined.withColumn("last", last)
        .withColumn("has_coupon", has_coupon() | is_named_by_voucher)
        .withColumn("method", method)
        .withColumn("campaign_id", F.coalesce("campaign_id", "voucher_campaign", by_contact))
        .drop("contacts", "last", "voucher_campaign", "has_voucher")
    )


def _used(orders: DataFrame, vouchers: DataFrame) -> DataFrame:
    """One row an order with vouchers: their campaign, and what they redeemed."""
    given = ("order_id", "campaign_id", "redeemed_amount")
    named = vouchers.where(F.col("order_id").isNull()).drop("order_id")
    of_orders = orders.select("order_id", "voucher_id").join(named, on="voucher_id", how="inner")
    return (
        vouchers.where(F.col("order_id").isNotNull())
        .select(*given)
        .unionByName(of_orders.select(*given))
        .groupBy("order_id")
        .agg(
            F.max("campaign_id").alias("voucher_campaign"),
            F.sum("redeemed_amount").alias("voucher_value"),
            F.lit(True).alias("has_voucher"),
        )
    )


def _sent(contacts: DataFrame, zone: str) -> DataFrame:
    """One row a member with its contacts, so that looking for the last one multiplies no order."""
    on = calendar.business_date(F.col("sent_at"), zone).alias("on")
    contact = F.struct("sent_at", "contact_id", "campaign_id", on)
    return contacts.transform(only_sent).groupBy("member_id").agg(F.collect_list(contact).alias("contacts"))
