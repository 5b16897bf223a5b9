"""Lifecycle & churn: who has left, by which rule, and who is about to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from memberlake.report import blocks, charts, kpi, texts
from memberlake.report.blocks import Block, Cell
from memberlake.report.charts import Series
from memberlake.report.facts import Facts
from memberlake.report.texts import HEADERS, Said, feature, headers, word

_MOVEMENT = (
    *("new_purchasing_members", "churned_members", "returned_members"),
    *("churn_rate", "churned_share", "movement_ratio"),
)


def content(facts: Facts) -> Iterable[Block]:
    yield kpi.figures_of(facts, "headline", [m for name in _MOVEMENT for m in (name, f"{name}_trend")])
    since = blocks.begins(facts, "away", facts.series("churn_rate", "month"))
    yield kpi.trend(facts, "churn_rate", ("churn_rate", "churned_share"), more=since)
    yield kpi.trend(facts, "movement", ("new_purchasing_members", "churned_members"), as_bars=True)
    yield from _churned(facts)
    yield _risk(facts)
    yield _factors(facts)


def _churned(facts: Facts) -> Iterable[Block]:
    rows = facts.of("churned")
    said = sorted(
        ((word(r["kind"]), word(r["permanence"]), r["members"]) for r in rows if r["is_churned"]), key=lambda r: -r[2]
    )
    names = [Said("not churned", "未流失"), *[Said(f"{k.en}, {p.en}", f"{k.zh}，{p.zh}") for k, p, _ in said]]
    counts = [sum(r["members"] for r in rows if not r["is_churned"]), *[n for _, _, n in said]]
    everyone = sum(counts)
    series = Series(HEADERS["members"], [], counts, [f"{n:,} / {everyone:,}" for n in counts])
    chart = charts.ranking(names, [series], ",.0f") if rows else None
    yield blocks.block(facts, "churned", "gold.churn_status", "churned", chart=chart)
    yield blocks.block(
        facts,
        "churn_rules",
        "gold.churn_status",
        "nobody" if rows else "churned",
        columns=headers("rule", "members", "of_members"),
        rows=[
            [Cell(word(r["rule"])), blocks.number(facts, r["members"]), blocks.rate(facts, r["members"], everyone)]
            for r in facts.of("churn_rules")
        ],
    )


def _risk(facts: Facts) -> Block:
    rows = facts.of("risks")
    x = [5 * n + 2.5 for n in range(20)]
    span = [f"{n * 5}–{n * 5 + 5} %" for n in range(20)]
    series = []
    for band, color in (("low", 3), ("medium", 4), ("high", 2)):
        at: dict[int, int] = defaultdict(int)
        for r in rows:
            if r["risk_band"] == band:
                at[r["twentieth"]] += r["members"]
        series.append(Series(word(band), x, [at[n] for n in range(20)], span, color=color))
    chart = charts.bars(series, ",.0f", stacked=True) if rows else None
    if chart:
        chart["layout"]["xaxis"] = {"title": {"text": HEADERS["probability"]}}
        chart["layout"]["yaxis"]["title"] = {"text": HEADERS["members"]}
    return blocks.block(facts, "risk", "gold.churn_scores", "risks", chart=chart)


def _factors(facts: Facts) -> Block:
    everyone = sum(r["members"] for r in facts.of("risks") if r["risk_band"] == "high")
    rows = [
        [
            Cell(feature(r["feature"])),
            blocks.number(facts, r["members"]),
            blocks.rate(facts, r["members"], everyone),
            Cell(texts.signed(r["effect"]), True),
        ]
        for r in facts.of("factors")
    ]
    columns = headers("feature", "members", "of_high", "effect")
    needs, high_risk = "nobody_high" if facts.of("risks") else "risks", f"{everyone:,}"
    return blocks.block(facts, "factors", "gold.churn_scores", needs, columns=columns, rows=rows, high_risk=high_risk)
