"""Daily facts of vouchers, and what follows from them: runs, funnels, cohorts, liability."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.coupons.state import MEMBER, TURNS, escaped
from memberlake.lake.contract import MONEY
from memberlake.orders import has_coupon

STEPS = ("issued", "claimed", "redeemed", "returned", "voided", "expired")
STATES = ("still_redeemed", "vouchers", "open", "unknown_orders")  # of what a voucher is now
OF_A_DAY = ("coupon_id", "campaign_id", "terms_from", "first_on")  # vouchers alike in these are in one run


def per_day(vouchers: DataFrame, zone: str) -> DataFrame:
    """What happened on each business date to vouchers that are alike; without coupon_run_id.

    A voucher counts once for its issue, claim, void and expiry, and once on each day on which it was redeemed or
    returned. It is in force from a redemption to its return: what changes that counts as one more or one less, so that
    their sum is the vouchers in force. What it is now (its number, open, tried, its order unknown) counts on its first
    day, but a redemption that is still in force on its own.
    """
    recorded = F.col("recorded_campaign_id")
    is_tested = (F.col("method") == "recorded") & recorded.isNotNull()
    is_right = F.coalesce(F.col("trial_campaign_id") == recorded, F.lit(False))
    alike = {
        "trial_evidence": F.when(is_tested, F.col("trial_evidence")),
        "trial_is_right": F.when(is_tested, is_right),
    }
    step = F.col("step")
    counts = [F.count_if(step["kind"] == kind).alias(kind) for kind in (*STEPS, *STATES)]
    is_known = step["amount"].isNotNull()
    amounts = [
        _sum(step["amount"], step["kind"] == kind).alias(name)
        for name, kind in (
            ("redeemed_amount", "value redeemed"),
            ("returned_amount", "undone"),
            ("expired_value", "expired"),
            ("open_value", "open"),
        )
    ]
    unvalued = [F.count_if((step["kind"] == k) & ~is_known).alias(f"{k}_unvalued") for k in ("expired", "open")]
    in_force = F.count_if(step["kind"] == "in force") - F.count_if(step["kind"] == "undone")
    return (
        vouchers.withColumns(alike)
        .withColumn("turns", F.filter("history", lambda e: e["event_type"].isin(*TURNS)))
        .withColumn("turns", F.filter("turns", _is_no_repeat))
        .withColumn("step", F.explode(_steps(zone)))
        .groupBy(*OF_A_DAY, "issued_month", "channel", "method", "evidence", *alike, step["on"].alias("business_date"))
        .agg(*counts, in_force.alias("in_force"), *amounts, *unvalued)
    )


def episodes(days: DataFrame, gap_days: int) -> DataFrame:
    """The run of each coupon, definition and first date whose campaign is not known, named by its first day.

    An episode ends with a gap of more than gap_days between first dates, or with the version of the definition.

    Args:
        days: rows of gold.coupon_days, all of a coupon or none.
    """
    by_day = Window.partitionBy("coupon_id", "terms_from").orderBy("first_on")
    gap = F.date_diff("first_on", F.lag("first_on").over(by_day))
    begins = F.when(gap.isNull() | (gap > gap_days), F.col("first_on"))
    so_far = by_day.rowsBetween(Window.unboundedPreceding, 0)
    of_that_day = Window.partitionBy("coupon_id", "began_on").orderBy(F.col("terms_from").asc_nulls_first())
    name = F.concat(escaped("coupon_id"), F.lit("@"), F.col("began_on").cast("string"))
    return (
        days.where(F.col("campaign_id").isNull())
        .select("coupon_id", "terms_from", "first_on")
        .distinct()
        .withColumn("begins_on", begins)
        .withColumn("began_on", F.last("begins_on", ignorenulls=True).over(so_far))
        .withColumn("nth", F.dense_rank().over(of_that_day))
        .withColumn("episode", F.when(F.col("nth") == 1, name).otherwise(F.concat_ws(".", name, "nth")))
        .drop("begins_on", "began_on", "nth")
    )


def with_run(rows: DataFrame, episodes: DataFrame) -> DataFrame:
    """The run: of coupon and campaign; else the episode; else, of a coupon that is in none of these, what it was."""
    was = [F.col("coupon_run_id")] if "coupon_run_id" in rows.columns else []
    terms = episodes.withColumnsRenamed({"coupon_id": "of_coupon", "terms_from": "of_terms", "first_on": "of_day"})
    same = (
        (F.col("coupon_id") == F.col("of_coupon"))
        & F.col("terms_from").eqNullSafe(F.col("of_terms"))
        & (F.col("first_on") == F.col("of_day"))
        & F.col("campaign_id").isNull()
    )
    of_campaign = F.concat(escaped("coupon_id"), F.lit("/"), escaped("campaign_id"))  # NULL without a campaign
    return (
        rows.join(F.broadcast(terms), on=same, how="left")
        .withColumn("coupon_run_id", F.coalesce(of_campaign, "episode", *was))
        .drop("of_coupon", "of_terms", "of_day", "episode")
    )


def runs(days: DataFrame) -> DataFrame:
    """One row a run, with its funnel so far, median days to redeem, cost, liability and breakage.

    Redeemed are the vouchers whose redemption is in force, so that none counts twice; the median is over these.
    """
    of_coupon = Window.partitionBy("coupon_id")
    by_first_day = of_coupon.orderBy("first_on", "coupon_run_id")
    issued, claimed, redeemed = (F.col(step) for step in ("issued", "claimed", "redeemed"))
    to_redeem = F.date_diff("business_date", "first_on")
    return (
        days.groupBy("coupon_run_id", "coupon_id", "campaign_id")
        .agg(
            F.min("first_on").alias("first_on"),
            F.max("first_on").alias("last_on"),
            *[F.sum(count).alias(count) for count in ("vouchers", *STEPS, "open") if count != "redeemed"],
            F.sum("in_force").alias("redeemed"),
            F.percentile(to_redeem, F.lit(0.5), F.col("still_redeemed")).alias("days_to_redeem"),
            F.sum(F.col("redeemed_amount") - F.col("returned_amount")).cast(MONEY).alias("redeemed_amount"),
            *[_value_of(kind).alias(f"{kind}_value") for kind in ("open", "expired")],
        )
        .withColumns(
            {
                "run_no": F.row_number().over(by_first_day),
                "is_reused": F.count(F.lit(1)).over(of_coupon) > 1,
                "claim_rate": _rate(claimed, issued),
                "redemption_rate": _rate(redeemed, claimed),
                "end_to_end_rate": _rate(redeemed, issued),
            }
        )
    )


def funnel(days: DataFrame, *also: str) -> DataFrame:
    """One row a run and business date on which something happened to one of its vouchers."""
    return (
        days.groupBy("coupon_run_id", "coupon_id", "campaign_id", "business_date", *also)
        .agg(
            *[F.sum(step).alias(step) for step in STEPS],
            *[F.sum(name).cast(MONEY).alias(name) for name in ("redeemed_amount", "returned_amount")],
            _value_of("expired").alias("expired_value"),
        )
        .where(" + ".join(STEPS) + " > 0")
    )


def cohorts(days: DataFrame) -> DataFrame:
    """One row a run, first date and days since it, of days on which something happened: claimed and redeemed so far."""
    of_cohort = Window.partitionBy("coupon_run_id", "first_on")
    so_far = of_cohort.orderBy("days_since").rowsBetween(Window.unboundedPreceding, 0)
    return (
        days.withColumn("days_since", F.date_diff("business_date", "first_on"))
        .groupBy("coupon_run_id", "coupon_id", "first_on", "days_since")
        .agg(
            *[F.sum(count).alias(count) for count in ("vouchers", "open", "claimed")],
            F.sum("in_force").alias("redeemed"),
        )
        .withColumns(
            {
                "is_open": F.sum("open").over(of_cohort) > 0,
                "vouchers": F.sum("vouchers").over(of_cohort),
                "claimed": F.sum("claimed").over(so_far),
                "redeemed": F.sum("redeemed").over(so_far),
            }
        )
        .withColumns({f"{step}_share": F.col(step) / F.col("vouchers") for step in ("claimed", "redeemed")})
        .drop("open")
    )


def liability(runs: DataFrame, as_of: date) -> DataFrame:
    """What the brand still owes, and what it was spared, by run."""
    return runs.select(
        F.lit(as_of).alias("as_of"),
        "coupon_run_id",
        F.col("open").alias("open_vouchers"),
        "open_value",
        F.col("expired").alias("expired_vouchers"),
        "expired_value",
    )


def orders_per_day(orders: DataFrame, zone: str) -> DataFrame:
    """Counted orders of each business date (`as_of`) with coupons and without, by channel."""
    return (
        orders.withColumn("as_of", calendar.business_date(F.col("ordered_at"), zone))
        .groupBy("as_of", "channel", has_coupon().alias("with_coupon"))
        .agg(
            F.count(F.lit(1)).alias("orders"),
            F.sum("net_amount").cast(MONEY).alias("net_amount"),
            F.coalesce(F.sum("coupon_amount"), F.lit(0)).cast(MONEY).alias("coupon_amount"),
        )
        .withColumn("average_order_value", F.col("net_amount").cast("double") / F.col("orders"))
    )


def _steps(zone: str) -> Column:
    """What happened to a voucher, each with its business date and value."""

    def on(instant: Column | str) -> Column:
        return calendar.business_date(F.col(instant) if isinstance(instant, str) else instant, zone)

    def step(kind: str, day: Column, amount: Column | None = None) -> Column:
        value = F.lit(None) if amount is None else amount
        return F.struct(F.lit(kind).alias("kind"), day.alias("on"), value.cast(MONEY).alias("amount"))

    def of(kind: str) -> Column:
        return F.filter("turns", lambda turn: turn["event_type"] == kind)

    def on_each_day(kind: str) -> Column:
        days = F.array_distinct(F.transform(of(kind), lambda event: on(event["occurred_at"])))
        return F.transform(days, lambda day: step(kind, day))

    first, value = F.col("first_on"), F.col("face_value")
    # a redemption is in force until a return undoes it, which may not be there; more of a kind change nothing
    pairs = F.transform("turns", lambda turn, n: F.struct(turn.alias("turn"), F.get("turns", n - 1).alias("before")))
    changes = F.filter(
        pairs, lambda p: p["turn"]["event_type"] != F.coalesce(p["before"]["event_type"], F.lit("returned"))
    )
    undone = F.filter(changes, lambda p: p["turn"]["event_type"] == "returned")
    undone_at = F.array_max(F.transform(undone, lambda p: p["turn"]["occurred_at"]))
    # a return of what had expired meanwhile: it expires then
    expired_at = F.greatest("valid_to", F.coalesce("issued_at", "claimed_at"), undone_at)
    once = {
        "issued": (F.col("issued_at").isNotNull(), step("issued", on("issued_at"))),
        "claimed": (F.col("claimed_at").isNotNull(), step("claimed", on("claimed_at"))),
        "voided": (F.col("voided_at").isNotNull(), step("voided", on("voided_at"))),
        "expired": (F.col("status") == "expired", step("expired", on(expired_at), value)),
        "open": (F.col("status").isin("issued", "claimed"), step("open", first, value)),
        "still_redeemed": (F.col("redeemed_at").isNotNull(), step("still_redeemed", on("redeemed_at"))),
        "unknown_orders": (F.array_contains("flags", "unknown_order"), step("unknown_orders", first)),
        "vouchers": (F.lit(True), step("vouchers", first)),
    }
    redeemed = F.transform(of("redeemed"), lambda e: step("value redeemed", on(e["occurred_at"]), e["amount"]))
    turned = F.transform(
        changes,
        lambda p: F.when(
            p["turn"]["event_type"] == "redeemed", step("in force", on(p["turn"]["occurred_at"]))
        ).otherwise(step("undone", on(p["turn"]["occurred_at"]), p["before"]["amount"])),
    )
    return F.concat(
        F.array_compact(F.array(*[F.when(holds, what) for holds, what in once.values()])),
        on_each_day("redeemed"),
        on_each_day("returned"),
        redeemed,
        turned,
    )


def _is_no_repeat(turn: Column, n: Column) -> Column:
    """False for what repeats the event before it, as in the fold: only without a number."""
    before = F.get("turns", n - 1)
    is_same = (before["event_type"] == turn["event_type"]) & (before["occurred_at"] == turn["occurred_at"])
    return ~(F.col("holder").startswith(MEMBER) & F.coalesce(is_same, F.lit(False)))


def _sum(amount: Column, where: Column) -> Column:
    return F.coalesce(F.sum(F.when(where, amount)), F.lit(0)).cast(MONEY)


def _value_of(kind: str) -> Column:
    """The value of all vouchers of a kind; NULL when that of one is not known."""
    return F.when(F.sum(f"{kind}_unvalued") == 0, F.sum(f"{kind}_value")).cast(MONEY)


def _rate(part: Column, whole: Column) -> Column:
    return F.when(whole > 0, part / whole)
