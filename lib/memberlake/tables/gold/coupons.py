"""Vouchers, the runs of coupons, and what became of them."""

from pyspark.sql.types import ArrayType, StructField, StructType

from memberlake.lake.contract import BOOL, DATE, DOUBLE, INT, LONG, MONEY, STRING, STRINGS, TS, Column, Table
from memberlake.tables.gold.common import AS_OF

STATUSES = ("issued", "claimed", "redeemed", "expired", "voided")
METHODS = ("override", "recorded", "inferred")
HISTORY_EVENT = StructType(
    [
        StructField("occurred_at", TS),  # sorts by time; at one instant a redemption comes before its return
        StructField("event_type", STRING),
        StructField("event_id", STRING),
        StructField("member_id", STRING),
        StructField("order_id", STRING),
        StructField("campaign_id", STRING),
        StructField("channel", STRING),
        StructField("amount", MONEY),
        StructField("received_at", TS),
    ]
)

VOUCHERS = Table(
    "gold",
    "vouchers",
    grain="one issued copy of a coupon",
    key=("voucher_id",),
    partitioned_by=("issued_month",),
    keeps_changes=True,  # gold.kpi asks which days they touch
    columns=(
        Column("voucher_id", STRING, "the voucher; derived where the source has no number of its own", required=True),
        Column("coupon_id", STRING, "the coupon it is a copy of", required=True),
        Column("coupon_run_id", STRING, "the use of the coupon that it belongs to", required=True),
        Column("campaign_id", STRING, "its campaign, NULL when none or several fit"),
        Column("method", STRING, "how the campaign is known, NULL without one", allowed=METHODS),
        Column("evidence", STRING, "what an inferred campaign rests on"),
        Column("confidence", DOUBLE, "measured share of right answers of that evidence on this lake, 0 to 1"),
        Column("member_id", STRING, "who holds it: the claimer, else whom it was issued to, else the redeemer"),
        Column("channel", STRING, "channel of its first event"),
        Column("status", STRING, "where its life stands", required=True, allowed=STATUSES),
        Column("issued_at", TS, "first issue"),
        Column("claimed_at", TS, "first claim"),
        Column("redeemed_at", TS, "redemption in force"),
        Column("returned_at", TS, "last return"),
        Column("voided_at", TS, "when it was voided"),
        Column("valid_to", TS, "instant at which it ends, by the definition at its issue"),
        Column("order_id", STRING, "order of the redemption in force"),
        Column("redeemed_amount", MONEY, "value of the redemption in force"),
        Column("face_value", MONEY, "value of the voucher by its definition, NULL when that is a rate or unknown"),
        Column("first_on", DATE, "business date of issue, else of claim, else of redemption"),
        Column("issued_month", DATE, "first of the month of first_on", required=True),
        Column("flags", STRINGS, "what is impossible in its history, empty when nothing", required=True),
        Column("updated_at", TS, "latest received_at among its events", required=True),
        Column("holder", STRING, "what its events have in common: number, else member, else event"),
        Column("terms_from", TS, "version of the coupon's definition that applies, NULL without one"),
        Column("recorded_campaign_id", STRING, "campaign on its first event that names one"),
        Column("trial_campaign_id", STRING, "campaign that would be inferred if none were recorded"),
        Column("trial_evidence", STRING, "what that would rest on"),
        Column("history", ArrayType(HISTORY_EVENT), "its events up to the last run's as_of, by time"),
    ),
)

COUPON_DAYS = Table(
    "gold",
    "coupon_days",
    grain="what happened on a business date to vouchers of a coupon with one first date, campaign, terms and channel",
    key=(
        "coupon_id",
        "first_on",
        "business_date",
        "campaign_id",
        "terms_from",
        "channel",
        "method",
        "evidence",
        "trial_evidence",
        "trial_is_right",
    ),
    partitioned_by=("issued_month",),
    columns=(
        Column("coupon_id", STRING, "the coupon", required=True),
        Column("coupon_run_id", STRING, "the run", required=True),
        Column("first_on", DATE, "first known date of the vouchers", required=True),
        Column("issued_month", DATE, "first of its month", required=True),
        Column("business_date", DATE, "the day", required=True),
        Column("campaign_id", STRING, "campaign of the vouchers"),
        Column("terms_from", TS, "version of the coupon's definition"),
        Column("channel", STRING, "channel of their first event"),
        Column("method", STRING, "how the campaign is known"),
        Column("evidence", STRING, "what an inferred campaign rests on"),
        Column("trial_evidence", STRING, "what an inference would rest on if no campaign were recorded"),
        Column("trial_is_right", BOOL, "it would give the recorded campaign, NULL when none is recorded"),
        Column("vouchers", LONG, "vouchers whose first date is this day", required=True),
        *[
            Column(step, LONG, f"vouchers {step} on that day", required=True)
            for step in ("issued", "claimed", "redeemed", "returned", "voided", "expired")
        ],
        Column("in_force", LONG, "redemptions that came into force on that day less those undone on it", required=True),
        Column("still_redeemed", LONG, "vouchers whose redemption in force is of that day", required=True),
        Column("open", LONG, "vouchers whose first date is this day and that can still be redeemed", required=True),
        Column("redeemed_amount", MONEY, "value redeemed on that day", required=True),
        Column("returned_amount", MONEY, "value of the redemptions undone on that day", required=True),
        Column("expired_value", MONEY, "known value of those expired", required=True),
        Column("expired_unvalued", LONG, "expired ones whose value is not known", required=True),
        Column("open_value", MONEY, "known value of the open ones", required=True),
        Column("open_unvalued", LONG, "open ones whose value is not known", required=True),
        Column("unknown_orders", LONG, "vouchers of that first date with an unknown order", required=True),
    ),
)

