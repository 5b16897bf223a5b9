"""Products, orders and their lines: by the member's own rhythm, or because a campaign moved them."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.made import marketing
from memberlake.made.life import is_there, lives
from memberlake.made.world import CHANNELS, World, later, money

MOST_LINES = 6


def products(w: World) -> DataFrame:
    p = F.col("i")
    return w.few(w.products).select(
        product_id(p).alias("product_id"),
        F.concat(F.lit("product "), p).alias("name"),
        F.concat(F.lit("category "), p % 12).alias("category"),
        F.concat(F.lit("category "), p % 12, F.lit("/"), p % 60).alias("subcategory"),
        F.concat(F.lit("brand "), p % 7).alias("brand"),
    )


def purchases(w: World) -> DataFrame:
    """One row an order (i, k) on a day; `c` is the campaign that led to it, NULL for the member's own rhythm."""
    begin = F.greatest("registered", F.lit(0))
    planned = F.greatest(F.ceil((F.lit(w.conf.days) - begin) / F.col("gap")), F.lit(0)).cast("int")
    day = F.floor(begin + (F.col("k") + w.draw("jitter", "i", "k")) * F.col("gap")).cast("int")
    columns = ("i", "k", "c", "member_id", "day")
    by_rhythm = (
        lives(w)
        .withColumn("k", F.explode(F.sequence(F.lit(0), planned)))
        .withColumn("day", day)
        .where((F.col("day") < w.conf.days) & is_there(F.col("day")))
        .where(w.draw("buys", "i", "k") < w.season(F.col("day")))
        .withColumn("c", F.lit(None).cast("int"))
    )
    by_campaign = marketing.outreach(w).where("responds").withColumn("day", F.col("order_day"))
    return by_rhythm.select(*columns).unionByName(by_campaign.select(*columns))


def orders(w: World) -> DataFrame:
    """Counts in whole cents until the end."""
    by_campaign = F.col("c").isNotNull()
    is_guest = ~by_campaign & w.happens(w.conf.shares.guests, "guest", "i", "k")
    coupon = F.coalesce(marketing.face_value(F.col("c")).cast("long") * 100, F.lit(0))
    is_sale = w.happens(0.2, "on sale", "i", "k")
    sale = F.when(is_sale, F.floor(F.col("goods") / 10)).otherwise(0)
    is_marked = by_campaign & w.happens(w.conf.shares.marked, "marked", "i", "k")
    code = F.when(
        ~by_campaign & is_sale & w.happens(w.conf.shares.codes, "promo code", "i", "k"),
        F.concat(F.lit("CODE"), marketing.running(w, F.col("day"))),
    )
    part = F.when(w.happens(0.02, "part refund", "i", "k"), F.floor(F.col("paid") * 3 / 10)).otherwise(0)
    own_channel = w.pick(CHANNELS, "channel", "i", F.lit(0))
    placed = (
        purchases(w)
        .withColumn("goods", F.aggregate(_line_nos(w), F.lit(0).cast("long"), lambda sum, n: sum + _cents(w, n)))
        .withColumn("discount", F.least(sale + coupon, F.col("goods")))
        .withColumn("paid", F.col("goods") - F.col("discount"))
        .withColumn("status", marketing.order_status(w))
        .withColumn("refunded", F.when(F.col("status") == "refunded", F.col("paid")).otherwise(part))
        .withColumn("channel", F.when(F.col("c").isNull(), own_channel).otherwise("app"))
        .withColumn("ordered_at", marketing.ordered_at(w, F.col("day")))
    )
    return placed.select(
        marketing.order_id().alias("order_id"),
        F.when(~is_guest, F.col("member_id")).alias("member_id"),
        "ordered_at",
        "status",
        "channel",
        F.when(F.col("channel") == "store", F.concat(F.lit("S"), F.col("i") % 40)).alias("store_id"),
        money(F.col("goods")).alias("gross_amount"),
        money(F.col("discount")).alias("discount_amount"),
        money(F.col("paid") - F.col("refunded")).alias("net_amount"),
        money(F.col("refunded")).alias("refunded_amount"),
        F.when(by_campaign, F.concat_ws("-", F.concat(F.lit("V"), F.col("c")), "i")).alias("voucher_id"),
        F.when(by_campaign, marketing.coupon_id(F.col("c"))).alias("coupon_id"),
        marketing.face_value(F.col("c")).alias("coupon_amount"),
        code.alias("promo_code"),
        F.when(is_marked, "sms").alias("marked_channel"),
        F.when(is_marked & ~marketing.is_unlinked(w), marketing.campaign_id(F.col("c"))).alias("campaign_id"),
        F.when(w.happens(0.1, "pays points", "i", "k"), F.floor(F.col("paid") / 1000)).alias("points_redeemed"),
        F.floor(F.col("paid") / 100).alias("points_granted"),
        later(F.col("ordered_at"), (1 + w.whole(72, "settles", "i", "k")) * 3600).alias("updated_at"),
    )


def order_lines(w: World) -> DataFrame:
    n = F.col("line_no")
    lines = purchases(w).withColumn("line_no", F.explode(_line_nos(w)))
    return lines.select(
        marketing.order_id().alias("order_id"),
        "line_no",
        product_id(_product(w, n)).alias("product_id"),
        _quantity(w, n).cast("decimal(18,3)").alias("quantity"),
        money(_cents(w, n)).alias("amount"),
    )


def product_id(p: Column) -> Column:
    return F.concat(F.lit("A"), F.lpad(p.cast("string"), 6, "0"))


def _line_nos(w: World) -> Column:
    """1 to the number of the order's lines."""
    draw = w.draw("lines", "i", "k")
    return F.sequence(F.lit(1), (1 + F.floor(draw * draw * MOST_LINES)).cast("int"))


def _product(w: World, n: Column) -> Column:
    """A few products are bought far more than the rest."""
    draw = w.draw("product", "i", "k", n)
    return F.floor(draw * draw * w.products)


def _quantity(w: World, n: Column) -> Column:
    draw = w.draw("quantity", "i", "k", n)
    return 1 + F.floor(draw * draw * draw * 3)


def _cents(w: World, n: Column) -> Column:
    """The amount of line n, at the product's price: many cheap ones, a few dear ones."""
    draw = w.draw("price", _product(w, n))
    return (500 + F.floor(draw * draw * draw * 9000)) * _quantity(w, n)
