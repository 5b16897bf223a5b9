"""Value: what members are worth: RFM of buyers, RFE of visitors, ABC classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from memberlake.report import blocks, charts, kpi
from memberlake.report.blocks import Block, Cell
from memberlake.report.charts import Series, Spec
from memberlake.report.facts import Facts, Row
from memberlake.report.texts import HEADERS, PICTURED, Said, headers, word

VALUE = (
    "repurchase_rate", "average_order_value", "lifetime_value", "lifetime_orders", "lifetime_average_order_value",
    "orders_per_member",
)  # fmt: skip
_TIERS = {"high": 0, "middle": 1, "low": 2}  # best first, as classes are by name
_Groups = Mapping[str, Mapping[str, float]]


def content(facts: Facts) -> Iterable[Block]:
    yield kpi.figures_of(facts, "headline", VALUE)
    yield _map(facts, "rfm", "f_score", Said("F: rarely → often", "F：少 → 多"), "members", "money")
    yield from _segments(facts)
    yield _map(facts, "rfe", "e_score", Said("E: little → much", "E：低 → 高"), "subjects")
    for key, column in (("abc", "class"), ("tiers", "value_tier")):
        groups = _grouped(facts.of("abc"), column)
        chart = _shares(facts, groups, sorted(groups, key=lambda name: (_TIERS.get(name, 0), name)))
        yield blocks.block(facts, key, "gold.abc_classes", "abc", chart=chart)
    yield kpi.trend(facts, "value_months", VALUE[1:2])


def _map(facts: Facts, scored: str, second: str, across: Said, counted: str, summed: str | None = None) -> Block:
    """R against F or E: each cell tells how many; the shade is the mean amount, or how many; on hovering its parts."""
    key, source, rows = f"{scored}_map", f"gold.{scored}_scores", facts.of(scored)
    if not rows:
        return blocks.block(facts, key, source, scored)
    count: dict[tuple[int, int], int] = defaultdict(int)
    total: dict[tuple[int, int], float] = defaultdict(float)
    for r in rows:
        at = r["r_score"], r[second]
        count[at] += r[counted]
        total[at] += (r[summed] or 0) if summed else r[counted]
    everyone = f"{sum(count.values()):,}"
    tiles = range(1, max(max(at) for at in count) + 1)

    def each(show: Callable[[tuple[int, int]], Any], otherwise: Any) -> list[list[Any]]:
        return [[show((r, s)) if (r, s) in count else otherwise for s in tiles] for r in tiles]

    def parts(at: tuple[int, int]) -> str:
        return f"{facts.exact(total[at], summed)} / {count[at]:,}" if summed else f"{count[at]:,} / {everyone}"

    chart = charts.heat(
        [str(t) for t in tiles],
        [str(t) for t in tiles],
        each(lambda at: total[at] / (count[at] if summed else 1), None),
        each(lambda at: f"{count[at]:,}", ""),
        each(parts, ""),
        across,
        Said("R: long ago → lately", "R：久远 → 最近"),
        PICTURED[summed or "count"],
    )
    return blocks.block(facts, key, source, scored, chart=chart)


def _segments(facts: Facts) -> Iterable[Block]:
    groups = _grouped(facts.of("rfm"), "segment")
    ranked = sorted(groups, key=lambda name: -groups[name]["money"])
    yield blocks.block(facts, "rfm_segments", "gold.rfm_scores", "rfm", chart=_shares(facts, groups, ranked))
    everyone, everything = (sum(group[of] for group in groups.values()) for of in ("members", "money"))
    rows = [
        [
            Cell(word(name)),
            blocks.number(facts, members),
            blocks.rate(facts, members, everyone),
            blocks.number(facts, money, "money"),
            blocks.rate(facts, money, everything, "money"),
            blocks.number(facts, money / members, "money", f"{facts.exact(money, 'money')} / {members:,}"),
        ]
        for name in ranked
        for members, money in [groups[name].values()]
    ]
    columns = headers("segment", "members", "of_members", "money", "of_money", "per_member")
    yield blocks.block(facts, "rfm_table", "gold.rfm_scores", "rfm", columns=columns, rows=rows)


def _grouped(rows: Sequence[Row], column: str) -> _Groups:
    """Members and money by a column."""
    sums: dict[str, dict[str, float]] = defaultdict(lambda: {"members": 0, "money": 0.0})
    for r in rows:
        sums[r[column]]["members"] += r["members"]
        sums[r[column]]["money"] += r["money"] or 0
    return sums


def _shares(facts: Facts, groups: _Groups, order: Sequence[str]) -> Spec | None:
    """Shares of members and of money, side by side."""
    series = []
    for of, form, color in (("members", "count", 2), ("money", "money", 1)):
        parts = [groups[name][of] for name in order]
        whole = sum(parts)
        hover = [f"{facts.exact(part, form)} / {facts.exact(whole, form)}" for part in parts]
        series.append(Series(HEADERS[f"of_{of}"], [], [blocks.ratio(p, whole) for p in parts], hover, color=color))
    return charts.ranking([word(name) for name in order], series, ".1%") if order else None
