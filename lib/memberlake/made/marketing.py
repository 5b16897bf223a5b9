"""Campaigns with control groups and a real effect; coupons, reused and not always linked; the life of vouchers."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.lake.contract import MONEY
from memberlake.made.life import is_there, lives
from memberlake.made.world import CAMPAIGN_DAYS, CAMPAIGN_EVERY, World, later, money

REUSED_AFTER = 7  # of ten campaigns the last three take the coupons of seven campaigns before
UNDECLARED = 5  # every fifth campaign's link to its coupon is not declared
CAMPAIGN_ORDER = 1000  # the order that campaign c led to is the member's order number 1000 + c


def starts(c: Column) -> Column:
    return c.cast("int") * CAMPAIGN_EVERY + 5


def running(w: World, day: Column) -> Column:
    """The campaign that runs on a day, NULL where none does."""
    since = day - starts(F.lit(0))
    c = F.floor(since / CAMPAIGN_EVERY)
    return F.when(c.between(0, w.campaigns - 1) & (since % CAMPAIGN_EVERY < CAMPAIGN_DAYS), c)


def campaigns(w: World) -> DataFrame:
    c = F.col("i")
    return w.few(w.campaigns).select(
        campaign_id(c).alias("campaign_id"),
        F.concat(F.lit("campaign "), c).alias("name"),
        F.when(c % 3 == 0, "promotion").when(c % 3 == 1, "care").otherwise("launch").alias("kind"),
        F.lit("sms").alias("channel"),
        w.on(starts(c)).alias("starts_on"),
        w.on(starts(c) + CAMPAIGN_DAYS - 1).alias("ends_on"),
        (c % 3 == 1).alias("is_care"),
        F.when(c % 2 == 0, "conversion").when(c % 4 == 1, "win-back").otherwise("lead").alias("goal"),
    )


def outreach(w: World) -> DataFrame:
    """One row a contact of campaign `c` with person `i`: whether it was held out, and whether it leads to an order.

    Who was held out cannot respond; that is the campaign's effect.
    """
    share = w.conf.shares
    day = starts(F.col("c"))
    responds = w.draw("responds", "i", "c") < F.col("taste") * share.responding
    return (
        lives(w)
        .withColumn("c", F.explode(F.sequence(F.lit(0), F.lit(w.campaigns - 1))))
        .where(w.happens(share.contacted, "contacted", "i", "c") & is_there(day))
        .withColumn("day", day)
        .withColumn("is_control", w.happens(share.control, "held out", "i", "c"))
        .withColumn("order_day", F.col("day") + 1 + w.whole(CAMPAIGN_DAYS - 2, "answers after", "i", "c"))
        .withColumn("responds", responds & ~F.col("is_control") & (F.col("order_day") < w.conf.days))
        .withColumn("k", F.col("c") + CAMPAIGN_ORDER)
        .withColumn("key", F.concat_ws("-", "c", "i"))
    )


def campaign_contacts(w: World) -> DataFrame:
    return outreach(w).select(
        F.concat(F.lit("C"), F.col("key")).alias("contact_id"),
        campaign_id(F.col("c")).alias("campaign_id"),
        "member_id",
        F.lit("sms").alias("channel"),
        w.at(F.col("day"), "sent at", "i", "c").alias("sent_at"),
        F.concat(F.lit("text "), F.col("c") % 4).alias("message_id"),
        money(F.when(F.col("is_control"), 0).otherwise(5)).alias("cost"),
        "is_control",
    )


def campaign_responses(w: World) -> DataFrame:
    leaves_lead = w.happens(w.conf.shares.leads, "leaves a lead", "i", "c")
    clicks = w.happens(0.1, "clicks", "i", "c") & ~F.col("is_control") & (F.col("order_day") < w.conf.days)
    return (
        outreach(w)
        .where(F.col("responds") | clicks)
        .select(
            F.concat(F.lit("R"), F.col("key")).alias("response_id"),
            F.concat(F.lit("C"), F.col("key")).alias("contact_id"),
            ordered_at(w, F.col("order_day")).alias("responded_at"),
            F.when(F.col("responds"), "conversion").when(leaves_lead, "lead").otherwise("click").alias("response_type"),
        )
    )


def campaign_costs(w: World) -> DataFrame:
    c, d = F.floor(F.col("i") / CAMPAIGN_DAYS), F.col("i") % CAMPAIGN_DAYS
    return (
        w.few(w.campaigns * CAMPAIGN_DAYS)
        .where(starts(c) + d < w.conf.days)
        .select(
            campaign_id(c).alias("campaign_id"),
            w.on(starts(c) + d).alias("cost_date"),
            F.lit("media").alias("cost_type"),
            money(w.whole(3 * w.members, "media", "i") + 2 * w.members).alias("amount"),
        )
    )


def coupons(w: World) -> DataFrame:
    """A definition for each campaign; a coupon that is used again has one for each use."""
    c = F.col("i")
    return w.few(w.campaigns).select(
        coupon_id(c).alias("coupon_id"),
        w.midnight(starts(c)).alias("valid_from_version"),
        F.concat(F.lit("coupon of campaign "), c).alias("name"),
        face_value(c).alias("face_value"),
        w.midnight(starts(c)).alias("valid_from"),
        w.midnight(starts(c) + 21).alias("valid_to"),
    )


def coupon_campaigns(w: World) -> DataFrame:
    declared = w.few(w.campaigns).where(F.col("i") % UNDECLARED != UNDECLARED - 1)
    return declared.select(coupon_id(F.col("i")).alias("coupon_id"), campaign_id(F.col("i")).alias("campaign_id"))


def coupon_events(w: World) -> DataFrame:
    """A voucher for everyone really contacted: issued, claimed by some, redeemed on the order that it led to.

    A share of the vouchers comes from a wrong clock, up to a day and a half off either way: redeemed before claimed,
    issued outside the campaign.
    """
    share = w.conf.shares
    off = F.when(w.happens(share.wrong_clock, "wrong clock", "i", "c", "n"), w.whole(72, "off", "i", "c", "n") - 36)
    claims = F.col("responds") | w.happens(0.4, "claims", "i", "c")
    bought_at = ordered_at(w, F.col("order_day"))
    is_undone = F.col("responds") & (order_status(w) == "cancelled") & (F.col("order_day") < w.conf.days - 2)
    steps = F.array(
        _step("issued", F.lit(True), w.at(F.col("day"), "sent at", "i", "c")),
        _step("claimed", claims, later(w.at(F.col("day"), "sent at", "i", "c"), w.whole(10_800, "reads", "i", "c"))),
        _step("redeemed", F.col("responds"), bought_at),
        _step("returned", is_undone, later(bought_at, F.lit(2 * 86_400))),
    )
    at_order = F.col("n") >= 2
    return (
        outreach(w)
        .where(~F.col("is_control"))
        .select("*", F.posexplode(steps).alias("n", "step"))
        .where("step.happens")
        .withColumn("occurred_at", later(F.col("step.at"), F.coalesce(off, F.lit(0)) * 3600))
        .select(
            F.concat_ws("-", F.lit("E"), "key", "n").alias("event_id"),
            coupon_id(F.col("c")).alias("coupon_id"),
            F.concat(F.lit("V"), F.col("key")).alias("voucher_id"),
            "member_id",
            F.col("step.type").alias("event_type"),
            "occurred_at",
            F.when(at_order, order_id()).alias("order_id"),
            F.when(~is_unlinked(w), campaign_id(F.col("c"))).alias("campaign_id"),
            F.lit("app").alias("channel"),
            F.when(at_order, face_value(F.col("c"))).alias("amount"),
            received(w, "occurred_at", "i", "k", "n").alias("received_at"),
        )
    )


def vouchers(w: World) -> DataFrame:
    """Truth: the campaign of every voucher, and whether its events keep it to themselves."""
    return (
        outreach(w)
        .where(~F.col("is_control"))
        .select(
            F.concat(F.lit("V"), F.col("key")).alias("voucher_id"),
            coupon_id(F.col("c")).alias("coupon_id"),
            campaign_id(F.col("c")).alias("campaign_id"),
            is_unlinked(w).alias("is_hidden"),
        )
    )


def order_id() -> Column:
    return F.concat(F.lit("O"), F.lpad(F.col("i").cast("string"), 10, "0"), F.lit("-"), F.col("k"))


def ordered_at(w: World, day: Column) -> Column:
    """The instant of order (i, k)."""
    return w.at(day, "ordered at", "i", "k")


def order_status(w: World) -> Column:
    draw = w.draw("status", "i", "k")
    return (
        F.when(draw < 0.03, "cancelled")
        .when(draw < 0.05, "refunded")
        .when(draw < 0.15, "paid")
        .when(draw < 0.25, "shipped")
        .otherwise("completed")
    )


def is_unlinked(w: World) -> Column:
    return w.happens(w.conf.shares.unlinked, "unlinked", "i", "c")


def coupon_id(c: Column) -> Column:
    return F.concat(F.lit("K"), F.when(c % 10 >= REUSED_AFTER, c - REUSED_AFTER).otherwise(c))


def campaign_id(c: Column) -> Column:
    return F.concat(F.lit("P"), c)


def face_value(c: Column) -> Column:
    return (5 + 5 * (c % 4)).cast(MONEY)


def received(w: World, occurred_at: str, *ids: str) -> Column:
    """When it reached the brand: within minutes, or for the late up to 25 days after."""
    days = F.when(w.happens(w.conf.shares.late, "is late", *ids), 1 + w.whole(25, "days late", *ids)).otherwise(0)
    return later(F.col(occurred_at), days * 86_400 + w.whole(300, "seconds late", *ids))


def _step(kind: str, happens: Column, at: Column) -> Column:
    return F.struct(F.lit(kind).alias("type"), happens.alias("happens"), at.alias("at"))
