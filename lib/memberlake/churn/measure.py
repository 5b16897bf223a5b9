"""The declared features, computed for all snapshots in one pass over each source, and the guard against the future."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake import scoring
from memberlake.churn.facts import Facts
from memberlake.churn.features import DECLARED, NAMES, NUMBERS, TEXTS, own
from memberlake.lake.contract import MONEY
from memberlake.scoring import Measure


def measured(facts: Facts, snapshots: Sequence[date], active_types: Sequence[str]) -> dict[str, DataFrame]:
    """For each group of facts, one row an (as_of, member_id): the group's features, and `seen_<group>`.

    seen_<group> is the last date that was looked at; `orders` and `events` are read again for the scores: persist them.
    """
    daily = {
        "orders": _order_days(facts),
        "lines": _line_days(facts),
        "events": _event_days(facts, active_types),
        "campaigns": _campaign_days(facts),
        "coupons": _coupon_days(facts),
    }
    return {group: _at_snapshots(frame, group, snapshots) for group, frame in daily.items()}


def table(examples: DataFrame, facts: Facts, groups: Mapping[str, DataFrame], tiles: int) -> DataFrame:
    """The examples (as_of, member_id, ...) with every declared feature and the columns seen_<group>."""
    held = facts.members.select("member_id", "on", "activated_on", "birth_date", *[f.name for f in TEXTS])
    joined = examples.join(held, on="member_id", how="left")
    seen = F.when(F.col("on") <= F.col("as_of"), F.col("on"))  # else known by an order alone
    joined = joined.withColumns({f.name: f.of() for f in own("members")}).withColumn("seen_members", seen)
    joined = joined.drop("on", "activated_on", "birth_date")
    for frame in groups.values():
        joined = joined.join(frame, on=["as_of", "member_id"], how="left")
    for frame in _scores(groups["orders"], groups["events"], tiles):
        joined = joined.join(frame, on=["as_of", "member_id"], how="left")
    joined = joined.withColumns({f.name: f.of() for f in (*own("scores"), *own("season"))})
    zeroes = {f.name: F.coalesce(f.name, F.lit(0.0)) for f in NUMBERS if f.never is None and not f.is_derived}
    joined = joined.withColumns(zeroes).withColumns({f.name: f.of() for f in DECLARED if f.is_derived})
    return joined.select(*examples.columns, *NAMES, *[c for c in joined.columns if c.startswith("seen_")])


def only_leaks(table: DataFrame) -> DataFrame:
    """Rows of a feature table that saw a date after their snapshot: as_of, source, seen_on. There must be none."""
    seen = [c for c in table.columns if c.startswith("seen_")]
    entries = F.array(
        *[F.struct(F.lit(c.removeprefix("seen_")).alias("source"), F.col(c).alias("seen_on")) for c in seen]
    )
    return table.select("as_of", F.explode(entries).alias("entry")).select("as_of", "entry.*").where("seen_on > as_of")


def _at_snapshots(daily: DataFrame, group: str, snapshots: Sequence[date]) -> DataFrame:
    """A fact counts for each snapshot whose longest window holds it, and that knew of it."""
    longest = max(f.window or 0 for f in own(group))
    dates = F.array(*[F.lit(s) for s in snapshots])

    def holds(snapshot: Column) -> Column:
        return _is_known(snapshot) & (F.date_diff(snapshot, F.col("on")) < longest)

    return (
        daily.withColumn("as_of", F.explode(F.filter(dates, holds)))
        .withColumn("age", F.date_diff("as_of", "on"))
        .groupBy("as_of", "member_id")
        .agg(*[f.of().alias(f.name) for f in own(group)], F.max("seen_on").alias(f"seen_{group}"))
    )


def _is_known(snapshot: Column) -> Column:
    return F.col("seen_on") <= snapshot


def _order_days(facts: Facts) -> DataFrame:
    of_member = Window.partitionBy("member_id").orderBy("on")
    has_coupon = F.coalesce("coupon_id", "voucher_id", "promo_code").isNotNull()
    return (
        facts.orders.groupBy("member_id", "on")
        .agg(
            F.count(F.lit(1)).alias("orders"),
            F.sum("net_amount").alias("net_amount"),
            F.sum("discount_amount").alias("discount_amount"),
            F.count_if(has_coupon).alias("coupon_orders"),
            F.sum("points_redeemed").alias("points_redeemed"),
        )
        .withColumn("gap", F.date_diff("on", F.lag("on").over(of_member)).cast("long"))
        .withColumn("first_on", F.min("on").over(of_member.rowsBetween(Window.unboundedPreceding, 0)))
        .withColumn("seen_on", F.col("on"))
    )


def _line_days(facts: Facts) -> DataFrame:
    orders = facts.orders.select("order_id", "member_id", "on")
    lines = facts.lines.select("order_id", "product_id").join(orders, on="order_id", how="inner")
    categories = facts.products.select("product_id", "category")
    return (
        lines.join(categories, on="product_id", how="left")
        .groupBy("member_id", "on")
        .agg(F.count(F.lit(1)).alias("items"), F.collect_set("category").alias("categories"))
        .withColumn("seen_on", F.col("on"))
    )


def _event_days(facts: Facts, active_types: Sequence[str]) -> DataFrame:
    """Events of a member, and those of a device from the day on which it is known whose it is.

    A device belongs to the first member who was known on it. A day's visits, as in kpi.facts.visits, are the
    sessions with an event of an active type; where such events have none, they are one visit.
    """
    named = facts.events.where(F.col("member_id").isNotNull())
    devices = named.groupBy("visitor_id").agg(
        F.min_by("member_id", F.struct("occurred_at", "event_id")).alias("owner"), F.min("on").alias("known_on")
    )
    columns = ("member_id", "on", "seen_on", "session_id", "event_type", "was_anonymous")
    of_members = named.withColumn("seen_on", F.col("on")).withColumn("was_anonymous", F.lit(False)).select(*columns)
    nameless = facts.events.where(F.col("member_id").isNull()).drop("member_id")
    of_devices = (
        nameless.join(devices, on="visitor_id", how="inner")
        .withColumnRenamed("owner", "member_id")
        .withColumn("seen_on", F.greatest("on", "known_on"))
        .withColumn("was_anonymous", F.col("on") < F.col("known_on"))
        .select(*columns)
    )

    def of_type(*types: str) -> Column:
        return F.count_if(F.col("event_type").isin(*types))

    sessions = (
        of_members.unionByName(of_devices)
        .groupBy("member_id", "on", "seen_on", "session_id")
        .agg(
            F.max("was_anonymous").alias("was_anonymous"),
            (of_type(*active_types) > 0).alias("is_visit"),
            of_type("login").alias("logins"),
            of_type("page_view").alias("page_views"),
            of_type("search").alias("searches"),
            of_type("page_view", "search", "download", "video_play").alias("actions"),
            of_type("add_to_cart").alias("carts"),
            of_type("campaign_enquiry").alias("enquiries"),
        )
    )
    is_visit, in_session = F.col("is_visit"), F.col("session_id").isNotNull()
    has_sessions = F.count_if(is_visit & in_session) > 0

    def visits(of: Column) -> Column:
        return F.when(has_sessions, F.count_if(of & in_session)).otherwise(F.count_if(of))

    counted = ("logins", "page_views", "searches", "actions", "carts", "enquiries")
    return sessions.groupBy("member_id", "on", "seen_on").agg(
        visits(is_visit).alias("visits"),
        visits(is_visit & F.col("was_anonymous")).alias("anonymous_visits"),
        *[F.sum(c).alias(c) for c in counted],
    )


def _campaign_days(facts: Facts) -> DataFrame:
    member_of = facts.contacts.select("contact_id", "member_id")
    responses = facts.responses.select("contact_id", "on").join(member_of, on="contact_id", how="inner")
    happened = facts.contacts.select("member_id", "on", F.lit(1).alias("contacts"), F.lit(0).alias("responses"))
    happened = happened.unionByName(
        responses.select("member_id", "on", F.lit(0).alias("contacts"), F.lit(1).alias("responses"))
    )
    return (
        happened.groupBy("member_id", "on")
        .agg(F.sum("contacts").alias("contacts"), F.sum("responses").alias("responses"))
        .withColumn("seen_on", F.col("on"))
    )


def _coupon_days(facts: Facts) -> DataFrame:
    return (
        facts.coupon_events.where(F.col("member_id").isNotNull())
        .groupBy("member_id", "on")
        .agg(
            F.count_if(F.col("event_type") == "claimed").alias("claimed"),
            F.count_if(F.col("event_type") == "redeemed").alias("redeemed"),
        )
        .withColumn("seen_on", F.col("on"))
    )


def _scores(orders: DataFrame, events: DataFrame, tiles: int) -> list[DataFrame]:
    """RFM and RFE scores among all members of a snapshot: the snapshot is the scope."""
    visiting = events.where(F.col("visits_90") > 0)
    return [
        _scored(orders, tiles, {"recency_days": "r", "orders_365": "f", "spent_365": "m"}),
        _scored(visiting, tiles, {"visit_days": "vr", "visits_90": "vf", "actions_90": "ve"}),
    ]


def _scored(frame: DataFrame, tiles: int, scored: Mapping[str, str]) -> DataFrame:
    names = [*scored]
    exact = {name: F.coalesce(name, F.lit(0.0)).cast(MONEY) for name in names}  # decimals are scored exactly
    rows = frame.select(F.col("as_of").cast("string").alias("scope"), "as_of", "member_id", *names).withColumns(exact)
    measures = [Measure(name, score, less_is_better=n == 0) for n, (name, score) in enumerate(scored.items())]
    with_scores = rows.transform(scoring.with_scores, scoring.cuts(rows, measures, tiles), measures, tiles)
    return with_scores.select("as_of", "member_id", *scored.values())
