"""Figures, pictures and tables of the metrics of gold.kpi, each with what it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from memberlake.kpi.metrics import CHANGES, METRICS
from memberlake.report import blocks, charts, texts
from memberlake.report.blocks import Block, Cell, Figure
from memberlake.report.charts import Series
from memberlake.report.facts import DEFINED, Defined, Facts, Row
from memberlake.report.texts import HEADERS, UI, Said, headers, same, word

TOP = 8  # values of a dimension that a table lists
BY_DIMENSION = ("new_registered_members", "register_to_purchase_rate", "activation_rate")  # and no others are listed so
OWN = ("cost_type", "method", "campaign", "goal")  # dimensions with a picture of their own


def block(facts: Facts, key: str, names: Iterable[str], needs: str = "kpi", **parts: Any) -> Block:
    """A block of the metrics of those names; what else it has: see `blocks.block`."""
    return blocks.block(facts, key, "gold.kpi", needs, defined=[DEFINED[name] for name in names], **parts)


def figures_of(facts: Facts, key: str, names: Sequence[str], more: Said | None = None) -> Block:
    figures = [made for name in names if (made := figure(facts, name))]
    return block(facts, key, [f.key for f in figures] or names, figures=figures, more=more)


def figure(facts: Facts, name: str) -> Figure | None:
    rows = facts.whole(name)
    if not rows:
        return None
    of, last = DEFINED[name], rows[-1]
    before = rows[-2] if len(rows) > 1 else None
    change, is_good = _change(last, before, of)
    return Figure(
        key=name,
        defined=of,
        value=facts.metric(last["value"], of, last["period"]),
        numerator=_part(facts, last, "numerator", of),
        denominator=_part(facts, last, "denominator", of),
        period=blocks.period_name(last),
        change=change,
        so_far=[cell.said for cell in _so_far(facts, name, of)] if _running(facts, name) else (),
        is_good=is_good,
        spark=charts.sparkline([r["value"] for r in rows[-13:]]),
    )


def _change(last: Row, before: Row | None, of: Defined) -> tuple[Said | None, bool | None]:
    if before is None or last["value"] is None or before["value"] is None:
        return None, None
    difference = last["value"] - before["value"]
    if of.is_slope or last["metric"] in CHANGES:
        return None, None  # a change of a change says nothing
    if of.form == "share":
        said = UI["points"].of(number=f"{difference * 100:+.1f}")
    elif before["value"]:
        said = same(f"{difference / abs(before['value']):+.1%}")
    else:
        return None, None
    if not re.search("[1-9]", said.en):  # too little to be seen
        return Said(*(f"±{text[1:]}" for text in said)), None
    return said, None if not of.direction else (difference > 0) == (of.direction > 0)


def _running(facts: Facts, name: str) -> Row | None:
    """The month that is not over."""
    last = facts.series(name, "month")[-1]
    return None if last["is_complete"] else last


def _so_far(facts: Facts, name: str, of: Defined) -> list[Cell]:
    """The month that is not over, and as many days of the month before, of which no parts are kept."""
    row = _running(facts, name)
    return [_value(facts, row, of), _metric(facts, row["same_days_before"] if row else None, of, "month")]


def _part(facts: Facts, row: Row, which: str, of: Defined) -> Said:
    value = row[which]
    if value is None or of.is_slope:  # a slope is made of many numbers
        return texts.NONE
    return facts.written(value, of.parts[which == "denominator"])


def _parts(facts: Facts, row: Row, of: Defined) -> list[Cell]:
    return [Cell(_part(facts, row, which, of), True) for which in ("numerator", "denominator")]


def fraction(facts: Facts, row: Row, of: Defined) -> str:
    """Numerator and denominator, exact."""
    if row["denominator"] is None:
        return ""
    parts = zip((row["numerator"] or 0, row["denominator"]), of.parts, strict=True)
    return " / ".join(facts.exact(value, form) for value, form in parts)


def by_month(facts: Facts, name: str, rows: Sequence[Row], color: int) -> Series:
    """A metric over months, on hovering its numerator and denominator."""
    months, running = [blocks.month(r["period_start"]) for r in rows], [not r["is_complete"] for r in rows]
    hover = [fraction(facts, r, DEFINED[name]) for r in rows]
    return Series(DEFINED[name].label, months, [r["value"] for r in rows], hover, color, running)


def trend(facts: Facts, key: str, names: Sequence[str], *, as_bars: bool = False, more: Said | None = None) -> Block:
    """The metrics over months, those that are there."""
    shown = {name: rows for name in names if (rows := facts.series(name, "month"))}
    series = [by_month(facts, name, rows, n) for n, (name, rows) in enumerate(shown.items(), 1)]
    form = texts.PICTURED[DEFINED[next(iter(shown or names))].form]
    chart = (charts.bars if as_bars else charts.lines)(series, form) if series else None
    return block(facts, key, shown or names, chart=chart, more=more)


def pivot(
    facts: Facts, key: str, dimension: str, names: Sequence[str], named: Mapping[Any, Said], needs: str = "kpi"
) -> Block:
    """A row for each value of a dimension, the metrics of the latest whole month beside each other; the values that
    have most of the first metric."""
    found = [(name, r) for name in names for r in latest(facts, name, dimension)]
    month = max(((r["is_complete"], r["period_start"]) for _, r in found), default=None)
    at = {(r["dimension_value"], name): r for name, r in found if (r["is_complete"], r["period_start"]) == month}
    # what has no row of its own, such as no cost, may be a part of another: 0 / ¥200
    parts = {
        (value, measure): r[part]
        for (value, name), r in at.items()
        for part in ("numerator", "denominator")
        if (measure := getattr(METRICS[name], part))
    }

    def cell(value: str, name: str) -> Cell:
        if r := at.get((value, name)):
            return _value(facts, r, DEFINED[name])
        known = None if METRICS[name].denominator else parts.get((value, METRICS[name].numerator))
        return _metric(facts, known, DEFINED[name], "month")

    nothing: Row = {"numerator": None}
    values = sorted({value for value, _ in at}, key=lambda v: (-(at.get((v, names[0]), nothing)["numerator"] or 0), v))
    shown = values[: 2 * TOP]
    columns = [HEADERS[dimension], *[DEFINED[name].label for name in names]]
    rows = [
        [Cell(named.get(value) or texts.value(dimension, value), mark="name"), *[cell(value, name) for name in names]]
        for value in shown
    ]
    more = blocks.largest(len(shown), len(values), DEFINED[names[0]].label)
    shown_in = blocks.period_of([*at.values()])
    return block(facts, key, names, needs, columns=columns, rows=rows, more=more, month=shown_in)


def all_metrics(facts: Facts) -> Block:
    rows = []
    for name, of in DEFINED.items():
        found = facts.whole(name)
        if not found:
            continue
        last, before = found[-1], found[-2] if len(found) > 1 else None
        # alike within a metric, for columns hold all of them
        values = blocks.aligned(facts, [_value(facts, r, of) for r in (last, before)] + _so_far(facts, name, of))
        month = Cell(blocks.period_name(last), mark="whole")
        rows.append([Cell(of.label), month, *values[:2], *_parts(facts, last, of), *values[2:]])
    columns = [HEADERS["metric"], texts.UI["period"]]
    columns += headers("value", "before", "numerator", "denominator", "running", "same_days")
    return block(facts, "all_metrics", DEFINED, columns=columns, rows=rows)


def by_dimension(facts: Facts) -> Block:
    """The metrics of the latest whole month by dimension, a dimension's largest values first."""
    rows, used = [], []
    for name in BY_DIMENSION:
        split = {
            dimension: found
            for (metric, period, dimension), found in sorted(facts.by_metric.items())
            if (metric, period) == (name, "month") and dimension not in {"all", *OWN}
        }
        months = [(r["is_complete"], r["period_start"]) for found in split.values() for r in found]
        if not months:
            continue
        used.append(name)
        for dimension, found in split.items():
            of_month = [r for r in found if (r["is_complete"], r["period_start"]) == max(months)]
            rows += _largest(facts, DEFINED[name], dimension, of_month)
    columns = headers("metric", "dimension", "dimension_value", "value", "numerator", "denominator")
    return block(facts, "by_dimension", used or BY_DIMENSION, columns=columns, rows=rows, top=TOP)


