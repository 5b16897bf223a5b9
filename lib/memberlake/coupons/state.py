"""The state of vouchers, folded from their events.

What a voucher is follows from the set of its events, ordered by (occurred_at, rank of the type, event_id); never from
the order in which they arrived. The events of a voucher have its `holder` in common, within the coupon: the number
that the source gives it, else the member, else the event alone.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.conf import CouponsConf
from memberlake.coupons.copies import copy_of_each
from memberlake.tables.gold.coupons import HISTORY_EVENT

KINDS = ("issued", "claimed", "redeemed", "returned", "voided")  # the rank of a type is its place here
TURNS = ("redeemed", "returned")
NUMBER, MEMBER, EVENT = "n:", "m:", "e:"
_KEPT = tuple(HISTORY_EVENT.names)
_VOUCHER = ("coupon_id", "holder", "line", "copy")


def with_holder(events: DataFrame) -> DataFrame:
    """What the events of a voucher have in common within its coupon."""
    return events.withColumn(
        "holder",
        F.coalesce(
            F.concat(F.lit(NUMBER), "voucher_id"),
            F.concat(F.lit(MEMBER), "member_id"),
            F.concat(F.lit(EVENT), "event_id"),
        ),
    )


def from_history(vouchers: DataFrame) -> DataFrame:
    """The events kept in the rows of vouchers: as they were folded, with coupon_id and holder."""
    return vouchers.select("coupon_id", "holder", F.explode("history").alias("event")).select(
        "coupon_id", "holder", "event.*"
    )


def only_until(rows: DataFrame, instant: str, as_of: date, zone: str) -> DataFrame:
    """Rows of business dates up to as_of; later ones are seen when as_of has come to them."""
    return rows.where(calendar.between(F.col(instant), None, as_of, zone))


def definitions(coupons: DataFrame, links: DataFrame) -> DataFrame:
    """One row a coupon that is defined or linked to a campaign.

    Columns: terms (its versions by time, NULL when it is not defined), declared (its campaigns by definition and link),
    only_campaign_id (the campaign, when its definitions name one and neither they nor links another).
    """
    version = F.struct(F.col("valid_from_version").alias("terms_from"), "valid_to", "face_value")
    defined = coupons.groupBy("coupon_id").agg(
        F.array_sort(F.collect_list(version)).alias("terms"),
        F.array_sort(F.collect_set("campaign_id")).alias("named"),
    )
    linked = links.groupBy("coupon_id").agg(F.array_sort(F.collect_set("campaign_id")).alias("linked"))
    either = F.array_sort(F.array_union(_or_none("named"), _or_none("linked")))
    is_only = (F.size(_or_none("named")) == 1) & (F.size("declared") == 1)
    return (
        defined.join(linked, on="coupon_id", how="full")
        .withColumn("declared", either)
        .withColumn("only_campaign_id", F.when(is_only, F.col("named")[0]))
        .drop("named", "linked")
    )


def fold(
    events: DataFrame, definitions: DataFrame, orders: DataFrame, rules: CouponsConf, as_of: date, zone: str
) -> DataFrame:
    """One row a voucher, with `declared` and `only_campaign_id` of its coupon; without campaign and run.

    Args:
        events: every event of the vouchers, of business dates up to as_of, one row an event_id, with `holder`.
        orders: the orders known by as_of; only their order_id is read.
    """
    known = orders.select("order_id", F.lit(True).alias("order_is_known"))
    told = (
        events.join(known, on="order_id", how="left")
        .withColumn("rank", F.array_position(F.array(*map(F.lit, KINDS)), F.col("event_type")))
        .join(F.broadcast(definitions.select("coupon_id", "only_campaign_id")), on="coupon_id", how="left")
    )
    return (
        _numbered(told)
        .unionByName(_without_number(told))
        .transform(_with_place)
        .groupBy(*_VOUCHER)
        .agg(*_facts(rules.history_cap))
        .join(F.broadcast(definitions), on="coupon_id", how="left")
        .transform(_with_terms, rules.terms_grace_hours, zone)
        .transform(_with_state, rules, as_of, zone)
        .transform(_with_voucher_id)
    )


def _numbered(events: DataFrame) -> DataFrame:
    numbered = events.where(~F.col("holder").startswith(MEMBER)).drop("only_campaign_id")
    return numbered.withColumns({"line": F.lit(None).cast("string"), "copy": F.lit(0)})


def _without_number(events: DataFrame) -> DataFrame:
    """Events without a number, told apart within coupon, member and recorded campaign (`line`) by `copies`.

    Redemptions or returns of one instant are one: sources record one for each campaign that was open. It is of the
    first that names one.
    """
    at_once = Window.partitionBy("coupon_id", "holder", "event_type", "occurred_at").rowsBetween(
        Window.unboundedPreceding, Window.unboundedFollowing
    )
    first_named = F.min_by("line", F.struct(F.col("line").isNull(), "event_id")).over(at_once)
    by_time = ("occurred_at", "rank", "event_id")
    others = [c for c in events.columns if c not in {*by_time, "coupon_id", "holder", "only_campaign_id"}]
    return (
        events.where(F.col("holder").startswith(MEMBER))
        .repartition("coupon_id", "holder")  # once, for the window and the groups
        .withColumn("line", F.coalesce("campaign_id", "only_campaign_id"))
        .withColumn("line", F.when(F.col("event_type").isin(*TURNS), first_named).otherwise(F.col("line")))
        .groupBy("coupon_id", "holder", "line")
        .agg(F.array_sort(F.collect_list(F.struct(*by_time, *others))).alias("events"))
        .select("coupon_id", "holder", "line", F.arrays_zip("events", copy_of_each("events").alias("copy")).alias("of"))
        .select("coupon_id", "holder", "line", F.inline("of"))
        .select("coupon_id", "holder", "line", "events.*", "copy")
    )


def _with_place(events: DataFrame) -> DataFrame:
    """The place of an event among those of its voucher, their number, and the redemption or return before it.

    Without a number an event of the type and instant of the one before repeats it: it is kept, and not counted.
    """
    by_time = Window.partitionBy(*_VOUCHER).orderBy("occurred_at", "rank", "event_id")
    earlier = by_time.rowsBetween(Window.unboundedPreceding, -1)
    whole = Window.partitionBy(*_VOUCHER).rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    turn = F.when(F.col("event_type").isin(*TURNS), F.col("event_type"))
    what = F.struct("event_type", "occurred_at")
    return events.withColumns(
        {
            "place": F.row_number().over(by_time),
            "count": F.count(F.lit(1)).over(whole),
            "turn_before": F.last(turn, ignorenulls=True).over(earlier),
            "is_repeat": F.col("holder").startswith(MEMBER) & F.lag(what).over(by_time).eqNullSafe(what),
        }
    )


def _facts(history_cap: int) -> list[Column]:
    """What the state is derived from, in one pass over the events of each voucher."""
    event = F.struct("occurred_at", "rank", "event_id", *[c for c in _KEPT if c not in {"occurred_at", "event_id"}])

    def of(*kinds: str) -> Column:
        return F.when(F.col("event_type").isin(*kinds) & ~F.col("is_repeat"), event)

    redeemed = (F.col("event_type") == "redeemed") & ~F.col("is_repeat")
    returned = (F.col("event_type") == "returned") & ~F.col("is_repeat")
    half = history_cap // 2
    is_kept = (F.col("place") <= half) | (F.col("count") - F.col("place") < half)
    return [
        F.min(event).alias("first"),
        F.min(of("issued")).alias("issued"),
        F.min(of("claimed")).alias("claimed"),
        F.min(of("redeemed")).alias("redeemed"),
        F.max(of(*TURNS)).alias("turn"),
        F.max(of("returned")).alias("returned"),
        F.max(of("voided")).alias("voided"),
        F.min(F.when(F.col("member_id").isNotNull(), event)).alias("first_of_member"),
        F.min(F.when(F.col("campaign_id").isNotNull(), event)).alias("first_of_campaign"),
        (F.min("campaign_id") != F.max("campaign_id")).alias("of_several_campaigns"),
        F.max(F.when(redeemed, F.col("occurred_at"))).alias("last_redeemed_at"),
        F.min(F.when(redeemed, F.col("member_id"))).alias("least_redeemer"),
        F.max(F.when(redeemed, F.col("member_id"))).alias("greatest_redeemer"),
        F.max(F.when(redeemed, F.col("amount"))).alias("most_redeemed"),
        F.coalesce(F.min("amount") < 0, F.lit(False)).alias("is_negative"),
        F.bool_or(redeemed & F.coalesce(F.col("turn_before") == "redeemed", F.lit(False))).alias("is_redeemed_twice"),
        F.bool_or(returned & F.coalesce(F.col("turn_before") == "returned", F.lit(True))).alias(
            "is_returned_for_nothing"
        ),
        F.bool_or(F.col("order_id").isNotNull() & F.col("order_is_known").isNull()).alias("has_unknown_order"),
        (F.max("count") > F.lit(history_cap)).alias("is_capped"),
        F.sort_array(F.collect_list(F.when(is_kept, F.struct(*_KEPT)))).alias("history"),
        F.max("received_at").alias("updated_at"),
    ]


def _with_terms(vouchers: DataFrame, grace_hours: int, zone: str) -> DataFrame:
    """The first known instant, and the version of the coupon's definition in force then; before the first, the first.

    Where that had ended, one recorded shortly after is meant: clocks are wrong by hours.
    """
    first_at = F.coalesce("issued.occurred_at", "claimed.occurred_at", "redeemed.occurred_at", "first.occurred_at")
    recorded = F.filter("terms", lambda v: v["terms_from"] <= F.col("first_at"))
    in_force = F.coalesce(F.try_element_at(recorded, F.lit(-1)), F.try_element_at("terms", F.lit(1)))
    soon = F.col("first_at") + F.make_dt_interval(hours=F.lit(grace_hours))
    following = F.filter("terms", lambda v: (v["terms_from"] > F.col("first_at")) & (v["terms_from"] <= soon))
    had_ended = F.col("in_force.valid_to") <= F.col("first_at")
    chosen = F.when(had_ended, F.try_element_at(following, F.lit(1)))
    return (
        vouchers.withColumn("first_at", first_at)
        .withColumn("first_on", calendar.business_date(F.col("first_at"), zone))
        .withColumn("in_force", in_force)
        .withColumn("in_force", F.coalesce(chosen, F.col("in_force")))
    )


def _with_state(vouchers: DataFrame, rules: CouponsConf, as_of: date, zone: str) -> DataFrame:
    is_redeemed = F.coalesce(F.col("turn.event_type") == "redeemed", F.lit(False))
    is_voided = F.col("voided").isNotNull() & (~is_redeemed | (_time("voided") > _time("turn")))
    has_ended = F.coalesce(calendar.business_date(F.col("in_force.valid_to"), zone) <= F.lit(as_of), F.lit(False))
    status = (
        F.when(is_voided, "voided")
        .when(is_redeemed, "redeemed")
        .when(has_ended, "expired")
        .when(F.col("claimed").isNotNull(), "claimed")
        .otherwise("issued")
    )
    claimer, was_redeemed = F.col("claimed.member_id"), F.col("redeemed").isNotNull()
    flags = {
        "issue_unrecorded": F.col("issued").isNull(),
        "redeemed_without_claim": was_redeemed & F.col("claimed").isNull() & F.lit(rules.claim_required),
        "redeemed_before_claim": was_redeemed & F.col("claimed").isNotNull() & (_time("redeemed") < _time("claimed")),
        "redeemed_after_expiry": F.col("last_redeemed_at") >= F.col("in_force.valid_to"),
        "redeemed_twice": F.col("is_redeemed_twice"),
        "redeemed_by_other_member": (F.col("least_redeemer") != claimer) | (F.col("greatest_redeemer") != claimer),
        "redeemed_above_value": F.col("most_redeemed") > F.col("in_force.face_value"),
        "redeemed_after_void": F.col("voided").isNotNull() & is_redeemed & (_time("voided") < _time("turn")),
        "voided_after_redemption": is_voided & is_redeemed,
        "returned_without_redemption": F.col("is_returned_for_nothing"),
        "negative_amount": F.col("is_negative"),
        "several_campaigns": F.col("of_several_campaigns"),
        "unknown_coupon": F.col("terms").isNull(),
        "unknown_order": F.col("has_unknown_order"),
        "history_capped": F.col("is_capped"),
    }
    return vouchers.select(
        *_VOUCHER,
        "declared",
        "only_campaign_id",
        F.coalesce(claimer, "issued.member_id", "first_of_member.member_id").alias("member_id"),
        F.col("first.channel").alias("channel"),
        status.alias("status"),
        F.col("issued.occurred_at").alias("issued_at"),
        F.col("claimed.occurred_at").alias("claimed_at"),
        *[
            F.when(is_redeemed, F.col(f"turn.{name}")).alias(alias)
            for name, alias in (("occurred_at", "redeemed_at"), ("order_id", "order_id"), ("amount", "redeemed_amount"))
        ],
        F.col("returned.occurred_at").alias("returned_at"),
        F.col("voided.occurred_at").alias("voided_at"),
        "in_force.valid_to",
        "in_force.face_value",
        "first_on",
        F.trunc("first_on", "month").alias("issued_month"),
        F.array_compact(F.array(*[F.when(holds, F.lit(flag)) for flag, holds in flags.items()])).alias("flags"),
        "updated_at",
        F.col("in_force.terms_from").alias("terms_from"),
        F.col("first_of_campaign.campaign_id").alias("recorded_campaign_id"),
        "history",
    )


def _with_voucher_id(vouchers: DataFrame) -> DataFrame:
    """The source's number; with the coupon before it where a coupon of a lesser id has it too, and flagged in both.

    Without a number: coupon, member, recorded campaign and the instant of its first event.
    """
    number = F.substring("holder", len(NUMBER) + 1, 2**31 - 1)
    numbered = vouchers.where(F.col("holder").startswith(NUMBER))
    repeated = (
        numbered.groupBy("holder")
        .agg(F.min("coupon_id").alias("first_coupon_id"), F.max("coupon_id").alias("last_coupon_id"))
        .where(F.col("first_coupon_id") < F.col("last_coupon_id"))
        .drop("last_coupon_id")
    )
    instant = F.translate(F.col("history")[0]["occurred_at"].cast("string"), " ", "T")
    derived = F.concat_ws("/", escaped("coupon_id"), escaped(number), F.coalesce(escaped("line"), F.lit("")), instant)
    others = F.col("first_coupon_id") < F.col("coupon_id")
    voucher_id = (
        F.when(~F.col("holder").startswith(NUMBER), derived)
        .when(others, F.concat_ws("/", escaped("coupon_id"), number))
        .otherwise(number)
    )
    flagged = F.array_append("flags", F.lit("number_of_several_coupons"))
    return (
        vouchers.join(repeated, on="holder", how="left")
        .withColumn("voucher_id", voucher_id)
        .withColumn("flags", F.when(F.col("first_coupon_id").isNotNull(), flagged).otherwise(F.col("flags")))
        .drop("first_coupon_id", "line", "copy")
    )


def escaped(name: str | Column) -> Column:
    """An id as a part of a longer one: without the separators, so that no two pairs of ids look the same."""
    return F.replace(F.replace(name, F.lit("~"), F.lit("~0")), F.lit("/"), F.lit("~1"))


def _time(event: str) -> Column:
    return F.struct(f"{event}.occurred_at", f"{event}.rank", f"{event}.event_id")


def _or_none(column: str) -> Column:
    return F.coalesce(column, F.array().cast("array<string>"))
