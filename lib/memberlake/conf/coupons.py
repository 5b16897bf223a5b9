"""Vouchers, the runs of coupons, their campaigns, and signs of abuse."""

from __future__ import annotations

from pydantic import Field

from memberlake.conf.section import LookBack, Section, Share


class CouponAlertsConf(Section):
    look_back_days: LookBack
    redeemed_by_others: int = Field(ge=1)
    claims_factor: float = Field(ge=1)
    claims_at_least: int = Field(ge=1)
    members_on_order: int = Field(ge=2)
    resale_vouchers: int = Field(ge=1)
    resale_share: Share


class CouponsConf(Section):
    claim_required: bool
    run_gap_days: int = Field(ge=0)
    window_grace_days: int = Field(ge=0)
    terms_grace_hours: int = Field(ge=0)
    history_cap: int = Field(ge=10)
    alerts: CouponAlertsConf
