"""Visits: of members, of those who are not members yet, of strangers, and of robots."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.made.life import is_there, lives
from memberlake.made.marketing import received
from memberlake.made.shopping import product_id
from memberlake.made.world import CHANNELS, World, later

ROBOT_VISITS = 2000  # of one robot, all on one day
_COLUMNS = ("visitor_id", "member_id", "session_id", "day", "channel", "logs_in")


def events(w: World) -> DataFrame:
    """What is done in each visit, 40 seconds apart, and the farewells of some who are lost."""
    kinds = F.array(
        F.lit("visit"),
        F.lit("page_view"),
        F.when(w.happens(0.6, "looks on", "session_id"), "page_view"),
        F.when(w.happens(0.3, "searches", "session_id"), "search"),
        F.when(w.happens(0.1, "watches", "session_id"), "video_play"),
        F.when(w.happens(0.05, "downloads", "session_id"), "download"),
        F.when(w.happens(0.2, "picks", "session_id"), "add_to_cart"),
        F.when(w.happens(0.03, "asks", "session_id"), "campaign_enquiry"),
        F.when(F.col("logs_in"), "login"),
    )
    farewells = (
        lives(w)
        .where(F.col("lost_on").isNotNull() & (F.col("lost_on") >= 0) & w.happens(0.15, "says so", "i"))
        .withColumn("session_id", F.concat(F.lit("Z"), F.col("i")))
        .withColumn("day", F.col("lost_on"))
        .withColumns({"channel": F.lit("app"), "logs_in": F.lit(True), "n": F.lit(0)})
        .withColumn("event_type", w.pick(("unsubscribe", "unsubscribe", "blacklist"), "how", "i"))
    )
    columns = (*_COLUMNS, "n", "event_type")
    done = sessions(w).select("*", F.posexplode(kinds).alias("n", "event_type")).where("event_type IS NOT NULL")
    at = later(w.at(F.col("day"), "visits at", "session_id"), F.col("n") * 40)
    page = w.draw("page", "session_id", "n")
    has_object = F.col("event_type").isin("page_view", "add_to_cart")
    return (
        done.select(*columns)
        .unionByName(farewells.select(*columns))
        .withColumn("occurred_at", at)
        .select(
            F.concat_ws("-", "session_id", "n").alias("event_id"),
            "visitor_id",
            F.when(F.col("logs_in"), F.col("member_id")).alias("member_id"),
            "session_id",
            "event_type",
            "occurred_at",
            "channel",
            F.when(has_object, product_id(F.floor(page * page * w.products))).alias("object_id"),
            received(w, "occurred_at", "session_id", "n").alias("received_at"),
        )
    )


def sessions(w: World) -> DataFrame:
    """One row a visit. A member looks around for two weeks before registering; then three visits may go with each
    purchase, of which half happen."""
    begin = F.greatest(F.col("registered") - 14, F.lit(0))
    pace = F.col("gap") / 3
    slots = F.greatest(F.ceil((F.lit(w.conf.days) - begin) / pace), F.lit(0)).cast("int")
    day = F.floor(begin + (F.col("k") + w.draw("visit jitter", "i", "k")) * pace).cast("int")
    is_member = F.col("day") >= F.col("registered")
    of_members = (
        lives(w)
        .withColumn("k", F.explode(F.sequence(F.lit(0), slots)))
        .withColumn("day", day)
        .where((F.col("day") < w.conf.days) & (~is_member | is_there(F.col("day"))))
        .where(w.draw("visits", "i", "k") < 0.6 * w.season(F.col("day")))
        .withColumn("session_id", F.concat_ws("-", F.lit("S"), "i", "k"))
        .withColumn("channel", w.pick(CHANNELS[1:], "site", "i", "k"))
        .withColumn("logs_in", is_member & w.happens(0.7, "logs in", "i", "k"))
    )
    comes = w.draw("comes", "i")
    of_strangers = (
        w.numbers(w.members)
        .withColumn("k", F.explode(F.sequence(F.lit(0), F.floor(comes * comes * comes * 5).cast("int"))))
        .withColumn("day", w.whole(w.conf.days, "stranger on", "i", "k"))
        .withColumn("visitor_id", F.concat(F.lit("A"), F.col("i")))
        .withColumn("session_id", F.concat_ws("-", F.lit("SA"), "i", "k"))
    )
    of_robots = (
        w.few(w.robots)
        .withColumn("k", F.explode(F.sequence(F.lit(1), F.lit(ROBOT_VISITS))))
        .withColumn("day", w.whole(w.conf.days, "robot on", "i"))
        .withColumn("visitor_id", robot_id())
        .withColumn("session_id", F.concat_ws("-", F.lit("SB"), "i", "k"))
    )
    nameless = of_strangers.select("visitor_id", "session_id", "day").unionByName(
        of_robots.select("visitor_id", "session_id", "day")
    )
    return of_members.select(*_COLUMNS).unionByName(
        nameless.withColumns(
            {"member_id": F.lit(None).cast("string"), "channel": F.lit("web"), "logs_in": F.lit(False)}
        ).select(*_COLUMNS)
    )


def robots(w: World) -> DataFrame:
    """Truth: visitors that are no people."""
    return w.few(w.robots).select(robot_id().alias("visitor_id"))


def robot_id() -> Column:
    return F.concat(F.lit("B"), F.col("i"))