COUPON_RUNS = Table(
    "gold",
    "coupon_runs",
    grain="one use of a coupon",
    key=("coupon_run_id",),
    columns=(
        Column("coupon_run_id", STRING, "the run", required=True),
        Column("coupon_id", STRING, "the coupon", required=True),
        Column("run_no", INT, "number of the run among those of its coupon, from 1", required=True),
        Column("campaign_id", STRING, "campaign of the run, NULL when not known"),
        Column("first_on", DATE, "first known date of its vouchers", required=True),
        Column("last_on", DATE, "last first-known date of its vouchers", required=True),
        Column("vouchers", LONG, "vouchers of the run", required=True),
        Column("is_reused", BOOL, "its coupon has more than one run", required=True),
        Column("issued", LONG, "vouchers issued so far", required=True),
        Column("claimed", LONG, "vouchers claimed so far", required=True),
        Column("redeemed", LONG, "vouchers whose redemption is in force", required=True),
        Column("returned", LONG, "returns so far, one a voucher and day", required=True),
        *[Column(step, LONG, f"vouchers {step} so far", required=True) for step in ("voided", "expired", "open")],
        Column("claim_rate", DOUBLE, "claimed / issued, NULL when none was issued"),
        Column("redemption_rate", DOUBLE, "redeemed / claimed, NULL when none was claimed"),
        Column("end_to_end_rate", DOUBLE, "redeemed / issued, NULL when none was issued"),
        Column("days_to_redeem", DOUBLE, "median of days from first date to the redemption in force, NULL without one"),
        Column("redeemed_amount", MONEY, "cost: value redeemed less what was returned", required=True),
        Column("open_value", MONEY, "liability: value of the open ones, NULL when the value of one is not known"),
        Column("expired_value", MONEY, "breakage: value of the expired, NULL when the value of one is not known"),
    ),
)

COUPON_MAPPING_REVIEW = Table(
    "gold",
    "coupon_mapping_review",
    grain="one campaign that an undecided voucher may belong to",
    key=("voucher_id", "candidate_campaign_id"),
    partitioned_by=("issued_month",),
    columns=(
        Column("voucher_id", STRING, "the voucher", required=True),
        Column("candidate_campaign_id", STRING, "a candidate, NULL when there is none"),
        Column("in_window", BOOL, "the campaign's window holds the voucher's first known date", required=True),
        Column("in_audience", BOOL, "the campaign's outreach list has the member, or it has no list", required=True),
        Column("reason", STRING, "why nobody could decide", required=True),
        Column("coupon_id", STRING, "the coupon", required=True),
        Column("holder", STRING, "holder of the voucher, as in gold.vouchers", required=True),
        Column("issued_month", DATE, "month of the voucher, as in gold.vouchers", required=True),
    ),
)

COUPON_MAPPING_QUALITY = Table(
    "gold",
    "coupon_mapping_quality",
    grain="one kind of evidence, tried on the vouchers whose campaign is recorded",
    key=("evidence",),
    columns=(
        Column("evidence", STRING, "what an inference rests on", required=True),
        Column("vouchers", LONG, "vouchers with a recorded campaign, all of the lake", required=True),
        Column("resolved", LONG, "of them those that this evidence would give a campaign", required=True),
        Column("right", LONG, "of these those with the recorded one", required=True),
        Column("wrong", LONG, "of these those with another", required=True),
        Column("precision", DOUBLE, "right / resolved", required=True),
        Column("coverage", DOUBLE, "resolved / vouchers", required=True),
    ),
)

