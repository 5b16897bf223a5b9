"""Overview: where membership stands, what moved, and what needs someone today."""

from __future__ import annotations

from collections.abc import Iterable

from memberlake.kpi.metrics import CHANGES
from memberlake.report import blocks, charts, kpi
from memberlake.report.blocks import Block
from memberlake.report.charts import Series
from memberlake.report.facts import DEFINED, Facts
from memberlake.report.pages import activity, alerts, members
from memberlake.report.texts import PICTURED, Said, word

HEADLINE = (
    "purchasing_members", "new_registered_members", "new_purchasing_members", "revenue", "average_order_value",
    "repurchase_rate", "coupon_order_ratio", "marketing_cost_ratio", "churn_rate", "movement_ratio",
    "register_to_purchase_rate", "activity_rate",
)  # fmt: skip


def content(facts: Facts) -> Iterable[Block]:
    yield kpi.figures_of(facts, "headline", HEADLINE, more=activity.estimated(facts, "estimated_figures"))
    yield alerts.table(facts, "open_alerts", [a for a in facts.of("alerts") if a["state"] == "open"], most=8)
    yield _revenue_change(facts)
    yield activity.active_days(facts)
    yield members.new_members(facts)
    yield kpi.all_metrics(facts)


def _revenue_change(facts: Facts) -> Block:
    """What moved revenue in the last whole month: its parts add up to the change."""
    found = [(n, rows[-1]) for n in CHANGES[1:] if (rows := facts.whole(n))]
    series = [
        Series(
            word("rose" if rose else "fell"),
            [],
            [r["value"] if r["value"] is not None and (r["value"] >= 0) == rose else None for _, r in found],
            [blocks.period_name(r) for _, r in found],
            color=1 if rose else 2,
        )
        for rose in (True, False)
    ]
    names = [Said(*(said.removeprefix("Change of revenue ") for said in DEFINED[n].label)) for n, _ in found]
    is_known = found and facts.whole(CHANGES[0])
    chart = charts.ranking(names, series, PICTURED["money"], one_each=True) if is_known else None
    figures = [made for n in ("revenue", CHANGES[0]) if (made := kpi.figure(facts, n))] if chart else []
    return kpi.block(facts, "revenue_change", CHANGES, chart=chart, figures=figures)
