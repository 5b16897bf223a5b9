"""Signs of abuse: who redeems what others hold, who claims far more than the rest.

A voucher is held by who claimed it; where nobody did, by whom it was issued to.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.conf import CouponAlertsConf


def of(vouchers: DataFrame, rules: CouponAlertsConf, as_of: date, zone: str) -> DataFrame:
    """One row a sign, from redemptions in force and first claims in the look-back; unknown members accuse nobody."""
    redeemed = vouchers.where(_is_within("redeemed_at", rules, as_of, zone)).select(
        "voucher_id",
        "order_id",
        F.coalesce(_member_of("claimed", "claimed_at"), _member_of("issued", "issued_at")).alias("holder"),
        _member_of("redeemed", "redeemed_at", last=True).alias("redeemer"),
    )
    claims = vouchers.where(_is_within("claimed_at", rules, as_of, zone)).select(
        "voucher_id", _member_of("claimed", "claimed_at").alias("claimer")
    )
    signs = (
        _redeemed_by_others(redeemed, rules),
        _many_claims(claims, rules),
        _many_members_on_an_order(redeemed, rules),
        _resale(redeemed, rules),
    )
    return reduce(DataFrame.unionByName, signs).withColumn("as_of", F.lit(as_of))


def _redeemed_by_others(redeemed: DataFrame, rules: CouponAlertsConf) -> DataFrame:
    per_holder = redeemed.where("holder <> redeemer").groupBy("holder").agg(F.count(F.lit(1)).alias("n"))
    said = F.format_string("%d vouchers that the member held were redeemed by others", "n")
    return _sign(per_holder, "redeemed_by_others", "member", "holder", F.lit(rules.redeemed_by_others), said)


def _many_claims(claims: DataFrame, rules: CouponAlertsConf) -> DataFrame:
    per_member = claims.where("claimer IS NOT NULL").groupBy("claimer").agg(F.count(F.lit(1)).alias("n"))
    usual = per_member.agg((F.sum("n") / F.count("n")).alias("mean"))
    limit = F.greatest(_product(rules.claims_factor, "mean"), F.lit(float(rules.claims_at_least)))
    said = F.format_string("%d claims; members with claims have %.1f on average", "n", "mean")
    with_usual = per_member.join(F.broadcast(usual), how="cross")
    return _sign(with_usual, "many_claims", "member", "claimer", limit, said)


def _many_members_on_an_order(redeemed: DataFrame, rules: CouponAlertsConf) -> DataFrame:
    members = F.count_distinct(F.coalesce("redeemer", "holder"))
    per_order = redeemed.where("order_id IS NOT NULL").groupBy("order_id").agg(members.alias("n"))
    said = F.format_string("%d members redeemed vouchers on one order", "n")
    limit = F.lit(rules.members_on_order)
    return _sign(per_order, "many_members_on_an_order", "order", "order_id", limit, said)


def _resale(redeemed: DataFrame, rules: CouponAlertsConf) -> DataFrame:
    per_redeemer = (
        redeemed.where("redeemer IS NOT NULL")
        .groupBy("redeemer")
        .agg(F.count(F.lit(1)).alias("all"), F.count_if(F.col("holder") != F.col("redeemer")).alias("n"))
        .where(F.col("n") >= _product(rules.resale_share, "all"))
    )
    said = F.format_string("%d of the %d vouchers that the member redeemed were held by others", "n", "all")
    return _sign(per_redeemer, "resale", "member", "redeemer", F.lit(rules.resale_vouchers), said)


def _sign(counted: DataFrame, reason: str, kind: str, subject: str, limit: Column, said: Column) -> DataFrame:
    """Args: counted: one row a subject, with its number, `n`."""
    return counted.where(F.col("n") >= limit).select(
        F.lit(reason).alias("reason"),
        F.lit(kind).alias("subject_kind"),
        F.col(subject).alias("subject_id"),
        F.col("n").cast("double").alias("value"),
        limit.cast("double").alias("threshold"),
        said.alias("evidence"),
    )


def _product(limit: float, of: str) -> Column:
    """That of doubles may be a last digit more than it is: what reaches the limit would miss it."""
    return F.round(F.lit(limit) * F.col(of), 9)


def _member_of(kind: str, at: str, last: bool = False) -> Column:
    """Who did the event of a kind at an instant, the first of several, or the last: that of a redemption in force."""
    events = F.filter("history", lambda e: (e["event_type"] == kind) & (e["occurred_at"] == F.col(at)))
    return F.try_element_at(events, F.lit(-1 if last else 1))["member_id"]


def _is_within(instant: str, rules: CouponAlertsConf, as_of: date, zone: str) -> Column:
    return calendar.between(F.col(instant), as_of - timedelta(days=rules.look_back_days - 1), as_of, zone)
