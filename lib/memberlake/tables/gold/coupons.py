"""Vouchers, the runs of coupons, and what became of them."""

from memberlake.lake.contract import BOOL, DATE, DOUBLE, INT, LONG, MONEY, STRING, STRINGS, TS, Column, Table
from memberlake.tables.gold.common import AS_OF

STATUSES = ("issued", "claimed", "redeemed", "expired", "voided")
METHODS = ("override", "recorded", "inferred")

VOUCHERS = Table(
    "gold",
    "vouchers",
    grain="one issued copy of a coupon",
    key=("voucher_id",),
    keeps_changes=True,  # gold.kpi asks which days they touch
    columns=(
        Column("voucher_id", STRING, "the voucher; derived where the source has no number", required=True),
        Column("coupon_id", STRING, "the coupon it is a copy of", required=True),
        Column("coupon_run_id", STRING, "the use of the coupon that it belongs to", required=True),
        Column("campaign_id", STRING, "its campaign, NULL when none or several fit"),
        Column("method", STRING, "how the campaign is known, NULL without one", allowed=METHODS),
        Column("evidence", STRING, "what an inferred campaign rests on"),
        Column("confidence", DOUBLE, "measured share of right answers of that evidence on this lake, 0 to 1"),
        Column("member_id", STRING, "who holds it"),
        Column("status", STRING, "where its life stands", required=True, allowed=STATUSES),
        Column("issued_at", TS, "first issue"),
        Column("claimed_at", TS, "first claim"),
        Column("redeemed_at", TS, "redemption in force"),
        Column("returned_at", TS, "last return"),
        Column("voided_at", TS, "when it was voided"),
        Column("valid_to", TS, "instant at which it ends"),
        Column("order_id", STRING, "order of the redemption in force"),
        Column("redeemed_amount", MONEY, "value of the redemption in force"),
        Column("issued_month", DATE, "first of the month of its first known date", required=True),
        Column("flags", STRINGS, "what is impossible in its history, empty when nothing", required=True),
        Column("updated_at", TS, "latest received_at among its events", required=True),
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
    ),
)

COUPON_MAPPING_REVIEW = Table(
    "gold",
    "coupon_mapping_review",
    grain="one campaign that an undecided voucher may belong to",
    key=("voucher_id", "candidate_campaign_id"),
    columns=(
        Column("voucher_id", STRING, "the voucher", required=True),
        Column("candidate_campaign_id", STRING, "a candidate, NULL when there is none"),
        Column("in_window", BOOL, "the campaign's window holds the voucher's first known date", required=True),
        Column("in_audience", BOOL, "the campaign's outreach list has the member, or it has no list", required=True),
        Column("reason", STRING, "why nobody could decide", required=True),
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
        Column("expired_value", MONEY, "value of those expired, NULL when the value is not known"),
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
        Column("open_value", MONEY, "their value, NULL when it is not known"),
        Column("expired_vouchers", LONG, "vouchers that expired unredeemed", required=True),
        Column("expired_value", MONEY, "their value (breakage), NULL when it is not known"),
    ),
)

TABLES = (VOUCHERS, COUPON_RUNS, COUPON_MAPPING_REVIEW, COUPON_FUNNEL, COUPON_LIABILITY)
