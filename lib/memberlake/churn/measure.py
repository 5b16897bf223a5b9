"""The declared features, computed for all snapshots in one pass over each source, and the guard against the future.

The guard looks at what went into a feature, whatever a filter was meant to keep out: each measure of a day has the last
date that it was made of, and the greatest of those dates is aggregated beside the feature, over the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from memberlake import scoring
from memberlake.activity import identity
from memberlake.churn.facts import Facts, at_each
from memberlake.churn.features import DECLARED, NAMES, NUMBERS, TEXTS, Reading, own
from memberlake.lake.contract import MONEY
from memberlake.scoring import Measure

Whose = Callable[[DataFrame], DataFrame]  # rows with a member_id to those of some members
_LEAKS = "array<struct<feature: string, seen_on: date>>"
# what a member's row says is known from its date on, but for the activation, which may be later
_MEMBER_DATES = {**dict.fromkeys(("on", "birth_date", *[f.name for f in TEXTS]), "on"), "activated_on": "activation_on"}


class Days(NamedTuple):
    """Measures of members by day.

    Attributes:
        frame: by member_id, `on`, and `seen_on`, the day from which on the row is known; perhaps in parts.
        dates: for each measure the column with the last date that went into it.
    """

    frame: DataFrame
    dates: Mapping[str, str]

    def across(self, window: WindowSpec, total: Column, /, **measures: Callable[[Column], Column]) -> Days:
        """Adds measures of an aggregate over other days of the member. They saw the last of the days in that window."""
        dates = {name: f"{name}_seen_on" for name in measures}
        columns = {name: of(total.over(window)) for name, of in measures.items()}
        saw = F.greatest("seen_on", F.max("seen_on").over(window))
        frame = self.frame.withColumns({**columns, **dict.fromkeys(dates.values(), saw)})
        return Days(frame, {**self.dates, **dates})


def measured(
    facts: Facts, examples: DataFrame, snapshots: Sequence[date], active_types: Sequence[str]
) -> dict[str, DataFrame]:
    """For each group of facts, one row an (as_of, member_id): the group's features, and its `leaks_<group>`.

    leaks_<group> has a struct (feature, seen_on) for each feature that saw a date after the snapshot. `orders` and
    `events` have all members, among whom the scores are: they are read again for these, persist them. The others have
    those of the examples.
    """
    members = examples.select("member_id").distinct()

    def theirs(rows: DataFrame) -> DataFrame:
        return rows.join(members, on="member_id", how="left_semi")

    days = {
        "orders": _order_days(facts),
        "lines": _line_days(facts, theirs, _since("lines", snapshots)),
        "events": _event_days(facts, active_types, _since("events", snapshots)),
        "campaigns": _campaign_days(facts, theirs),
        "coupons": _coupon_days(facts, theirs),
    }
    return {group: _at_snapshots(of_group, group, snapshots) for group, of_group in days.items()}


def table(examples: DataFrame, facts: Facts, groups: Mapping[str, DataFrame], tiles: int) -> DataFrame:
    """The examples (as_of, member_id, ...) with every declared feature, and `leaks`, which must be empty."""
    activation_on = F.greatest("on", "activated_on").alias("activation_on")  # of the row that tells of it
    held = facts.members.select("member_id", *_MEMBER_DATES, activation_on)
    joined = examples.join(held, on="member_id", how="left")
    readings = {f.name: f.of() for f in own("members")}
    leaks = _leaks({name: _saw(reading, _MEMBER_DATES) for name, reading in readings.items()})
    joined = joined.withColumns({**{name: r.value for name, r in readings.items()}, "leaks_members": leaks})
    joined = joined.drop("on", "activated_on", "activation_on", "birth_date")
    for frame in groups.values():
        joined = joined.join(frame, on=["as_of", "member_id"], how="left")
    for frame in _scores(groups["orders"], groups["events"], tiles):
        joined = joined.join(frame, on=["as_of", "member_id"], how="left")
    joined = joined.withColumns({f.name: f.of().value for f in (*own("scores"), *own("season"))})
    zeroes = {f.name: F.coalesce(f.name, F.lit(0.0)) for f in NUMBERS if f.never is None and not f.is_derived}
    joined = joined.withColumns(zeroes).withColumns({f.name: f.of().value for f in DECLARED if f.is_derived})
    found = [F.coalesce(f"leaks_{group}", F.array().cast(_LEAKS)) for group in ("members", *groups)]
    return joined.select(*examples.columns, *NAMES, F.concat(*found).alias("leaks"))


def only_leaks(table: DataFrame) -> DataFrame:
    """What of a feature table saw a date after its snapshot: as_of, feature, seen_on. There must be none."""
    return table.select("as_of", F.explode("leaks").alias("leak")).select("as_of", "leak.*")


def _at_snapshots(days: Days, group: str, snapshots: Sequence[date]) -> DataFrame:
    """A fact counts for each snapshot whose longest window holds it, and that knew of it."""
    longest = _longest(group)

    def holds(snapshot: Column) -> Column:
        return _is_known(snapshot) & (F.date_diff(snapshot, F.col("on")) < longest)

    readings = {f.name: f.of() for f in own(group)}
    saw = {name: F.max(_saw(reading, days.dates)) for name, reading in readings.items()}
    return (
        days.frame.transform(at_each, snapshots, holds)
        .withColumn("age", F.date_diff("as_of", "on"))
        .groupBy("as_of", "member_id")
        .agg(*[r.value.alias(name) for name, r in readings.items()], _leaks(saw).alias(f"leaks_{group}"))
    )


def _longest(group: str) -> int:
    return max(f.window or 0 for f in own(group))


def _since(group: str, snapshots: Sequence[date]) -> date:
    """No fact of an earlier day goes into a feature of the group: what is aggregated is a window, not the history."""
    return min(snapshots) - timedelta(days=_longest(group) - 1)


def _is_known(snapshot: Column) -> Column:
    return F.col("seen_on") <= snapshot


def _saw(reading: Reading, dates: Mapping[str, str]) -> Column:
    """The date of a fact that goes into a feature. A measure that has none is an error: nothing goes unguarded."""
    assert reading.rows is not None
    assert reading.reads is not None
    return F.when(reading.rows, F.col(dates[reading.reads]))


def _leaks(saw: Mapping[str, Column]) -> Column:
    """Of features with the last date that they saw: those that saw one after the snapshot."""
    late = [
        F.when(on > F.col("as_of"), F.struct(F.lit(f).alias("feature"), on.alias("seen_on"))) for f, on in saw.items()
    ]
    return F.array_compact(F.array(*late))


def _by_day(frame: DataFrame, *parts: str, **measures: Column) -> Days:
    """Measures of the rows of a member, a day `on` and a day `seen_on`: they saw nothing later than seen_on.

    Without a column `seen_on` it is the day itself.

    Args:
        parts: more columns that part the rows.
    """
    keys = [name for name in ("member_id", "on", "seen_on", *parts) if name in frame.columns]
    days = frame.groupBy(*keys).agg(*[column.alias(name) for name, column in measures.items()])
    seen_on = F.col("seen_on" if "seen_on" in keys else "on")
    return Days(days.withColumn("seen_on", seen_on), dict.fromkeys(measures, "seen_on"))


def _order_days(facts: Facts) -> Days:
    of_member = Window.partitionBy("member_id").orderBy("on")
    days = _by_day(
        facts.orders,
        orders=F.count(F.lit(1)),
        net_amount=F.sum("net_amount"),
        discount_amount=F.sum("discount_amount"),
        coupon_orders=F.count_if("has_coupon"),
        points_redeemed=F.sum("points_redeemed"),
    )
    before, so_far = of_member.rowsBetween(-1, -1), of_member.rowsBetween(Window.unboundedPreceding, 0)
    days = days.across(before, F.max("on"), gap=lambda last_on: F.date_diff("on", last_on).cast("long"))
    return days.across(so_far, F.min("on"), first_on=lambda first_on: first_on)


def _line_days(facts: Facts, theirs: Whose, since: date) -> Days:
    """A row a line: grouping them by day first would spare few, for one shuffle more. A member's lie together."""
    orders = facts.orders.where(F.col("on") >= F.lit(since)).select("order_id", "member_id", "on").transform(theirs)
    lines = facts.lines.select("order_id", "product_id").join(orders, on="order_id", how="inner")
    categories = facts.products.select("product_id", "category")
    sold = lines.join(categories, on="product_id", how="left").repartition("member_id")
    told = sold.select("member_id", "on", F.col("on").alias("seen_on"), "category", F.lit(1).alias("items"))
    return Days(told, {"items": "seen_on", "category": "seen_on"})


