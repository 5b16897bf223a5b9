"""Campaigns & money: what marketing cost and what it brought."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from memberlake.report import blocks, charts, kpi, texts
from memberlake.report.blocks import Block
from memberlake.report.charts import Series
from memberlake.report.facts import DEFINED, Facts, Row
from memberlake.report.texts import HEADERS, word

CAMPAIGN = ("marketing_cost", "marketing_revenue", "marketing_cost_ratio", "leads", "cost_per_lead")
UNIT = (
    "revenue_per_registration", "revenue_per_order", "revenue_per_member", "cost_per_registration",
    "cost_per_order", "cost_per_member", "cost_per_winback", "cost_per_lead", "cost_per_goal",
)  # fmt: skip


def content(facts: Facts) -> Iterable[Block]:
    yield kpi.figures_of(facts, "headline", CAMPAIGN[:3])
    yield _cost(facts)
    yield _attribution(facts)
    yield kpi.pivot(facts, "by_goal", "goal", ("cost_per_goal",), {}, "goals" if facts.of("kpi") else "kpi")
    yield kpi.pivot(facts, "by_campaign", "campaign", CAMPAIGN, blocks.campaigns(facts))
    yield kpi.figures_of(facts, "unit_cost", UNIT)


def _cost(facts: Facts) -> Block:
    kinds: dict[str, list[Row]] = defaultdict(list)
    for r in facts.whole("marketing_cost", "month", "cost_type"):
        kinds[r["dimension_value"]].append(r)
    costs = [
        Series(word(kind), [blocks.month(r["period_start"]) for r in rows], [r["value"] for r in rows], color=n + 1)
        for n, (kind, rows) in enumerate(sorted(kinds.items()))
    ]
    revenue, ratio = facts.whole("marketing_revenue"), facts.whole("marketing_cost_ratio")
    line = Series(
        DEFINED["marketing_cost_ratio"].label,
        [blocks.month(r["period_start"]) for r in ratio],
        [r["value"] for r in ratio],
        [kpi.fraction(facts, r, DEFINED["marketing_cost_ratio"]) for r in ratio],
        color=5,
    )
    form, costing = texts.PICTURED[DEFINED["marketing_cost_ratio"].form], texts.PICTURED["money"]
    drawn = line if revenue else None
    chart = charts.bars(costs, costing, stacked=True, line=drawn, line_form=form) if costs else None
    return blocks.block(facts, "cost", "gold.kpi", "kpi", chart=chart, defined=[DEFINED[n] for n in CAMPAIGN[:3]])


def _attribution(facts: Facts) -> Block:
    rows = kpi.latest(facts, "attributed_share", "method")
    hover = [kpi.fraction(facts, r, DEFINED["attributed_share"]) for r in rows]
    series = Series(HEADERS["of_money"], [], [r["value"] for r in rows], hover)
    chart = charts.ranking([word(r["dimension_value"]) for r in rows], [series], ".1%") if rows else None
    defined, shown_in = [DEFINED["attributed_share"]], blocks.period_of(rows)
    return blocks.block(facts, "attribution", "gold.kpi", "kpi", chart=chart, defined=defined, month=shown_in)
