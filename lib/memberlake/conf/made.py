"""The made brand."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from memberlake.conf.section import MOST_DAYS, Section, Share


class MadeShares(Section):
    """Shares of a made brand: what part of members, contacts, vouchers, orders or rows is so."""

    lost: Share
    returned: Share
    devices: Share
    guests: Share
    contacted: Share
    control: Share
    responding: Share = Field(le=0.6)  # times a taste of up to 1.5
    leads: Share
    marked: Share
    codes: Share
    unlinked: Share
    wrong_clock: Share
    robots: Share
    late: Share
    repeated: Share
    outdated: Share
    broken: Share


class MadeConf(Section):
    seed: int
    first_on: date = Field(ge=date(1991, 1, 1), lt=date(3000, 1, 1))  # ingest takes nothing before 1990
    days: int = Field(ge=60, le=MOST_DAYS)
    weekdays: tuple[Share, ...] = Field(min_length=7, max_length=7)
    months: tuple[Share, ...] = Field(min_length=12, max_length=12)
    shares: MadeShares
