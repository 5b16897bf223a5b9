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
    ratio = "marketing_cost_ratio"
    line = kpi.by_month(facts, ratio, facts.whole(ratio), 5) if facts.whole("marketing_revenue") else None
    money, form = (texts.PICTURED[of] for of in ("money", DEFINED[ratio].form))
    chart = charts.bars(costs, money, stacked=True, line=line, line_form=form) if costs else None
    return kpi.block(facts, "cost", CAMPAIGN[:3], chart=chart)


def _attribution(facts: Facts) -> Block:
    rows = kpi.latest(facts, "attributed_share", "method")
    hover = [kpi.fraction(facts, r, DEFINED["attributed_share"]) for r in rows]
    series = Series(HEADERS["of_money"], [], [r["value"] for r in rows], hover)
    chart = charts.ranking([word(r["dimension_value"]) for r in rows], [series], ".1%") if rows else None
    return kpi.block(facts, "attribution", ["attributed_share"], chart=chart, month=blocks.period_of(rows))