def _largest(facts: Facts, of: Defined, dimension: str, found: Sequence[Row]) -> list[list[Cell]]:
    """Lines of the largest values of a dimension, and one that counts the others."""
    ranked = sorted(found, key=lambda r: -(r["denominator"] or r["numerator"] or 0))
    lines = [
        [Cell(texts.value(dimension, r["dimension_value"])), _value(facts, r, of), *_parts(facts, r, of)]
        for r in ranked[:TOP]
    ]
    if (others := ranked[0]["values"] - TOP) > 0:
        lines.append([Cell(UI["others"].of(number=others)), *[Cell(texts.NONE, True)] * 3])
    return [[Cell(of.label), Cell(word(dimension)), *line] for line in lines]


def latest(facts: Facts, metric: str, dimension: str) -> list[Row]:
    """The metric's values of a dimension in its latest whole month, the largest first."""
    rows = facts.whole(metric, "month", dimension)
    latest = [r for r in rows if r["period_start"] == rows[-1]["period_start"]]
    return sorted(latest, key=lambda r: -(r["numerator"] or 0))


def _metric(facts: Facts, value: float | None, of: Defined, period: str, hover: str = "") -> Cell:
    amount = value if of.form == "money" and not of.is_slope else None
    return Cell(facts.metric(value, of, period), True, hover, amount=amount)


def _value(facts: Facts, row: Row | None, of: Defined) -> Cell:
    """A row of gold.kpi; on hovering its numerator and denominator."""
    if row is None:
        return Cell(texts.NONE, True)
    return _metric(facts, row["value"], of, row["period"], fraction(facts, row, of))
