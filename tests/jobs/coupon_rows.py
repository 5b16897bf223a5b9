"""Coupons, campaigns and events of literal rows, put into a lake."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from tests.frames import utc
from tests.jobs.orders import rows

from memberlake.lake.store import Lake
from memberlake.tables.silver import (
    CAMPAIGN_CONTACTS,
    CAMPAIGNS,
    COUPON_CAMPAIGN_OVERRIDES,
    COUPON_CAMPAIGNS,
    COUPON_EVENTS,
    COUPONS,
)


class Event(NamedTuple):
    """What matters of a coupon event; `at` is the UTC instant."""

    event_id: str
    coupon_id: str
    voucher_id: str | None
    event_type: str
    at: str
    member_id: str | None = "m"
    amount: str | None = None
    order_id: str | None = None
    campaign_id: str | None = None
    channel: str | None = "app"
    received: str | None = None


def events(lake: Lake, *given: Event) -> None:
    full = []
    for e in given:
        times = {"occurred_at": utc(e.at), "received_at": utc(e.received or e.at)}
        full.append({**e._asdict(), **times, "amount": Decimal(e.amount) if e.amount else None})
    lake.upsert(COUPON_EVENTS, rows(lake.spark, COUPON_EVENTS, full))


def coupon(lake: Lake, coupon_id: str, valid_to: str | None, face_value: str | None = "10.00", **other: Any) -> None:
    """A definition that is in force from 2026 on, or from `since`."""
    row = {
        "coupon_id": coupon_id,
        "valid_from_version": utc(other.get("since", "2026-01-01")),
        "valid_to": utc(valid_to) if valid_to else None,
        "face_value": Decimal(face_value) if face_value else None,
        "campaign_id": other.get("campaign_id"),
    }
    lake.upsert(COUPONS, rows(lake.spark, COUPONS, [row]))


def campaign(lake: Lake, campaign_id: str, starts_on: date, ends_on: date, *coupon_ids: str) -> None:
    """A campaign, declared for coupons."""
    row = {"campaign_id": campaign_id, "starts_on": starts_on, "ends_on": ends_on}
    lake.upsert(CAMPAIGNS, rows(lake.spark, CAMPAIGNS, [row]))
    if coupon_ids:
        links(lake, *[(c, campaign_id) for c in coupon_ids])


def links(lake: Lake, *declared: tuple[str, str]) -> None:
    full = [{"coupon_id": c, "campaign_id": p} for c, p in declared]
    lake.upsert(COUPON_CAMPAIGNS, rows(lake.spark, COUPON_CAMPAIGNS, full))


def contacts(lake: Lake, campaign_id: str, at: str, *member_ids: str, is_control: bool | None = None) -> None:
    sent = {"campaign_id": campaign_id, "channel": "sms", "sent_at": utc(at), "is_control": is_control}
    full = [{**sent, "contact_id": f"{campaign_id}-{m}", "member_id": m} for m in member_ids]
    lake.upsert(CAMPAIGN_CONTACTS, rows(lake.spark, CAMPAIGN_CONTACTS, full))


def override(lake: Lake, coupon_id: str, campaign_id: str, **given: Any) -> None:
    row = {"coupon_id": coupon_id, "campaign_id": campaign_id, "decided_at": utc("2026-12-01"), **given}
    lake.upsert(COUPON_CAMPAIGN_OVERRIDES, rows(lake.spark, COUPON_CAMPAIGN_OVERRIDES, [row]))
