"""What the coupons job must write, worked out in plain Python, from docs/coupons.md and not from its code."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.frames import utc
from tests.jobs.coupon_rows import Event

RANK = ("issued", "claimed", "redeemed", "returned", "voided")
TURN = ("redeemed", "returned")  # a redemption that is undone
ZONE = ZoneInfo("Asia/Shanghai")


class Decision(NamedTuple):
    """An override: for a voucher or number, or for the days."""

    coupon_id: str
    campaign_id: str
    at: str
    voucher_id: str | None = None
    from_on: date | None = None
    to_on: date | None = None


@dataclass
class World:
    """What the lake holds: the newest version of each event, and the rest."""

    events: dict[str, Event] = field(default_factory=dict)
    valid_to: dict[str, str] = field(default_factory=dict)  # of a coupon
    links: set[tuple[str, str]] = field(default_factory=set)  # coupon and campaign
    windows: dict[str, tuple[date, date]] = field(default_factory=dict)
    contacts: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)  # by campaign and member; held out?
    decisions: list[Decision] = field(default_factory=list)
    orders: dict[str, str] = field(default_factory=dict)  # their instants

    def take(self, events: Iterable[Event]) -> None:
        for e in events:
            old = self.events.get(e.event_id)
            if old is None or utc(e.received or e.at) > utc(old.received or old.at):
                self.events[e.event_id] = e


def day(instant: str | datetime) -> date:
    return (utc(instant) if isinstance(instant, str) else instant).astimezone(ZONE).date()


def vouchers(world: World, as_of: date) -> dict[str, dict[str, Any]]:
    """State and campaign by voucher_id. `events` are those that count, `history` all of them."""
    told = [e for e in world.events.values() if day(e.at) <= as_of]
    told.sort(key=lambda e: (utc(e.at), RANK.index(e.event_type), e.event_id))
    found = {}
    for voucher_id, history, is_shared in (*numbered(told), *without_number(told)):
        events = history if history[0].voucher_id else once(history)
        found[voucher_id] = {
            **state(events, world, as_of),
            **campaign(voucher_id, history, world, as_of),
            "events": events,
            "history": history,
        }
        flags = found[voucher_id]["flags"]
        flags |= {"number_of_several_coupons"} if is_shared else set()
        flags |= {"negative_amount"} if any(Decimal(e.amount or 0) < 0 for e in history) else set()
        flags |= {"several_campaigns"} if len({e.campaign_id for e in history} - {None}) > 1 else set()
        known = {order_id for order_id, at in world.orders.items() if day(at) <= as_of}
        flags |= {"unknown_order"} if {e.order_id for e in history} - known - {None} else set()
    return found


def numbered(told: list[Event]) -> Iterator[tuple[str, list[Event], bool]]:
    """Id, events by time, and whether another coupon has the number."""
    of_number: dict[str, dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
    for e in told:
        if e.voucher_id:
            of_number[e.voucher_id][e.coupon_id].append(e)
    for number, of_coupon in of_number.items():
        for coupon_id, events in of_coupon.items():
            own = number if coupon_id == min(of_coupon) else f"{coupon_id}/{number}"
            yield own, events, len(of_coupon) > 1


def without_number(told: list[Event]) -> Iterator[tuple[str, list[Event], bool]]:
    lines: dict[tuple[str, str, str | None], list[Event]] = defaultdict(list)
    unnumbered = [e for e in told if not e.voucher_id]
    for e in unnumbered:
        line = e.campaign_id
        if e.event_type in ("redeemed", "returned"):  # once for each campaign that was open
            alike = [o for o in unnumbered if same(o, e) and (o.coupon_id, o.member_id) == (e.coupon_id, e.member_id)]
            line = next((o.campaign_id for o in alike if o.campaign_id), None)
        lines[e.coupon_id, e.member_id or e.event_id, line if e.member_id else None].append(e)
    for (coupon_id, holder, line), events in lines.items():
        copies: list[list[Event]] = []
        for n, e in enumerate(events):
            if n and same(events[n - 1], e):
                taken = next(c for c in copies if events[n - 1] in c)
            else:
                taken = taker(copies, e) or []
            if not taken:
                copies.append(taken)
            taken.append(e)
        for history in copies:
            yield f"{coupon_id}/{holder}/{line or ''}/{utc(history[0].at):%Y-%m-%dT%H:%M:%S}", history, False


def taker(copies: list[list[Event]], e: Event) -> list[Event] | None:
    """The copy that the event happened to, of those known so far in the order in which they came to be known."""

    def last(*kinds: str) -> Callable[[list[Event]], Event]:
        return lambda c: next((o for o in reversed(c) if o.event_type in kinds), c[0])

    def when(at: Callable[[list[Event]], Event]) -> Callable[[list[Event]], tuple[Any, ...]]:
        return lambda c: (utc(at(c).at), RANK.index(at(c).event_type), at(c).event_id)

    def is_redeemed(c: list[Event]) -> bool:
        return last("redeemed", "returned")(c).event_type == "redeemed"

    voided = [c for c in copies if first_of(c, "voided")]
    open_ = [c for c in copies if not is_redeemed(c) and c not in voided]
    unclaimed = [c for c in copies if not first_of(c, "claimed")]
    since = when(reopened)
    open_unclaimed = [c for c in open_ if c in unclaimed]
    if e.event_type == "claimed":
        return max(open_unclaimed, key=since, default=unclaimed[-1] if unclaimed else None)
    if e.event_type == "redeemed":
        gone = [c for c in voided if not is_redeemed(c)]
        return max(open_, key=since, default=max(gone, key=when(last("returned", "voided")), default=None))
    if e.event_type == "returned":
        redeemed = [c for c in copies if is_redeemed(c)]
        return max(redeemed, key=when(last("redeemed")), default=copies[-1] if copies else None)
    if e.event_type == "voided":
        return max(open_, key=since, default=copies[-1] if copies else None)
    return None


def reopened(copy: list[Event]) -> Event:
    """What made the copy open: its last return of a redemption, else its first event."""
    turns = [o for o in copy if o.event_type in ("redeemed", "returned")]
    undone = [b for a, b in itertools.pairwise(turns) if (a.event_type, b.event_type) == TURN]
    return undone[-1] if undone else copy[0]


def same(a: Event, b: Event) -> bool:
    return (a.event_type, utc(a.at)) == (b.event_type, utc(b.at))


def once(events: list[Event]) -> list[Event]:
    return [e for n, e in enumerate(events) if n == 0 or not same(events[n - 1], e)]


def first_of(events: list[Event], *kinds: str) -> Event | None:
    return next((e for e in events if e.event_type in kinds), None)


def state(events: list[Event], world: World, as_of: date) -> dict[str, Any]:
    in_force: Event | None = None
    status, flags = "issued", set()
    claim, valid_to = first_of(events, "claimed"), world.valid_to.get(events[0].coupon_id)
    for e in events:
        if e.event_type == "redeemed":
            if in_force:
                flags.add("redeemed_twice")
            if claim is None:
                flags.add("redeemed_without_claim")
            elif events.index(e) < events.index(claim):
                flags.add("redeemed_before_claim")
            if claim and e.member_id and claim.member_id and e.member_id != claim.member_id:
                flags.add("redeemed_by_other_member")
            if valid_to and utc(e.at) >= utc(valid_to):
                flags.add("redeemed_after_expiry")
            if e.amount and Decimal(e.amount) > 10:
                flags.add("redeemed_above_value")
            in_force = e
        elif e.event_type == "returned":
            if in_force is None:
                flags.add("returned_without_redemption")
            in_force = None
    if first_of(events, "issued") is None:
        flags.add("issue_unrecorded")
    voids = [e for e in events if e.event_type == "voided"]
    comes_last = bool(voids) and (in_force is None or events.index(voids[-1]) > events.index(in_force))
    if voids and in_force:
        flags.add("voided_after_redemption" if comes_last else "redeemed_after_void")
    if comes_last:
        status = "voided"
    elif in_force:
        status = "redeemed"
    elif valid_to and day(valid_to) <= as_of:
        status = "expired"
    elif claim:
        status = "claimed"
    return {
        "status": status,
        "flags": flags,
        "redeemed_at": utc(in_force.at) if in_force else None,
        "redeemed_amount": Decimal(in_force.amount) if in_force and in_force.amount else None,
        "valid_to": valid_to,
    }


def campaign(voucher_id: str, events: list[Event], world: World, as_of: date) -> dict[str, Any]:
    first = first_of(events, "issued") or first_of(events, "claimed") or first_of(events, "redeemed") or events[0]
    claim = first_of(events, "claimed")
    member = claim.member_id if claim and claim.member_id else None
    issue = first_of(events, "issued")
    member = member or (issue.member_id if issue else None) or next((e.member_id for e in events if e.member_id), None)
    declared = {p for c, p in world.links if c == first.coupon_id}
    lists: dict[str, set[str]] = defaultdict(set)
    for (p, m), (at, is_control) in world.contacts.items():
        if day(at) <= as_of and not is_control:
            lists[p].add(m)
    on = day(first.at)
    in_window = {p for p in declared or world.windows if p in world.windows}
    in_window = {p for p in in_window if world.windows[p][0] <= on <= world.windows[p][1]}
    left = {p for p in in_window if p not in lists or member in lists[p]}
    recorded = next((e.campaign_id for e in events if e.campaign_id), None)
    decided = [
        (d.voucher_id is not None, utc(d.at), d.campaign_id)
        for d in world.decisions
        if d.coupon_id == first.coupon_id and day(d.at) <= as_of
        if (d.voucher_id in (voucher_id, first.voucher_id) if d.voucher_id else d.from_on <= on <= d.to_on)
    ]
    by_hand = max(decided)[2] if decided else None
    evidence = ("" if declared else "undeclared+") + ("window" if len(in_window) == 1 else "window+audience")
    inferred = next(iter(left)) if len(left) == 1 else None
    return {
        "first_on": on,
        "recorded": recorded,
        "campaign_id": by_hand or recorded or inferred,
        "method": "override" if by_hand else "recorded" if recorded else "inferred" if inferred else None,
        "evidence": evidence if inferred and not recorded and not by_hand else None,
        "trial": (evidence, inferred) if inferred else None,
    }


def confidence(found: dict[str, dict[str, Any]]) -> dict[str, float]:
    tried: dict[str, list[bool]] = defaultdict(list)
    for v in found.values():
        if v["method"] == "recorded" and v["trial"]:
            tried[v["trial"][0]].append(v["trial"][1] == v["recorded"])
    return {evidence: sum(right) / len(right) for evidence, right in tried.items()}


def run_of(found: dict[str, dict[str, Any]], gap: int) -> dict[str, str]:
    """The run of each voucher; definitions have one version here."""
    runs = {}
    days: dict[str, set[date]] = defaultdict(set)
    for v in found.values():
        if v["campaign_id"] is None:
            days[v["events"][0].coupon_id].add(v["first_on"])
    for voucher_id, v in found.items():
        coupon_id = v["events"][0].coupon_id
        if v["campaign_id"]:
            runs[voucher_id] = f"{coupon_id}/{v['campaign_id']}"
            continue
        began = v["first_on"]
        while earlier := [d for d in days[coupon_id] if began - timedelta(days=gap) <= d < began]:
            began = min(earlier)
        runs[voucher_id] = f"{coupon_id}@{began}"
    return runs


def funnel(found: dict[str, dict[str, Any]], runs: dict[str, str]) -> dict[tuple[str, date], list[Any]]:
    """Issued, claimed, redeemed, returned, voided, expired, value redeemed, by run and business date."""
    counts: dict[tuple[str, date], list[Any]] = defaultdict(lambda: [0, 0, 0, 0, 0, 0, Decimal(0)])
    for voucher_id, v in found.items():
        run, events = runs[voucher_id], v["events"]
        for n, kind in enumerate(RANK):
            days = sorted({day(e.at) for e in events if e.event_type == kind})
            if kind == "voided":
                days = days[-1:]
            elif kind in ("issued", "claimed"):
                days = days[:1]
            for d in days:
                counts[run, d][n] += 1
        for e in events:
            if e.event_type == "redeemed":
                counts[run, day(e.at)][6] += Decimal(e.amount or 0)
        if v["status"] == "expired":
            ends = [utc(v["valid_to"])]
            begin = first_of(events, "issued") or first_of(events, "claimed")
            ends += [utc(begin.at)] if begin else []
            turns = [e for e in events if e.event_type in ("redeemed", "returned")]
            ends += [utc(b.at) for a, b in itertools.pairwise(turns) if (a.event_type, b.event_type) == TURN]
            counts[run, day(max(ends))][5] += 1
    return dict(counts)


def in_force(v: dict[str, Any], on: date) -> bool:
    """Redeemed by the end of the day, and not returned since."""
    turns = [e.event_type for e in v["events"] if e.event_type in ("redeemed", "returned") and day(e.at) <= on]
    return turns[-1:] == ["redeemed"]


def liability(found: dict[str, dict[str, Any]], runs: dict[str, str]) -> dict[str, tuple[int, int]]:
    """Open and expired vouchers by run."""
    counts = {run: [0, 0] for run in runs.values()}
    for voucher_id, v in found.items():
        counts[runs[voucher_id]][0] += v["status"] in ("issued", "claimed")
        counts[runs[voucher_id]][1] += v["status"] == "expired"
    return {run: (open_, expired) for run, (open_, expired) in counts.items()}