COUPON_FUNNEL = Table(
    "gold",
    "coupon_funnel",
    grain="one run on a business date",
    key=("coupon_run_id", "business_date"),
    columns=(
        Column("coupon_run_id", STRING, "the run", required=True),
        Column("business_date", DATE, "the day", required=True),
        Column("campaign_id", STRING, "campaign of the run"),
        *[
            Column(step, LONG, f"vouchers {step} on that day", required=True)
            for step in ("issued", "claimed", "redeemed", "returned", "voided", "expired")
        ],
        Column("redeemed_amount", MONEY, "value redeemed on that day", required=True),
        Column("expired_value", MONEY, "value of those expired, NULL when the value of one is not known"),
        Column("returned_amount", MONEY, "value of the redemptions undone on that day", required=True),
        Column("coupon_id", STRING, "the coupon", required=True),
    ),
)

COUPON_CHANNELS = Table(
    "gold",
    "coupon_channels",
    grain="one run, one channel, on a business date",
    key=("coupon_run_id", "channel", "business_date"),
    columns=(
        Column("coupon_run_id", STRING, "the run", required=True),
        Column("channel", STRING, "channel of the vouchers' first event, NULL when not known"),
        *COUPON_FUNNEL.columns[1:],
    ),
)

COUPON_COHORTS = Table(
    "gold",
    "coupon_cohorts",
    grain="what became of a run's vouchers of one first date, so many days after it",
    key=("coupon_run_id", "first_on", "days_since"),
    columns=(
        Column("coupon_run_id", STRING, "the run", required=True),
        Column("first_on", DATE, "first known date of the vouchers", required=True),
        Column("days_since", INT, "days after it; days on which nothing happened have no row", required=True),
        Column("vouchers", LONG, "vouchers of the cohort", required=True),
        Column("claimed", LONG, "claimed up to that day", required=True),
        Column("redeemed", LONG, "vouchers whose redemption is in force on that day", required=True),
        Column("claimed_share", DOUBLE, "claimed / vouchers", required=True),
        Column("redeemed_share", DOUBLE, "redeemed / vouchers", required=True),
        Column("is_open", BOOL, "some voucher of the cohort can still be redeemed", required=True),
        Column("coupon_id", STRING, "the coupon", required=True),
    ),
)

COUPON_LIABILITY = Table(
    "gold",
    "coupon_liability",
    grain="one run, as of a day",
    key=("as_of", "coupon_run_id"),
    partitioned_by=("as_of",),
    columns=(
        AS_OF,
        Column("coupon_run_id", STRING, "the run", required=True),
        Column("open_vouchers", LONG, "vouchers that can still be redeemed", required=True),
        Column("open_value", MONEY, "their value, NULL when the value of one is not known"),
        Column("expired_vouchers", LONG, "vouchers that expired unredeemed", required=True),
        Column("expired_value", MONEY, "their value (breakage), NULL when the value of one is not known"),
    ),
)

COUPON_ORDERS = Table(
    "gold",
    "coupon_orders",
    grain="one channel's counted orders of the business date as_of, with coupons or without",
    key=("as_of", "channel", "with_coupon"),
    partitioned_by=("as_of",),
    columns=(
        Column("as_of", DATE, "business date of the orders themselves, not the cut-off of a run", required=True),
        Column("channel", STRING, "channel of the orders, NULL when not known"),
        Column("with_coupon", BOOL, "the order names a voucher or coupon, or a coupon's value", required=True),
        Column("orders", LONG, "counted orders", required=True),
        Column("net_amount", MONEY, "their net amount", required=True),
        Column("coupon_amount", MONEY, "value of the coupons used on them", required=True),
        Column("average_order_value", DOUBLE, "net_amount / orders", required=True),
    ),
)

COUPON_ALERTS = Table(
    "gold",
    "coupon_alerts",
    grain="one sign of abuse, as of a day",
    key=("as_of", "reason", "subject_kind", "subject_id"),
    partitioned_by=("as_of",),
    columns=(
        AS_OF,
        Column("reason", STRING, "name of the sign", required=True),
        Column("subject_kind", STRING, "member or order", required=True),
        Column("subject_id", STRING, "which one", required=True),
        Column("value", DOUBLE, "what was measured", required=True),
        Column("threshold", DOUBLE, "the limit that it reached or passed", required=True),
        Column("evidence", STRING, "what it rests on, in one sentence", required=True),
    ),
)

TABLES = (
    VOUCHERS,
    COUPON_RUNS,
    COUPON_FUNNEL,
    COUPON_CHANNELS,
    COUPON_COHORTS,
    COUPON_LIABILITY,
    COUPON_MAPPING_REVIEW,
    COUPON_MAPPING_QUALITY,
    COUPON_ORDERS,
    COUPON_ALERTS,
    COUPON_DAYS,
)
