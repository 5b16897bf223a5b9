"""Vouchers, the runs of coupons, their campaigns, and signs of abuse."""

from __future__ import annotations

from pydantic import Field

from memberlake.conf.section import MOST, MOST_DAYS, Count, LookBack, Section, Share


class CouponAlertsConf(Section):
    look_back_days: LookBack
    redeemed_by_others: Count
    claims_factor: float = Field(ge=1)
    claims_at_least: Count
    members_on_order: int = Field(ge=2, le=MOST)
    resale_vouchers: Count
    resale_share: Share


class CouponsConf(Section):
    claim_required: bool
    run_gap_days: int = Field(ge=0, le=MOST_DAYS)
    window_grace_days: int = Field(ge=0, le=MOST_DAYS)
    terms_grace_hours: int = Field(ge=0, le=24 * MOST_DAYS)
    history_cap: int = Field(ge=10, le=MOST)
    alerts: CouponAlertsConf
