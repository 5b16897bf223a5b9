"""Activity in plain Python, by the letter of the definitions: what the jobs are held against."""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
Counts = dict[tuple[str, date, date, str, str], tuple[Any, ...]]


class Event(NamedTuple):
    """What matters of an event; `at` is the UTC instant."""

    event_id: str
    visitor_id: str
    at: datetime
    member_id: str | None = None
    event_type: str = "visit"
    channel: str | None = None
    session_id: str | None = None

    def on(self, zone: str) -> date:
        return self.at.astimezone(ZoneInfo(zone)).date()


class Day(NamedTuple):
    subject_id: str
    active_on: date
    is_member: bool
    channels: frozenset[str]


def subject(event: Event, visible: Sequence[Event]) -> tuple[str, bool]:
    """The subject of an event among those until as_of, and whether it is a member."""
    if event.member_id is not None:
        return event.member_id, True
    naming = [e for e in visible if e.visitor_id == event.visitor_id and e.member_id is not None]
    if before := [e for e in naming if e.at <= event.at]:
        return str(max(before, key=lambda e: (e.at, e.event_id)).member_id), True
    if naming:
        first = min(e.at for e in naming)
        return str(max((e for e in naming if e.at == first), key=lambda e: e.event_id).member_id), True
    return event.visitor_id, False


def days(events: Iterable[Event], types: Sequence[str], zone: str, as_of: date) -> list[Day]:
    visible = [e for e in events if e.on(zone) <= as_of]
    channels: dict[tuple[str, date], set[str]] = defaultdict(set)
    members: dict[str, bool] = {}
    for e in visible:
        who, is_member = subject(e, visible)
        if e.event_type in types:
            channels[who, e.on(zone)].add(e.channel or "unknown")
            members[who] = is_member
    return [Day(who, on, members[who], frozenset(used)) for (who, on), used in channels.items()]


def counts(found: Iterable[Day], windows: Sequence[int], as_of: date) -> Counts:
    """(window, period_start, period_end, dimension, value) to (active, new, retained, resurrected, dormant,
    is_complete)."""
    active: dict[tuple[str, str], dict[str, set[date]]] = defaultdict(lambda: defaultdict(set))
    first: dict[str, date] = {}
    for day in found:
        kind = "member" if day.is_member else "anonymous"
        for key in [("all", "all"), ("kind", kind), *(("channel", c) for c in day.channels)]:
            active[key][day.subject_id].add(day.active_on)
        first[day.subject_id] = min(first.get(day.subject_id, day.active_on), day.active_on)
    rows: Counts = {}
    for key, subjects in active.items():
        begin = min(min(on) for on in subjects.values())

        def within(start: date, end: date, subjects: dict[str, set[date]] = subjects) -> set[str]:
            return {who for who, on in subjects.items() if any(start <= d <= end for d in on)}

        for grain in ("day", "week", "month"):
            before: set[str] = set()
            for start, end in periods(grain, begin, as_of):
                now = within(start, min(end, as_of))
                new = {who for who in now if first[who] >= start}
                retained = now & before
                rows[(grain, start, end, *key)] = (
                    len(now), len(new), len(retained), len(now - new - retained), len(before - now), end <= as_of,
                )  # fmt: skip
                before = now
        for w in windows:
            for end, _ in periods("day", begin, as_of):
                start = end - (w - 1) * DAY
                rows[(f"rolling_{w}", start, end, *key)] = (len(within(start, end)), None, None, None, None, True)
    return rows


def periods(grain: str, first: date, last: date) -> Iterator[tuple[date, date]]:
    """Those that hold the dates first to last."""
    start = {"day": first, "week": first - first.weekday() * DAY, "month": first.replace(day=1)}[grain]
    while start <= last:
        length = {"day": 1, "week": 7, "month": calendar.monthrange(start.year, start.month)[1]}[grain]
        yield start, start + (length - 1) * DAY
        start += length * DAY


def retention(found: Iterable[Day], as_of: date) -> dict[tuple[str, date, int], tuple[int, int, int, bool]]:
    """(grain, cohort_start, offset) to (subjects, retained, rolling_retained, is_complete)."""
    on: dict[str, list[date]] = defaultdict(list)
    for day in found:
        on[day.subject_id].append(day.active_on)
    rows = {}
    for grain in ("week", "month"):
        for start, end in periods(grain, min((min(d) for d in on.values()), default=as_of), as_of):
            cohort = [dates for dates in on.values() if start <= min(dates) <= end]
            if not cohort:
                continue
            for offset, (a, b) in enumerate(periods(grain, start, as_of)):
                retained = sum(any(a <= d <= b for d in dates) for dates in cohort)
                later = sum(max(dates) >= a for dates in cohort)
                rows[grain, start, offset] = (len(cohort), retained, later, b <= as_of)
    return rows