def _event_days(facts: Facts, active_types: Sequence[str], since: date) -> Days:
    """Events of a member, and nameless ones of a device from the day on which it is known whose they are.

    Whose they are says gold.subject_identity, as for activity and RFE. A day's visits, as in kpi.facts.visits, are the
    sessions with an event of an active type; where such events have none, they are one visit. Of what became known on
    several days each part counts by itself.
    """
    columns = ("member_id", "on", "seen_on", "session_id", "event_type", "was_anonymous")
    recent = facts.events.where(F.col("on") >= F.lit(since))
    told = {"seen_on": F.col("on"), "was_anonymous": F.lit(False)}
    of_members = recent.where(F.col("member_id").isNotNull()).withColumns(told).select(*columns)
    of_devices = (
        recent.where(F.col("member_id").isNull())
        .join(identity.per_visitor(facts.identity), on="visitor_id", how="inner")
        .withColumn("stretch", identity.stretch_at("occurred_at"))
        .withColumn("member_id", F.col("stretch.member_id"))
        .withColumn("seen_on", F.greatest("on", "stretch.identified_on"))
        .withColumn("was_anonymous", F.col("occurred_at") < F.col("stretch.identified_at"))
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
        .repartition("member_id")  # days and snapshots are then grouped where they lie
    )
    is_visit, in_session = F.col("is_visit"), F.col("session_id").isNotNull()
    has_sessions = F.count_if(is_visit & in_session) > 0

    def visits(of: Column) -> Column:
        return F.when(has_sessions, F.count_if(of & in_session)).otherwise(F.count_if(of))

    counted = ("logins", "page_views", "searches", "actions", "carts", "enquiries")
    return _by_day(
        sessions,
        visits=visits(is_visit),
        anonymous_visits=visits(is_visit & F.col("was_anonymous")),
        **{c: F.sum(c) for c in counted},
    )


def _campaign_days(facts: Facts, theirs: Whose) -> Days:
    """Whose response it is, its contact says: a response is known when both are."""
    sent = facts.contacts.transform(theirs)
    contacts = sent.select("member_id", "on", F.col("on").alias("seen_on"), F.lit(True).alias("is_contact"))
    member_of = sent.select("contact_id", "member_id", F.col("on").alias("contacted_on"))
    responses = facts.responses.join(member_of, on="contact_id", how="inner").select(
        "member_id", "on", F.greatest("on", "contacted_on").alias("seen_on"), F.lit(False).alias("is_contact")
    )
    is_contact = F.col("is_contact")
    return _by_day(contacts.unionByName(responses), contacts=F.count_if(is_contact), responses=F.count_if(~is_contact))


def _coupon_days(facts: Facts, theirs: Whose) -> Days:
    return _by_day(
        facts.coupon_events.transform(theirs),
        claimed=F.count_if(F.col("event_type") == "claimed"),
        redeemed=F.count_if(F.col("event_type") == "redeemed"),
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
