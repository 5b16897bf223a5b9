"""Members & conversion: who registered, was activated, bought; and who can be reached."""

from __future__ import annotations

from collections.abc import Iterable

from memberlake.kpi.metrics import COHORT
from memberlake.report import blocks, charts, kpi
from memberlake.report.blocks import Block
from memberlake.report.charts import Series
from memberlake.report.facts import DEFINED, Facts
from memberlake.report.texts import HEADERS, Said, word

MEMBERS = (
    "registered_members", "activated_members", "purchasing_members", "activation_rate", "register_to_purchase_rate",
    "activate_to_purchase_rate",
)  # fmt: skip
NEW = ("new_registered_members", "new_activated_members", "new_purchasing_members")


def content(facts: Facts) -> Iterable[Block]:
    yield kpi.figures_of(facts, "headline", MEMBERS)
    yield _funnel(facts)
    yield _reachable(facts)
    yield new_members(facts)
    yield kpi.trend(facts, "conversion", [*MEMBERS[3:5], *COHORT])
    yield kpi.by_dimension(facts)


def new_members(facts: Facts) -> Block:
    more = blocks.begins(facts, "bought", facts.series(NEW[-1], "month"))
    return kpi.trend(facts, "new_members", NEW, as_bars=True, more=more)


def _funnel(facts: Facts) -> Block:
    steps = {n: rows[-1]["value"] for n in MEMBERS[:3] if (rows := facts.whole(n))}
    series = Series(HEADERS["members"], [], [*steps.values()])
    chart = charts.ranking([DEFINED[n].label for n in steps], [series], ",.0f") if steps else None
    return kpi.block(facts, "funnel", steps or MEMBERS[:3], chart=chart)


def _reachable(facts: Facts) -> Block:
    latest = kpi.latest(facts, "reachable_members", "channel")
    total = facts.whole("reachable_members")[-1:]
    rows = [(Said("any channel", "任一渠道"), r) for r in total] + [(word(r["dimension_value"]), r) for r in latest]
    registered = facts.whole("registered_members")[-1:]
    hover = [f"{r['value']:,.0f} / {registered[0]['value']:,.0f}" if registered else "" for _, r in rows]
    series = Series(HEADERS["members"], [], [r["value"] for _, r in rows], hover)
    chart = charts.ranking([name for name, _ in rows], [series], ",.0f") if rows else None
    return kpi.block(facts, "reachable", ["reachable_members"], chart=chart)
