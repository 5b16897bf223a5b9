"""The campaign of each voucher: decided by hand, recorded, or inferred from what is left; and how far to trust that."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.contacts import only_sent
from memberlake.coupons.state import NUMBER

_MANY = 10_000  # trials: the standard error of their share is about 0.001 where it is 0.98
_FITS = ("in_window", "in_audience")
_UNDECLARED = "undeclared+"  # of evidence: no campaign is declared for the coupon, so all of them were candidates


def audience(contacts: DataFrame) -> DataFrame:
    """One row a campaign and member of its outreach list."""
    return contacts.transform(only_sent).select("campaign_id", "member_id").distinct()


def windows(campaigns: DataFrame, grace_days: int) -> DataFrame:
    """The days on which a voucher of a campaign may have begun, both included."""
    return campaigns.select(
        "campaign_id",
        F.date_sub("starts_on", grace_days).alias("opens_on"),
        F.date_add("ends_on", grace_days).alias("closes_on"),
    ).where("opens_on <= closes_on")


def candidates(vouchers: DataFrame, windows: DataFrame) -> DataFrame:
    """The campaigns that some of the vouchers may belong to, and more of their months."""
    declared = vouchers.select(F.explode("declared").alias("campaign_id"))
    months = F.broadcast(vouchers.select("issued_month").distinct())
    open_then = windows.transform(_by_month).join(months, on="issued_month", how="left_semi").select("campaign_id")
    return declared.unionByName(open_then).distinct()


def decide(vouchers: DataFrame, windows: DataFrame, audience: DataFrame, overrides: DataFrame) -> DataFrame:
    """Adds campaign_id, method and evidence; the trial, what would be inferred without a record; and candidates.

    Args:
        vouchers: one row a voucher_id, with `declared` and `only_campaign_id`.
        overrides: decisions by hand; one for the voucher goes before one for its dates, then the latest.
    """
    tried = vouchers.join(_trials(vouchers, windows, audience), on="voucher_id", how="left")
    by_hand = vouchers.transform(decided_by_hand, overrides)
    recorded = F.coalesce("recorded_campaign_id", "only_campaign_id")
    inferred = F.col("trial_campaign_id")
    method = (
        F.when(F.col("decided_campaign_id").isNotNull(), "override")
        .when(recorded.isNotNull(), "recorded")
        .when(inferred.isNotNull(), "inferred")
    )
    return (
        tried.join(by_hand, on="voucher_id", how="left")
        .withColumn("campaign_id", F.coalesce("decided_campaign_id", recorded, inferred))
        .withColumn("method", method)
        .withColumn("evidence", F.when(F.col("method") == "inferred", F.col("trial_evidence")))
        .drop("decided_campaign_id", "declared", "only_campaign_id")
    )


def review(decided: DataFrame) -> DataFrame:
    """The candidates of the vouchers without a campaign: declared ones, or with none declared those in the window."""
    fit = F.size(F.filter("candidates", lambda c: c["in_window"] & c["in_audience"]))
    nobody = F.struct(F.lit(None).cast("string").alias("campaign_id"), *[F.lit(False).alias(f) for f in _FITS])
    candidates = F.when(F.size("candidates") > 0, F.col("candidates")).otherwise(F.array(nobody))
    open_ = decided.where(F.col("campaign_id").isNull())
    reason = F.when(fit > 1, "several campaigns fit").otherwise("no campaign fits")
    return open_.select(
        "voucher_id",
        F.explode(candidates).alias("candidate"),
        reason.alias("reason"),
        "coupon_id",
        "holder",
        "issued_month",
    ).select(
        "voucher_id",
        F.col("candidate.campaign_id").alias("candidate_campaign_id"),
        *[f"candidate.{fits}" for fits in _FITS],
        "reason",
        "coupon_id",
        "holder",
        "issued_month",
    )


def still_asked(review: DataFrame, untouched: DataFrame) -> DataFrame:
    """Rows of the review of vouchers that stay as they are."""
    return review.join(untouched.select("voucher_id"), on="voucher_id", how="left_semi").select(*review.columns)


def quality(*days: DataFrame) -> DataFrame:
    """How often each evidence is right, tried on the vouchers whose events record a campaign.

    Args:
        days: frames that together are all of gold.coupon_days.
    """
    columns = ("trial_is_right", "trial_evidence", "vouchers")
    tested = reduce(DataFrame.unionByName, [part.select(*columns) for part in days]).where(
        F.col("trial_is_right").isNotNull()
    )
    per_evidence = tested.groupBy("trial_evidence").agg(
        F.sum("vouchers").alias("resolved"),
        F.coalesce(F.sum(F.when(F.col("trial_is_right"), F.col("vouchers"))), F.lit(0)).cast("long").alias("right"),
    )
    of_all = tested.agg(F.sum("vouchers").alias("vouchers"))
    return (
        per_evidence.where(F.col("trial_evidence").isNotNull() & (F.col("resolved") > 0))
        .join(F.broadcast(of_all), how="cross")
        .select(
            F.col("trial_evidence").alias("evidence"),
            "vouchers",
            "resolved",
            "right",
            (F.col("resolved") - F.col("right")).alias("wrong"),
            (F.col("right") / F.col("resolved")).alias("precision"),
            (F.col("resolved") / F.col("vouchers")).alias("coverage"),
        )
    )


def of_changed(days: DataFrame, quality: DataFrame, before: DataFrame) -> DataFrame:
    """Coupons and months with vouchers inferred by evidence that is now known to be right more or less often."""
    was = before.select("evidence", _confidence().alias("was"))
    now = quality.select("evidence", _confidence().alias("now"))
    changed = was.join(now, on="evidence", how="full").where(~F.col("now").eqNullSafe(F.col("was"))).select("evidence")
    return (
        days.join(F.broadcast(changed), on="evidence", how="left_semi").select("coupon_id", "issued_month").distinct()
    )


def with_confidence(vouchers: DataFrame, quality: DataFrame) -> DataFrame:
    """How far the evidence that an inferred campaign rests on is right; NULL where it could not be tried."""
    measured = quality.select("evidence", _confidence().alias("confidence"))
    return vouchers.drop("confidence").join(F.broadcast(measured), on="evidence", how="left")


def _by_month(windows: DataFrame) -> DataFrame:
    """Once a month: campaigns are found by equality, and not by trying each with each voucher."""
    months = F.sequence(F.trunc("opens_on", "month"), F.trunc("closes_on", "month"), F.expr("INTERVAL 1 MONTH"))
    return windows.withColumn("issued_month", F.explode(months))


def _confidence() -> Column:
    """The precision; of many trials to three digits: more would be chance, and new every night for every voucher."""
    return F.when(F.col("resolved") < _MANY, F.col("precision")).otherwise(F.round("precision", 3))


def _trials(vouchers: DataFrame, windows: DataFrame, audience: DataFrame) -> DataFrame:
    """One row a voucher_id that has candidates: these, and the campaign that is left when their windows and lists have
    ruled out the others."""
    slim = vouchers.select("voucher_id", "member_id", "first_on", "issued_month", "declared")
    is_declared = F.coalesce(F.size("declared"), F.lit(0)) > 0
    declared = (
        slim.where(is_declared)
        .withColumn("campaign_id", F.explode("declared"))
        .join(F.broadcast(windows), on="campaign_id", how="left")
        .withColumn("prefix", F.lit(""))
    )
    undeclared = (
        slim.where(~is_declared)
        .join(F.broadcast(windows.transform(_by_month)), on="issued_month", how="inner")
        .where(F.col("first_on").between(F.col("opens_on"), F.col("closes_on")))
        .withColumn("prefix", F.lit(_UNDECLARED))
    )
    has_list = audience.select("campaign_id").distinct().withColumn("has_list", F.lit(True))
    listed = audience.withColumn("is_listed", F.lit(True))
    in_window = F.coalesce(F.col("first_on").between(F.col("opens_on"), F.col("closes_on")), F.lit(False))
    candidates = (
        declared.unionByName(undeclared)
        .join(F.broadcast(has_list), on="campaign_id", how="left")
        .join(listed, on=["campaign_id", "member_id"], how="left")
        .withColumn("in_window", in_window)
        .withColumn("in_audience", F.col("has_list").isNull() | F.col("is_listed").isNotNull())
    )
    fits = F.col("in_window") & F.col("in_audience")
    left = F.count_if(fits)
    rests_on = F.when(F.count_if(F.col("in_window")) == 1, "window").otherwise("window+audience")
    return candidates.groupBy("voucher_id").agg(
        F.when(left == 1, F.max(F.when(fits, F.col("campaign_id")))).alias("trial_campaign_id"),
        F.when(left == 1, F.concat(F.max("prefix"), rests_on)).alias("trial_evidence"),
        F.sort_array(F.collect_list(F.struct("campaign_id", *_FITS))).alias("candidates"),
    )


def decided_by_hand(vouchers: DataFrame, overrides: DataFrame) -> DataFrame:
    """One row a voucher_id that someone decided on."""
    decisions = overrides.select(
        "coupon_id", F.col("voucher_id").alias("named"), "from_on", "to_on", "decided_at", "campaign_id"
    )
    number = F.when(F.col("holder").startswith(NUMBER), F.substring("holder", len(NUMBER) + 1, 2**31 - 1))
    slim = vouchers.select("voucher_id", "coupon_id", "first_on", F.array("voucher_id", number).alias("names"))
    # found by their names: one coupon may have millions of vouchers and as many decisions
    of_voucher = slim.withColumn("named", F.explode("names")).join(decisions, on=["coupon_id", "named"], how="inner")
    day = F.col("first_on")
    within = F.coalesce(F.col("from_on") <= day, F.lit(True)) & F.coalesce(F.col("to_on") >= day, F.lit(True))
    of_dates = slim.join(F.broadcast(decisions.where("named IS NULL")), on="coupon_id", how="inner").where(within)
    latest = F.max_by("campaign_id", F.struct(F.col("named").isNotNull(), "decided_at", "campaign_id"))
    return of_voucher.unionByName(of_dates).groupBy("voucher_id").agg(latest.alias("decided_campaign_id"))
