"""Members and their lives: when they register, how often they buy, when they are lost and whether they return."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.made.world import CHANNELS, World, one_of

_REACH = {"phone": 0.95, "email": 0.4, "qq": 0.3, "wechat": 0.8}
_CITIES = ("上海", "北京", "广州", "深圳", "杭州", "成都", "武汉", "西安", "南京", "重庆", "长沙", "厦门")


def lives(w: World) -> DataFrame:
    """One row a member `i`: the plan of their life in day numbers, from which all else is drawn.

    registered (before day 0 for some), gap (days between purchases, log-logistic: a few buy every few days, a few
    twice a year), lost_on and returned_on (NULL: not within the calendar), taste (how readily they follow a campaign),
    visitor_id (their device; some share another's).
    """
    u = w.draw("rhythm", "i")
    gap = F.least(F.greatest(30 * F.pow(u / (1 - u), F.lit(0.6)), F.lit(4.0)), F.lit(300.0))
    lost = F.col("registered") + 30 + F.floor(-F.log(1 - w.draw("lost after", "i")) * 250).cast("int")
    returned = F.col("lost_on") + 120 + w.whole(90, "away", "i")
    shares_device = w.happens(w.conf.shares.devices, "shares a device", "i") & (F.col("i") > 0)
    return (
        w.numbers(w.members)
        .withColumn("member_id", F.concat(F.lit("M"), F.lpad(F.col("i").cast("string"), 10, "0")))
        .withColumn("registered", F.floor((w.draw("registered", "i") * 1.4 - 0.4) * w.conf.days).cast("int"))
        .withColumn("gap", gap)
        .withColumn("lost_on", F.when(w.happens(w.conf.shares.lost, "is lost", "i"), lost))
        .withColumn("lost_on", F.when(F.col("lost_on") < w.conf.days, F.col("lost_on")))
        .withColumn("returned_on", F.when(w.happens(w.conf.shares.returned, "returns", "i"), returned))
        .withColumn("returned_on", F.when(F.col("returned_on") < w.conf.days, F.col("returned_on")))
        .withColumn("taste", 0.5 + w.draw("taste", "i"))
        .withColumn("visitor_id", F.concat(F.lit("W"), F.col("i") - F.when(shares_device, 1).otherwise(0)))
    )


def is_there(day: Column) -> Column:
    """The member has registered, and is not lost on that day."""
    here = F.col("lost_on").isNull() | (day < F.col("lost_on"))
    return (day >= F.col("registered")) & (here | F.coalesce(day >= F.col("returned_on"), F.lit(False)))


def members(w: World) -> DataFrame:
    registered_at = w.at(F.col("registered"), "registered at", "i")
    activated_at = w.at(F.col("registered") + w.whole(20, "activated after", "i") + 1, "activated at", "i")
    is_activated = w.happens(0.85, "is activated", "i") & (F.col("registered") < w.conf.days - 20)
    return lives(w).select(
        "member_id",
        F.lit("made").alias("source"),
        registered_at.alias("registered_at"),
        F.when(is_activated, activated_at).alias("activated_at"),
        one_of(w.draw("gender", "i"), {"F": 0.58, "M": 0.35}, "U").alias("gender"),
        F.date_sub(F.lit(w.conf.first_on), 18 * 365 + w.whole(45 * 365, "age", "i")).alias("birth_date"),
        w.pick(_CITIES, "city", "i").alias("city"),
        *[w.happens(share, f"has {way}", "i").alias(f"has_{way}") for way, share in _REACH.items()],
        *[w.happens(0.7, f"consents {way}", "i").alias(f"consent_{way}") for way in ("sms", "email", "qq", "wechat")],
        w.pick(CHANNELS, "won by", "i").alias("acquisition_channel"),
        w.happens(0.002, "employee", "i").alias("is_employee"),
        registered_at.alias("recorded_at"),
    )


def lost(w: World) -> DataFrame:
    """Truth: the day from which a member buys and visits no more, and the day they come back."""
    return (
        lives(w)
        .where(F.col("lost_on").isNotNull())
        .select(
            "member_id", w.on(F.col("lost_on")).alias("is_lost_on"), w.on(F.col("returned_on")).alias("returned_on")
        )
    )


def identities(w: World) -> DataFrame:
    """Truth: whose device a visitor is. A shared one has a row for each member."""
    return lives(w).select("visitor_id", "member_id")
