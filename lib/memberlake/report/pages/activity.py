"""Activity: who came, who came back, who stayed away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from memberlake.report import blocks, charts, kpi, texts
from memberlake.report.blocks import Block, Cell
from memberlake.report.charts import Series
from memberlake.report.facts import Facts, Row
from memberlake.report.texts import HEADERS, Said, headers, word

_LIFECYCLE = {  # name and colour
    "new": (Said("new", "新增"), 3),
    "retained": (Said("retained", "留存"), 1),
    "resurrected": (Said("resurrected", "回流"), 4),
    "dormant": (Said("dormant", "沉睡"), 2),
    "active": (Said("active", "活跃"), 5),  # where its parts are not known
}
_OF = Said("of {active} active", "共 {active} 人活跃")


def content(facts: Facts) -> Iterable[Block]:
    names = ("active_subjects", "activity_rate", "visits", "orders_per_visit")
    yield kpi.figures_of(facts, "headline", names, more=estimated(facts, "estimated_figures"))
    yield active_days(facts)
    yield _lifecycle(facts, "active_months", "month")
    yield _lifecycle(facts, "active_weeks", "week")
    yield _retention(facts)
    yield _split(facts)


def active_days(facts: Facts) -> Block:
    rolling = sorted(
        {r["window"] for r in facts.of("actives") if r["window"].startswith("rolling_")},
        key=lambda w: int(w.partition("_")[2]),
    )
    names = {"day": Said("day", "日")} | {
        w: Said("last {n} days", "近 {n} 天").of(n=w.partition("_")[2]) for w in rolling
    }
    series = [
        Series(name, [str(r["period_end"]) for r in rows], [r["active"] for r in rows], color=n + 1)
        for n, (window, name) in enumerate(names.items())
        if (rows := _windows(facts, window))
    ]
    chart = charts.lines(series, ",.0f") if series else None
    return blocks.block(facts, "active_days", "gold.active_counts", "actives", chart=chart, more=estimated(facts))


def estimated(facts: Facts, key: str = "estimated") -> Said | None:
    """That counts are estimates, and how near they are."""
    errors = [r["relative_error"] for r in facts.of("actives") if r["relative_error"] is not None]
    return texts.UI[key].of(error=facts.written(max(errors), "share")) if errors else None


def _windows(facts: Facts, window: str) -> list[Row]:
    found = [r for r in facts.of("actives") if r["window"] == window and r["dimension"] == "all"]
    return sorted(found, key=lambda r: r["period_end"])


def _lifecycle(facts: Facts, key: str, window: str) -> Block:
    rows = _windows(facts, window)
    series = [
        Series(
            name,
            [blocks.month(r["period_start"]) if window == "month" else str(r["period_start"]) for r in rows],
            [_counted(r, part) for r in rows],
            [_OF.of(active=f"{r['active']:,}") for r in rows] if part in ("new", "retained", "resurrected") else (),
            color=color,
            running=[not r["is_complete"] for r in rows],
        )
        for part, (name, color) in _LIFECYCLE.items()
    ]
    chart = charts.bars(series, ",.0f", stacked=True) if rows else None
    # estimates know nobody as new
    more = estimated(facts) or blocks.begins(facts, "active", rows)
    return blocks.block(facts, key, "gold.active_counts", "actives", chart=chart, more=more)


def _counted(row: Row, part: str) -> int | None:
    """Who is dormant is drawn below zero, once nobody has time left to return; all actives where estimates know no
    parts of them."""
    count: int | None = row[part]
    if count is None or (part == "active" and row["new"] is not None) or (part == "dormant" and not row["is_complete"]):
        return None
    return -count if part == "dormant" else count


def _retention(facts: Facts) -> Block:
    at = {(r["cohort_start"], r["offset"]): r for r in facts.of("retention") if r["offset"] > 0}
    cohorts = sorted({cohort for cohort, _ in at}, reverse=True)  # the earliest is drawn on top
    offsets = sorted({offset for _, offset in at})

    def each(show: Callable[[Row], Any], otherwise: Any) -> list[list[Any]]:
        return [[show(at[c, o]) if (c, o) in at else otherwise for o in offsets] for c in cohorts]

    chart = charts.heat(
        [f"+{o}" for o in offsets],
        [blocks.month(c) for c in cohorts],
        each(lambda r: r["rate"], None),
        each(lambda r: f"{r['rate']:.0%}", ""),
        each(lambda r: f"{r['retained']:,} / {r['subjects']:,}", ""),
        Said("months later", "之后第几个月"),
        HEADERS["cohort"],
        ".1%",
    )
    return blocks.block(facts, "retention", "gold.retention", "retention", chart=chart if at else None)


def _split(facts: Facts) -> Block:
    months = [r for r in facts.of("actives") if r["window"] == "month" and r["dimension"] != "all"]
    last = max(months, key=lambda r: r["period_start"], default=None)
    period = blocks.period_name({**last, "period": "month"}) if last else texts.NONE
    rows = [
        [
            Cell(word(r["dimension"])),
            Cell(texts.value(r["dimension"], r["dimension_value"])),
            blocks.number(facts, r["active"]),
            blocks.number(facts, r["new"]),
        ]
        for r in sorted(months, key=lambda r: (r["dimension"], -r["active"]))
        if last and r["period_start"] == last["period_start"]
    ]
    columns = headers("dimension", "dimension_value", "active", "new")
    source, more = "gold.active_counts", estimated(facts)
    return blocks.block(facts, "active_split", source, "actives", columns=columns, rows=rows, period=period, more=more)
