"""The metrics of gold.kpi counted by plain loops from docs/metrics.md; slow, and shares no code with the job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

Row = dict[str, Any]
Cell = tuple[str, str]
COUNTED = {"paid", "shipped", "completed"}
ACTIVE = {
    "visit",
    "login",
    "page_view",
    "search",
    "download",
    "video_play",
    "add_to_cart",
    "campaign_enquiry",
    "check_in",
}
REACH = {"sms": "phone", "email": "email", "qq": "qq", "wechat": "wechat"}
GOALS = {"lead": "lead", "conversion": "conversion"}  # to the type of response that reaches it


def period_of(period: str, day: date) -> date:
    if period == "day":
        return day
    return day - timedelta(days=day.weekday()) if period == "week" else day.replace(day=1)


def end_of(period: str, start: date) -> date:
    if period == "day":
        return start
    return (
        start + timedelta(days=6)
        if period == "week"
        else period_of("month", start + timedelta(days=31)) - timedelta(days=1)
    )


def ratio(top: float, bottom: float) -> float | None:
    return top / bottom if bottom else None


class Reference:
    """Answers as of a day over rows as plain dicts; every instant is given as its business date under `on`, too."""

    def __init__(
        self, data: dict[str, list[Row]], as_of: date, dimensions: Iterable[str] = ("channel", "city")
    ) -> None:
        self.as_of = as_of
        self.dimensions = tuple(dimensions)
        self.data = data
        self.members = {m["member_id"]: m for m in data["members"]}
        self.orders = [
            {**o, **self.owed(o)}
            for o in data["orders"]
            if o["on"] <= as_of
            and o["status"] in COUNTED
            and not ((o["refunded_amount"] or 0) > 0 and o["net_amount"] <= 0)
        ]
        self.first_order: dict[str, date] = {}
        for o in self.orders:
            if o["member_id"]:
                self.first_order[o["member_id"]] = min(o["on"], self.first_order.get(o["member_id"], date.max))
        days = [m["on"] for m in data["members"] if m["on"] <= as_of] + [o["on"] for o in self.orders]
        days += [e["on"] for e in data["events"] if e["on"] <= as_of] + [
            c["on"] for c in data["contacts"] if c["on"] <= as_of
        ]
        days += [c["cost_date"] for c in data["costs"] if c["cost_date"] <= as_of]
        self.first_day = min(days)

    def owed(self, order: Row) -> Row:
        used = [
            v for v in self.data["vouchers"]
            if v["order_id"] == order["order_id"] or (not v["order_id"] and v["voucher_id"] == order["voucher_id"])
        ]  # fmt: skip
        campaigns = [v["campaign_id"] for v in used if v["campaign_id"]]
        campaign = order["campaign_id"] or (max(campaigns) if campaigns else None)
        named = bool(used or order["voucher_id"] or order["coupon_id"])
        coupon = named or (order["coupon_amount"] or 0) > 0
        contacts = [
            c
            for c in self.data["contacts"]
            if c["member_id"] == order["member_id"] and order["member_id"] and not c["is_control"]
            and c["sent_at"] <= order["ordered_at"] and c["on"] > order["on"] - timedelta(days=7)
        ]  # fmt: skip
        last = max(contacts, key=lambda c: (c["sent_at"], c["contact_id"]), default=None)
        if order["marked_channel"] or order["campaign_id"]:
            method = "marked"
        elif order["promo_code"]:
            method = "code"
        elif named:
            method = "voucher"
        elif last:
            method, campaign = "contact", campaign or last["campaign_id"]
        else:
            method = "none"
        return {
            "method": method,
            "credited": campaign,
            "coupon": coupon,
            "voucher_value": sum(v["redeemed_amount"] or 0 for v in used),
        }

    def described(self, member_id: str | None, dimension: str) -> str:
        member = self.members.get(member_id or "")
        return (member or {}).get(dimension) or "unknown"

    def in_cell(self, order: Row, cell: Cell) -> bool:
        name, value = cell
        if name == "all":
            return True
        if name == "channel":
            return (order["channel"] or "unknown") == value
        if name == "method":
            return bool(order["method"] == value)
        if name == "campaign":
            return order["method"] != "none" and (order["credited"] or "unknown") == value
        return self.described(order["member_id"], name) == value

    def of_orders(self, first: date, last: date, cell: Cell) -> dict[str, float]:
        orders = [o for o in self.orders if first <= o["on"] <= last and self.in_cell(o, cell)]

        def buyers(found: list[Row], least: int) -> int:
            counts: dict[str, int] = defaultdict(int)
            for o in found:
                if o["member_id"]:
                    counts[o["member_id"]] += 1
            return sum(n >= least for n in counts.values())

        def money(found: list[Row]) -> float:
            return float(sum(o["net_amount"] for o in found))

        with_coupon, plain = [o for o in orders if o["coupon"]], [o for o in orders if not o["coupon"]]
        of_members = [o for o in orders if o["member_id"]]
        owed = [o for o in orders if o["method"] != "none"]
        return {
            "orders": len(orders), "revenue": money(orders), "member_orders": len(of_members),
            "member_revenue": money(of_members), "buyers": buyers(orders, 1), "repeat": buyers(orders, 2),
            "coupon_orders": len(with_coupon), "coupon_revenue": money(with_coupon),
            "coupon_buyers": buyers(with_coupon, 1), "coupon_repeat": buyers(with_coupon, 2),
            "plain_orders": len(plain), "plain_revenue": money(plain),
            "plain_buyers": buyers(plain, 1), "plain_repeat": buyers(plain, 2),
            "attributed": money(owed), "unattributed": money(orders) - money(owed),
        }  # fmt: skip

    def of_members(self, first: date, last: date, cell: Cell) -> dict[str, float]:
        members = [
            m for m in self.members.values() if m["on"] <= self.as_of and self.is_member_in(m["member_id"], cell)
        ]
        firsts = {m: d for m, d in self.first_order.items() if self.is_member_in(m, cell)}
        bought = [
            o for o in self.orders if o["member_id"] and o["on"] <= last and self.is_member_in(o["member_id"], cell)
        ]
        return {
            "registered": sum(m["on"] <= last for m in members),
            "new_registered": sum(first <= m["on"] <= last for m in members),
            "activated": sum(bool(m["activated_on"]) and m["activated_on"] <= last for m in members),
            "new_activated": sum(bool(m["activated_on"]) and first <= m["activated_on"] <= last for m in members),
            "purchasing": sum(d <= last for d in firsts.values()),
            "new_purchasing": sum(first <= d <= last for d in firsts.values()),
            "reachable": sum(m["on"] <= last and any(self.reach(m).values()) for m in members),
            "life_orders": len(bought), "life_revenue": float(sum(o["net_amount"] for o in bought)),
        }  # fmt: skip

    def is_member_in(self, member_id: str, cell: Cell) -> bool:
        return cell[0] == "all" or self.described(member_id, cell[0]) == cell[1]

    @staticmethod
    def reach(member: Row) -> dict[str, bool]:
        by_address = {c: bool(member[f"has_{address}"] and member[f"consent_{c}"]) for c, address in REACH.items()}
        told = member["attributes"] or {}
        return {**by_address, "app_push": told.get("has_app_push") == told.get("consent_app_push") == "true"}

    def costs(self, first: date, last: date) -> list[tuple[str, str, float]]:
        """(type, campaign, amount)."""
        found = [
            (c["cost_type"], c["campaign_id"], float(c["amount"]))
            for c in self.data["costs"] if first <= c["cost_date"] <= last
        ]  # fmt: skip
        found += [
            ("contact", c["campaign_id"], float(c["cost"] or 0))
            for c in self.data["contacts"] if first <= c["on"] <= last and not c["is_control"]
        ]  # fmt: skip
        found += [
            ("coupon", v["campaign_id"] or "unknown", float(v["redeemed_amount"] or 0))
            for v in self.data["vouchers"] if v["on"] and first <= v["on"] <= last
        ]  # fmt: skip
        for o in self.orders:
            if first <= o["on"] <= last:
                campaign = (o["credited"] or "unknown") if o["method"] != "none" else "none"
                if not o["voucher_value"] > 0:
                    found.append(("coupon", campaign, float(o["coupon_amount"] or 0)))
                points = (o["points_redeemed"] or 0) * 0.01 + (o["points_granted"] or 0) * 0.006
                found.append(("points", campaign, points))
        return [f for f in found if f[2]]

    def responses(self, first: date, last: date) -> list[tuple[str, str, str | None]]:
        """(type, campaign, goal of the campaign)."""
        campaign = {c["contact_id"]: c["campaign_id"] for c in self.data["contacts"]}
        goals = {c["campaign_id"]: c["goal"] for c in self.data["campaigns"]}
        return [
            (r["response_type"], campaign[r["contact_id"]], goals.get(campaign[r["contact_id"]]))
            for r in self.data["responses"]
            if first <= r["on"] <= last
        ]

    def of_goal(self, first: date, last: date, goal: str) -> tuple[float, int]:
        """What its campaigns cost, and how often it was reached."""
        campaigns = {c["campaign_id"] for c in self.data["campaigns"] if c["goal"] == goal}
        kinds = {"media", "other", "contact"}
        cost = sum(a for kind, c, a in self.costs(first, last) if c in campaigns and kind in kinds)
        return cost, sum((kind, of) == (GOALS[goal], goal) for kind, _, of in self.responses(first, last))

    def cohort(self, first: date, last: date, cell: Cell, within: int) -> tuple[int, int]:
        members = [
            m for m in self.members.values()
            if first <= m["on"] <= last and self.is_member_in(m["member_id"], cell)
        ]  # fmt: skip
        bought = [
            m for m in members
            if any(o["member_id"] == m["member_id"] and 0 <= (o["on"] - m["on"]).days <= within for o in self.orders)
        ]  # fmt: skip
        return len(bought), len(members)

    def visits(self, first: date, last: date) -> int:
        sessions: dict[tuple[date, str], set[str]] = defaultdict(set)
        for e in self.data["events"]:
            if first <= e["on"] <= last and e["event_type"] in ACTIVE:
                sessions[e["on"], e["member_id"] or e["visitor_id"]] |= {e["session_id"]} - {None}
        with_one = {(on, session) for (on, _), of_subject in sessions.items() for session in of_subject}
        return len(with_one) + sum(not of_subject for of_subject in sessions.values())

    def churned(self, member_id: str, on: date) -> bool:
        return self.data["churned"][member_id]["known_on"] <= on and any(
            since <= on and (not back or back > on) for since, back in self.data["churned"][member_id]["stretches"]
        )

    def of_churn(self, first: date, last: date, cell: Cell) -> dict[str, int]:
        eve = first - timedelta(days=1)
        members = {m: c["known_on"] for m, c in self.data["churned"].items() if self.is_member_in(m, cell)}
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]

        def turned(member_id: str, to: bool) -> bool:
            states = [self.churned(member_id, on) for on in (eve, *days)]
            return any(now == to != before for before, now in pairwise(states))

        return {
            "left": sum(turned(m, True) for m in members),
            "back": sum(turned(m, False) for m in members),
            "staying": sum(on <= eve and not self.churned(m, eve) for m, on in members.items()),
            "churned": sum(self.churned(m, last) for m in members),
            "members": sum(on <= last for on in members.values()),
        }

    def winbacks(self, first: date, last: date) -> int:
        dates = {c["campaign_id"]: (c["starts_on"], c["ends_on"]) for c in self.data["campaigns"]}
        return len(
            {
                o["member_id"] for o in self.orders
                if first <= o["on"] <= last and o["member_id"] in self.data["churned"] and o["method"] != "none"
                and o["credited"] in dates and dates[o["credited"]][0] <= o["on"] <= dates[o["credited"]][1]
                and self.churned(o["member_id"], o["on"] - timedelta(days=1))
            }
        )  # fmt: skip

    def cells(self, first: date, last: date) -> list[Cell]:
        """Every value of a dimension that someone or something has."""
        cities = {self.described(m, "city") for m in [*self.members, *self.first_order, None]}
        channels = {o["channel"] or "unknown" for o in self.orders}
        campaigns = {o["credited"] or "unknown" for o in self.orders} | {c[1] for c in self.costs(date.min, date.max)}
        campaigns |= {r[1] for r in self.responses(date.min, date.max)}
        named = {"city": cities, "channel": channels | {*REACH, "app_push"}, "campaign": campaigns}
        named |= {"method": {"marked", "code", "voucher", "contact", "none"}, "goal": {*GOALS}}
        return [("all", "all"), *[(name, value) for name, values in named.items() for value in values]]

    def rows(self) -> dict[tuple[str, date, str, str, str], tuple[float | None, float | None, float | None]]:
        """(numerator, denominator, value) by the key of gold.kpi; of a dimension only what is not 0 of 0, or was not on
        the same days before."""
        found: dict[tuple[str, date, str, str, str], tuple[float | None, float | None, float | None]] = {}
        for period in ("day", "week", "month"):
            day = self.first_day
            while day <= self.as_of:
                start = period_of(period, day)
                last = min(end_of(period, start), self.as_of)
                had = self.had(period, start, last)
                for cell in self.cells(start, last):
                    for metric, top, bottom in self.of_cell(start, last, cell):
                        if cell[0] != "all" and not top and not bottom and (metric, cell) not in had:
                            continue
                        value = top if bottom is None else ratio(top, bottom)
                        found[(period, start, metric, *cell)] = (top, bottom, value)
                day = end_of(period, start) + timedelta(days=1)
        return found

    def had(self, period: str, start: date, last: date) -> set[tuple[str, Cell]]:
        """Of a running period what had a value on as many days of the period before; not cohorts."""
        first = period_of(period, start - timedelta(days=1))
        same = min(first + (last - start), start - timedelta(days=1))
        if end_of(period, start) <= self.as_of or same < self.first_day:
            return set()
        return {
            (metric, cell)
            for cell in self.cells(first, same)
            for metric, top, bottom in self.of_cell(first, same, cell)
            if (top or bottom) and bottom != 0 and not metric.endswith("d_rate")
        }

    def of_cell(self, first: date, last: date, cell: Cell) -> Iterable[tuple[str, float, float | None]]:
        if cell[0] == "goal":
            yield "cost_per_goal", *self.of_goal(first, last, cell[1])
            return
        o = self.of_orders(first, last, cell)
        m = self.of_members(first, last, cell) if cell[0] in {"all", "city"} else None
        kinds = self.costs(first, last)
        told = self.responses(first, last)
        cost = sum(a for _, c, a in kinds if cell[0] == "all" or (cell[0] == "campaign" and c == cell[1]))
        leads = sum(t == "lead" and (cell[0] == "all" or c == cell[1]) for t, c, _ in told)
        if m:
            yield from (
                (name, m[measure], None)
                for name, measure in {
                    "registered_members": "registered", "new_registered_members": "new_registered",
                    "activated_members": "activated", "new_activated_members": "new_activated",
                    "purchasing_members": "purchasing", "new_purchasing_members": "new_purchasing",
                    "reachable_members": "reachable",
                }.items()
            )  # fmt: skip
            yield "activation_rate", m["activated"], m["registered"]
            yield "register_to_purchase_rate", m["purchasing"], m["registered"]
            yield "activate_to_purchase_rate", m["purchasing"], m["activated"]
            yield "lifetime_value", m["life_revenue"], m["purchasing"]
            yield "lifetime_orders", m["life_orders"], m["purchasing"]
            yield "lifetime_average_order_value", m["life_revenue"], m["life_orders"]
            yield "revenue_per_registration", o["revenue"], m["new_registered"]
            for within in (7, 30, 90):
                yield f"register_to_purchase_{within}d_rate", *self.cohort(first, last, cell, within)
        elif cell[0] == "channel":
            can: Callable[[Row], bool] = lambda member: self.reach(member).get(cell[1], False)  # noqa: E731
            yield "reachable_members", sum(x["on"] <= last and can(x) for x in self.members.values()), None
        if cell[0] in {"all", "city", "channel"}:
            yield "orders", o["orders"], None
            yield "revenue", o["revenue"], None
            yield "ordering_members", o["buyers"], None
            yield "member_orders", o["member_orders"], None
            yield "member_revenue", o["member_revenue"], None
            yield "average_order_value", o["revenue"], o["orders"]
            yield "revenue_per_order", o["revenue"], o["orders"]
            yield "orders_per_member", o["member_orders"], o["buyers"]
            yield "revenue_per_member", o["member_revenue"], o["buyers"]
            yield "repurchase_rate", o["repeat"], o["buyers"]
            for kind, prefix in (("coupon", "coupon"), ("plain", "no_coupon")):
                yield f"{prefix}_member_ratio", o[f"{kind}_buyers"], o["buyers"]
                yield f"{prefix}_amount_ratio", o[f"{kind}_revenue"], o["revenue"]
                yield f"{prefix}_order_ratio", o[f"{kind}_orders"], o["orders"]
                yield f"{prefix}_aov", o[f"{kind}_revenue"], o[f"{kind}_orders"]
                yield f"{prefix}_repurchase_rate", o[f"{kind}_repeat"], o[f"{kind}_buyers"]
            yield "unattributed_revenue", o["unattributed"], None
        if m and (c := self.of_churn(first, last, cell))["members"]:
            yield "churned_members", c["left"], None
            yield "churn_rate", c["left"], c["staying"]
            yield "churned_share", c["churned"], c["members"]
            yield "returned_members", c["back"], None
        yield "marketing_revenue", o["attributed"], None
        if cell[0] in {"all", "campaign"}:
            yield "marketing_cost", cost, None
            yield "marketing_cost_ratio", cost, o["attributed"]
            yield "cost_per_order", cost, o["orders"]
            yield "cost_per_member", cost, o["buyers"]
            yield "leads", leads, None
            yield "cost_per_lead", cost, leads
        if cell[0] == "all" and m:
            yield "cost_per_registration", cost, m["new_registered"]
            yield "visits", self.visits(first, last), None
            so_far = self.of_orders(date.min, last, cell)["orders"]
            yield "orders_per_visit", so_far, self.visits(date.min, last)
            yield "winbacks", self.winbacks(first, last), None
            yield "cost_per_winback", cost, self.winbacks(first, last)
