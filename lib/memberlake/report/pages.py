"""The pages of the report: figures, pictures and tables, from the small frames' rows. Nothing here knows HTML."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

from memberlake.kpi.metrics import CHANGES, COHORT, METRICS, Metric
from memberlake.report import charts, texts
from memberlake.report.charts import Series, Spec
from memberlake.report.texts import BLOCKS, HEADERS, MISSING, Said, number, same, word

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]


class Defined(NamedTuple):
    """What a metric is.

    Attributes:
        form: how its value is written: count, money, share, ratio or slope.
        direction: 1 when up is good, -1 when up is bad, 0 when neither.
    """

    label: Said
    sentence: Said
    formula: Said
    form: str
    direction: int
    source: str = "gold.kpi"


_FORMS = {"money": "money", "share": "share", "ratio": "ratio", "slope": "slope"}  # any other unit is counted


def defined(metric: Metric) -> Defined:
    return Defined(
        Said(metric.en, metric.zh),
        Said(metric.sentence, ""),  # in Chinese the formula says it
        Said(metric.formula, metric.formula_zh),
        _FORMS.get(metric.unit, "count"),
        {"up": 1, "down": -1, "neither": 0}[metric.good],
        f"gold.kpi ← {', '.join(metric.sources)}",
    )


DEFINED = {name: defined(metric) for name, metric in METRICS.items()}


class Cell(NamedTuple):
    said: Said
    is_number: bool = False
    hover: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Figure:
    """A number with everything that it is made of."""

    key: str
    defined: Defined
    value: Said
    numerator: Said
    denominator: Said
    period: Said
    change: Said | None = None
    is_good: bool | None = None
    spark: str = ""
    so_far: Sequence[Said] = ()  # the month that runs, and the same days of the one before


@dataclass(frozen=True)
class Block:
    """A part of a page: figures, a picture, a table; or what is missing, and the command that brings it."""

    key: str
    source: str
    title: Said
    note: Said
    figures: Sequence[Figure] = ()
    chart: Spec | None = None
    columns: Sequence[Said] = ()
    rows: Sequence[Sequence[Cell]] = ()
    defined: Sequence[Defined] = ()
    missing: Said | None = None
    command: str = ""

    @property
    def is_half(self) -> bool:
        """Two of these stand side by side on a wide screen."""
        return self.key in _HALVES


_HALVES = {
    *(
        "funnel",
        "reachable",
        "active_months",
        "active_weeks",
        "abc",
        "tiers",
        "churn_rate",
        "movement",
        "churned",
        "risk",
    ),
    *("churn_rules", "factors", "coupon_funnel", "coupon_months", "coupon_status", "mapping", "review", "flags"),
    *("attribution", "by_goal"),
}


@dataclass(frozen=True)
class Page:
    key: str
    title: Said
    about: Said
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Facts:
    """What the pages are made of.

    Attributes:
        rows: the rows of `data.small`, by name.
        place: the lake, as commands name it.
        versions: table to its Delta version and the instant of its last change (UTC).
    """

    rows: Rows
    as_of: date
    place: str
    currency: str
    versions: Mapping[str, tuple[int, Any]] = field(default_factory=dict)

    def of(self, name: str) -> Sequence[Row]:
        return self.rows.get(name, ())

    def written(self, value: float | None, form: str) -> Said:
        return number(value, form, self.currency)

    @property
    def run(self) -> Row | None:
        """The run that writes this report, in ops.runs; None outside a recorded run."""
        return next((r for r in self.of("jobs") if r["job"] == "report" and r["state"] == "running"), None)

    def command(self, job: str) -> str:
        return f"memberlake run {job} --lake {shlex.quote(self.place)} --as-of {self.as_of}"

    def show(self, table: str) -> str:
        return f"memberlake show {table} --lake {shlex.quote(self.place)} --limit 0"

    def series(self, metric: str, period: str, dimension: str = "all") -> list[Row]:
        """The metric's rows of a period, the earliest first."""
        return self.by_metric.get((metric, period, dimension), [])

    @cached_property
    def by_metric(self) -> dict[tuple[str, str, str], list[Row]]:
        """Rows of gold.kpi by metric, period and dimension, the earliest first."""
        found = defaultdict(list)
        for r in sorted(self.of("kpi"), key=lambda r: (r["period_start"], str(r["dimension_value"]))):
            found[r["metric"], r["period"], r["dimension"]].append(r)
        return dict(found)

    def whole(self, metric: str, period: str = "month", dimension: str = "all") -> list[Row]:
        """Those of periods that are over; where none is, those of the one that runs."""
        found = self.series(metric, period, dimension)
        return [r for r in found if r["is_complete"]] or [
            r for r in found if r["period_start"] == found[-1]["period_start"]
        ]


def every(facts: Facts) -> list[Page]:
    """All pages, in the order of the navigation."""
    made: dict[str, Callable[[Facts], Iterable[Block]]] = {
        "index": _overview,
        "members": _members,
        "activity": _activity,
        "value": _value,
        "churn": _churn,
        "coupons": _coupons,
        "money": _money,
        "models": _models,
        "alerts": _alerts,
        "quality": _quality,
    }
    return [Page(key, *texts.PAGES[key], [*made[key](facts)]) for key in texts.PAGES]


# ---- figures of gold.kpi

HEADLINE = (
    "purchasing_members",
    "new_registered_members",
    "new_purchasing_members",
    "revenue",
    "average_order_value",
    "repurchase_rate",
    "coupon_order_ratio",
    "marketing_cost_ratio",
    "churn_rate",
    "movement_ratio",
    "register_to_purchase_rate",
    "activity_rate",
)
MEMBERS = (
    "registered_members",
    "activated_members",
    "purchasing_members",
    "activation_rate",
    "register_to_purchase_rate",
    "activate_to_purchase_rate",
)
NEW = ("new_registered_members", "new_activated_members", "new_purchasing_members")
VALUE = (
    "repurchase_rate",
    "average_order_value",
    "lifetime_value",
    "lifetime_orders",
    "lifetime_average_order_value",
    "orders_per_member",
)
MOVEMENT = (
    "churned_members",
    "returned_members",
    "churn_rate",
    "churn_rate_trend",
    "churned_share",
    "movement_ratio",
    "movement_ratio_trend",
)
UNIT = (
    "revenue_per_registration",
    "revenue_per_order",
    "revenue_per_member",
    "cost_per_registration",
    "cost_per_order",
    "cost_per_member",
    "cost_per_winback",
    "cost_per_lead",
    "cost_per_goal",
)
CAMPAIGN = ("marketing_cost", "marketing_revenue", "marketing_cost_ratio", "leads", "cost_per_lead")
COUPON = (
    "coupon_member_ratio",
    "coupon_amount_ratio",
    "coupon_order_ratio",
    "coupon_aov",
    "no_coupon_aov",
    "coupon_repurchase_rate",
    "no_coupon_repurchase_rate",
)


def _figures(facts: Facts, key: str, names: Sequence[str]) -> Block:
    figures = [figure for name in names if (figure := _figure(facts, name))]
    return _block(facts, key, "gold.kpi", "kpi", figures=figures, defined=[f.defined for f in figures])


def _figure(facts: Facts, name: str) -> Figure | None:
    rows = facts.whole(name)
    if not rows:
        return None
    of, last = DEFINED[name], rows[-1]
    before = rows[-2] if len(rows) > 1 else None
    change, is_good = _change(last, before, of)
    return Figure(
        key=name,
        defined=of,
        value=facts.written(last["value"], of.form),
        numerator=_part(facts, last, "numerator", of),
        denominator=_part(facts, last, "denominator", of),
        period=_period_name(last),
        change=change,
        so_far=[cell.said for cell in _so_far(facts, name, of)] if _running(facts, name) else (),
        is_good=is_good,
        spark=charts.sparkline([r["value"] for r in rows[-13:]]),
    )


def _change(last: Row, before: Row | None, of: Defined) -> tuple[Said | None, bool | None]:
    if before is None or last["value"] is None or before["value"] is None:
        return None, None
    difference = last["value"] - before["value"]
    if of.form == "slope" or last["metric"] in CHANGES:
        return None, None  # a change of a change tells nothing
    if of.form == "share":
        said = Said(f"{difference * 100:+.1f} points", f"{difference * 100:+.1f} 个百分点")
        said = said if abs(difference) >= 0.0005 else same("±0.0")
    elif before["value"]:
        said = same(f"{difference / abs(before['value']):+.1%}")
    else:
        return None, None
    return said, None if not difference or not of.direction else (difference > 0) == (of.direction > 0)


def _running(facts: Facts, name: str) -> Row | None:
    """The month that is not over."""
    last = facts.series(name, "month")[-1]
    return None if last["is_complete"] else last


def _so_far(facts: Facts, name: str, of: Defined) -> list[Cell]:
    """The month that is not over, and as many days of the month before."""
    row = _running(facts, name) or {"value": None}
    return [_number(facts, row["value"], of.form), _number(facts, row.get("same_days_before"), of.form)]


def _part(facts: Facts, row: Row, which: str, of: Defined) -> Said:
    value = row[which]
    if value is None:
        return texts.NONE
    money = of.form == "money" and which == "numerator"
    return facts.written(value, "money" if money else "count") if value % 1 == 0 or money else same(f"{value:,.2f}")


def _period_name(row: Row) -> Said:
    start, period = row["period_start"], row["period"]
    name = f"{start:%Y-%m}" if period == "month" else f"{start:%G-W%V}" if period == "week" else f"{start}"
    return same(name) if row["is_complete"] else Said(f"{name}, to date", f"{name}（至今）")


def _fraction(row: Row) -> str:
    if row["denominator"] is None:
        return ""
    return f"{row['numerator'] or 0:,.10g} / {row['denominator']:,.10g}"


_D3 = {"count": ",.0f", "money": ",.0f", "share": ".1%", "days": ",.1f", "ratio": ",.2f", "slope": "+.4f"}


def _trend(facts: Facts, key: str, names: Sequence[str], *, as_bars: bool = False) -> Block:
    """The metrics over months, those that are there."""
    shown = [name for name in names if facts.series(name, "month")]
    series = [
        Series(
            DEFINED[name].label,
            [_month(r["period_start"]) for r in rows],
            [r["value"] for r in rows],
            [_fraction(r) for r in rows],
            color=n + 1,
            running=[not r["is_complete"] for r in rows],
        )
        for n, name in enumerate(shown)
        if (rows := facts.series(name, "month"))
    ]
    form = _D3[DEFINED[shown[0]].form] if shown else ",.0f"
    chart = (charts.bars if as_bars else charts.lines)(series, form) if series else None
    return _block(facts, key, "gold.kpi", "kpi", chart=chart, defined=[DEFINED[n] for n in shown])


def _month(start: date) -> str:
    return f"{start:%Y-%m}"


def _pivot(facts: Facts, key: str, dimension: str, names: Sequence[str], named: Mapping[Any, Said]) -> Block:
    """A row for each value of a dimension, the metrics of the latest whole month beside each other."""
    at = {(r["dimension_value"], name): r for name in names for r in _latest(facts, name, dimension)}
    values = sorted(
        {value for value, _ in at}, key=lambda v: -max(r["numerator"] or 0 for (w, _), r in at.items() if w == v)
    )
    columns = [word(dimension), *[DEFINED[name].label for name in names]]
    rows = [
        [
            Cell(named.get(value) or word(value)),
            *[
                _number(facts, r["value"], DEFINED[name].form, _fraction(r))
                if (r := at.get((value, name)))
                else Cell(texts.NONE, True)
                for name in names
            ],
        ]
        for value in values[: 2 * TOP]
    ]
    return _block(facts, key, "gold.kpi", "kpi", columns=columns, rows=rows, defined=[DEFINED[name] for name in names])


TOP = 8  # values of a dimension that a table lists
_OWN = ("reach", "cost_type", "method", "campaign", "goal", "permanence")  # dimensions with a picture of their own


def _all_metrics(facts: Facts) -> Block:
    rows = []
    for name, of in DEFINED.items():
        found = facts.whole(name)
        if not found:
            continue
        last, before = found[-1], found[-2] if len(found) > 1 else None
        rows.append(
            [
                Cell(of.label),
                Cell(_period_name(last)),
                _number(facts, last["value"], of.form),
                _number(facts, before["value"] if before else None, of.form),
                Cell(_part(facts, last, "numerator", of), True),
                Cell(_part(facts, last, "denominator", of), True),
                *_so_far(facts, name, of),
            ]
        )
    columns = [HEADERS["metric"], texts.UI["period"]]
    columns += [HEADERS[c] for c in ("value", "before", "numerator", "denominator", "running", "same_days")]
    return _block(facts, "all_metrics", "gold.kpi", "kpi", columns=columns, rows=rows, defined=[*DEFINED.values()])


def _by_dimension(facts: Facts, names: Sequence[str]) -> Block:
    """The metrics of the latest whole month by dimension, a dimension's largest values first."""
    rows = []
    used = []
    for name in names:
        split = [
            r
            for (metric, period, dimension), found in facts.by_metric.items()
            if (metric, period) == (name, "month") and dimension not in {"all", *_OWN}
            for r in found
        ]
        months = sorted({r["period_start"] for r in split if r["is_complete"]} or {r["period_start"] for r in split})
        if not months:
            continue
        of = DEFINED[name]
        used.append(of)
        by = defaultdict(list)
        for r in split:
            if r["period_start"] == months[-1]:
                by[r["dimension"]].append(r)
        for dimension, values in sorted(by.items()):
            for r in sorted(values, key=lambda r: -(r["denominator"] or r["numerator"] or 0))[:TOP]:
                rows.append(
                    [
                        Cell(of.label),
                        Cell(word(dimension)),
                        Cell(word(r["dimension_value"])),
                        _number(facts, r["value"], of.form, _fraction(r)),
                        Cell(_part(facts, r, "numerator", of), True),
                        Cell(_part(facts, r, "denominator", of), True),
                    ]
                )
    columns = [HEADERS[c] for c in ("metric", "dimension", "dimension_value", "value", "numerator", "denominator")]
    return _block(facts, "by_dimension", "gold.kpi", "kpi", columns=columns, rows=rows, defined=used)


# ---- the pages


def _overview(facts: Facts) -> Iterable[Block]:
    yield _figures(facts, "headline", HEADLINE)
    yield _alert_table(facts, "open_alerts", [a for a in facts.of("alerts") if a["state"] == "open"][:8])
    yield _revenue_change(facts)
    yield _active_days(facts)
    yield _trend(facts, "new_members", NEW, as_bars=True)
    yield _all_metrics(facts)


def _revenue_change(facts: Facts) -> Block:
    """What moved revenue in the last whole month: its parts add up to the change."""
    found = [(n, rows[-1]) for n in CHANGES[1:] if (rows := facts.whole(n))]
    series = [
        Series(
            word("rose" if rose else "fell"),
            [],
            [r["value"] if r["value"] is not None and (r["value"] >= 0) == rose else None for _, r in found],
            [_period_name(r).en for _, r in found],
            color=1 if rose else 2,
        )
        for rose in (True, False)
    ]
    total = facts.whole(CHANGES[0])[-1:]
    chart = (
        charts.ranking(
            [Said(*(said.removeprefix("... ") for said in DEFINED[n].label)) for n, _ in found],
            series,
            ",.0f",
            one_each=True,
        )
        if found and total
        else None
    )
    figures = [figure for n in ("revenue", CHANGES[0]) if (figure := _figure(facts, n))] if chart else []
    return _block(
        facts, "revenue_change", "gold.kpi", "kpi", chart=chart, figures=figures, defined=[DEFINED[n] for n in CHANGES]
    )


def _members(facts: Facts) -> Iterable[Block]:
    yield _figures(facts, "headline", MEMBERS)
    steps = [(n, rows[-1]) for n in MEMBERS[:3] if (rows := facts.whole(n))]
    funnel = Series(HEADERS["members"], [], [r["value"] for _, r in steps])
    yield _block(
        facts,
        "funnel",
        "gold.kpi",
        "kpi",
        chart=charts.ranking([DEFINED[n].label for n, _ in steps], [funnel], ",.0f") if steps else None,
        defined=[DEFINED[n] for n, _ in steps],
    )
    yield _reachable(facts)
    yield _trend(facts, "new_members", NEW, as_bars=True)
    yield _trend(facts, "conversion", [*MEMBERS[3:5], *COHORT])
    yield _by_dimension(facts, ["new_registered_members", "register_to_purchase_rate", "activation_rate"])


def _reachable(facts: Facts) -> Block:
    latest = _latest(facts, "reachable_members", "reach")
    total = facts.whole("reachable_members")[-1:]
    rows = [(Said("any channel", "任一渠道"), r) for r in total] + [(word(r["dimension_value"]), r) for r in latest]
    registered = facts.whole("registered_members")[-1:]
    hover = [f"{r['value']:,.0f} / {registered[0]['value']:,.0f}" if registered else "" for _, r in rows]
    series = Series(HEADERS["members"], [], [r["value"] for _, r in rows], hover)
    chart = charts.ranking([name for name, _ in rows], [series], ",.0f") if rows else None
    return _block(facts, "reachable", "gold.kpi", "kpi", chart=chart, defined=[DEFINED["reachable_members"]])


def _latest(facts: Facts, metric: str, dimension: str) -> list[Row]:
    """The metric's values of a dimension in its latest whole month, the largest first."""
    rows = facts.whole(metric, "month", dimension)
    latest = [r for r in rows if r["period_start"] == rows[-1]["period_start"]]
    return sorted(latest, key=lambda r: -(r["numerator"] or 0))


def _activity(facts: Facts) -> Iterable[Block]:
    yield _figures(facts, "headline", ("active_subjects", "activity_rate", "visits", "orders_per_visit"))
    yield _active_days(facts)
    for key, window in (("active_months", "month"), ("active_weeks", "week")):
        rows = _windows(facts, window)
        x = [f"{r['period_start']:%Y-%m}" if window == "month" else str(r["period_start"]) for r in rows]
        parts = (("new", 3), ("retained", 1), ("resurrected", 4), ("dormant", 2))
        series = [
            Series(
                _LIFECYCLE[part],
                x,
                [-(r[part] or 0) if part == "dormant" else r[part] or 0 for r in rows],
                [f"{r['active']:,}" for r in rows],
                color=color,
                running=[not r["is_complete"] for r in rows],
            )
            for part, color in parts
        ]
        yield _block(
            facts,
            key,
            "gold.active_counts",
            "actives",
            chart=charts.bars(series, ",.0f", stacked=True) if rows else None,
        )
    yield _retention(facts)
    months = [r for r in facts.of("actives") if r["window"] == "month" and r["dimension"] != "all"]
    latest = max((r["period_start"] for r in months), default=None)
    split = sorted((r for r in months if r["period_start"] == latest), key=lambda r: (r["dimension"], -r["active"]))
    columns = [HEADERS[c] for c in ("dimension", "dimension_value", "active", "new")]
    rows_ = [
        [
            Cell(word(r["dimension"])),
            Cell(word(r["dimension_value"])),
            _number(facts, r["active"]),
            _number(facts, r["new"]),
        ]
        for r in split
    ]
    yield _block(facts, "active_split", "gold.active_counts", "actives", columns=columns, rows=rows_)


_LIFECYCLE = {
    "new": Said("new", "新增"),
    "retained": Said("retained", "留存"),
    "resurrected": Said("resurrected", "回流"),
    "dormant": Said("dormant", "沉睡"),
}


def _windows(facts: Facts, window: str) -> list[Row]:
    found = [r for r in facts.of("actives") if r["window"] == window and r["dimension"] == "all"]
    return sorted(found, key=lambda r: r["period_end"])


def _active_days(facts: Facts) -> Block:
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
    return _block(
        facts, "active_days", "gold.active_counts", "actives", chart=charts.lines(series, ",.0f") if series else None
    )


def _retention(facts: Facts) -> Block:
    rows = facts.of("retention")
    at = {(r["cohort_start"], r["offset"]): r for r in rows if r["offset"] > 0}
    cohorts = sorted({cohort for cohort, _ in at}, reverse=True)  # the earliest is drawn on top
    offsets = sorted({offset for _, offset in at})

    def each(show: Callable[[Row], Any], otherwise: Any) -> list[list[Any]]:
        return [[show(at[c, o]) if (c, o) in at else otherwise for o in offsets] for c in cohorts]

    chart = charts.heat(
        [f"+{o}" for o in offsets],
        [_month(c) for c in cohorts],
        each(lambda r: r["rate"], None),
        each(lambda r: f"{r['rate']:.0%}", ""),
        each(lambda r: f"{r['retained']:,} / {r['subjects']:,}", ""),
        Said("months later", "之后第几个月"),
        HEADERS["cohort"],
        ".1%",
    )
    return _block(facts, "retention", "gold.retention", "retention", chart=chart if at else None)


def _value(facts: Facts) -> Iterable[Block]:
    yield _figures(facts, "headline", VALUE)
    rows = facts.of("rfm")
    money = Said("mean amount", "人均金额")
    yield _map(facts, "rfm_map", "gold.rfm_scores", "rfm", rows, "f_score", "members", "money", money)
    yield from _segments(facts, rows)
    yield _map(facts, "rfe_map", "gold.rfe_scores", "rfe", facts.of("rfe"), "e_score", "subjects", None, None)
    for key, column in (("abc", "class"), ("tiers", "value_tier")):
        groups = _grouped(facts.of("abc"), column)
        chart = _shares([(word(name), groups[name]) for name in sorted(groups, key=_best_first)]) if groups else None
        yield _block(facts, key, "gold.abc_classes", "abc", chart=chart)
    yield _trend(facts, "value_months", VALUE[1:2])


def _map(
    facts: Facts,
    key: str,
    source: str,
    needs: str,
    rows: Sequence[Row],
    second: str,
    counted: str,
    summed: str | None,
    per_one: Said | None,
) -> Block:
    """R against F or E: each cell tells how many; the shade is the mean amount, or how many."""
    if not rows:
        return _block(facts, key, source, needs)
    count: dict[tuple[int, int], int] = defaultdict(int)
    total: dict[tuple[int, int], float] = defaultdict(float)
    for r in rows:
        at = r["r_score"], r[second]
        count[at] += r[counted]
        total[at] += (r[summed] or 0) if summed else r[counted]
    tiles = range(1, max(max(at) for at in count) + 1)
    cells = [[(r, s) for s in tiles] for r in tiles]
    shade = [[total[at] / (count[at] if summed else 1) if at in count else None for at in line] for line in cells]
    written = [[f"{count[at]:,}" if at in count else "" for at in line] for line in cells]
    everyone = sum(count.values())
    hover = [[f"{count[at]:,} / {everyone:,}" if at in count else "" for at in line] for line in cells]
    letter = {"f_score": Said("F: rarely → often", "F：少 → 多"), "e_score": Said("E: little → much", "E：低 → 高")}
    chart = charts.heat(
        [str(t) for t in tiles],
        [str(t) for t in tiles],
        shade,
        written,
        hover,
        letter[second],
        Said("R: long ago → lately", "R：久远 → 最近"),
        ",.0f",
    )
    return _block(facts, key, source, needs, chart=chart)


def _best_first(name: str) -> tuple[int, str]:
    return (("high", "middle", "low").index(name) if name in ("high", "middle", "low") else 0, name)


def _grouped(rows: Sequence[Row], column: str) -> dict[str, dict[str, float]]:
    """Members and money by a column."""
    sums: dict[str, dict[str, float]] = defaultdict(lambda: {"members": 0, "money": 0.0})
    for r in rows:
        sums[r[column]]["members"] += r["members"]
        sums[r[column]]["money"] += r["money"] or 0
    return sums


def _segments(facts: Facts, rows: Sequence[Row]) -> Iterable[Block]:
    groups = _grouped(rows, "segment")
    ranked = sorted(groups, key=lambda name: -groups[name]["money"])
    chart = _shares([(word(name), groups[name]) for name in ranked]) if ranked else None
    yield _block(facts, "rfm_segments", "gold.rfm_scores", "rfm", chart=chart)
    everyone, everything = (sum(group[of] for group in groups.values()) for of in ("members", "money"))
    columns = [HEADERS[c] for c in ("segment", "members", "of_members", "money", "of_money", "per_member")]
    cells = [
        [
            Cell(word(name)),
            _number(facts, members),
            _rate(facts, members, everyone),
            _number(facts, money, "money"),
            _rate(facts, money, everything),
            _number(facts, money / members, "money", f"{money:,.2f} / {members:,}"),
        ]
        for name in ranked
        for members, money in [groups[name].values()]
    ]
    yield _block(facts, "rfm_table", "gold.rfm_scores", "rfm", columns=columns, rows=cells)


def _shares(named: Sequence[tuple[Said, Row]]) -> Spec:
    """Shares of members and of money, side by side."""
    everyone = sum(r["members"] for _, r in named)
    everything = sum(r["money"] or 0 for _, r in named)
    members = Series(
        HEADERS["of_members"],
        [],
        [r["members"] / everyone for _, r in named],
        [f"{r['members']:,} / {everyone:,}" for _, r in named],
        color=2,
    )
    money = Series(
        HEADERS["of_money"],
        [],
        [(r["money"] or 0) / everything if everything else None for _, r in named],
        [f"{r['money'] or 0:,.2f} / {everything:,.2f}" for _, r in named],
        color=1,
    )
    return charts.ranking([name for name, _ in named], [members, money], ".1%")


def _churn(facts: Facts) -> Iterable[Block]:
    yield _figures(facts, "headline", MOVEMENT)
    yield _trend(facts, "churn_rate", ("churn_rate", "churned_share"))
    yield _trend(facts, "movement", ("new_purchasing_members", "churned_members"), as_bars=True)
    rows = facts.of("churned")
    said = sorted(
        ((word(r["kind"]), word(r["permanence"]), r["members"]) for r in rows if r["is_churned"]), key=lambda r: -r[2]
    )
    names = [Said("not churned", "未流失"), *[Said(f"{k.en}, {p.en}", f"{k.zh}，{p.zh}") for k, p, _ in said]]
    counts = [sum(r["members"] for r in rows if not r["is_churned"]), *[n for _, _, n in said]]
    everyone = sum(counts)
    series = Series(HEADERS["members"], [], counts, [f"{n:,} / {everyone:,}" for n in counts])
    yield _block(
        facts,
        "churned",
        "gold.churn_status",
        "churned",
        chart=charts.ranking(names, [series], ",.0f") if rows else None,
    )
    columns = [HEADERS["rule"], HEADERS["members"], HEADERS["of_members"]]
    yield _block(
        facts,
        "churn_rules",
        "gold.churn_status",
        "churned",
        columns=columns,
        rows=[
            [
                Cell(word(r["rule"])),
                _number(facts, r["members"]),
                _number(
                    facts, r["members"] / everyone if everyone else None, "share", f"{r['members']:,} / {everyone:,}"
                ),
            ]
            for r in facts.of("churn_rules")
        ],
    )
    yield from _risk(facts)


def _risk(facts: Facts) -> Iterable[Block]:
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
    yield _block(
        facts, "risk", "gold.churn_scores", "risks", chart=charts.bars(series, ",.0f", stacked=True) if rows else None
    )
    columns = [HEADERS[c] for c in ("feature", "members", "effect")]
    yield _block(
        facts,
        "factors",
        "gold.churn_scores",
        "risks",
        columns=columns,
        rows=[
            [Cell(word(r["feature"])), _number(facts, r["members"]), _number(facts, r["effect"], "ratio")]
            for r in facts.of("factors")
        ],
    )


def _coupons(facts: Facts) -> Iterable[Block]:
    months = sorted(facts.of("coupon_months"), key=lambda r: r["month"])[-12:]
    steps = ("issued", "claimed", "redeemed", "returned", "expired")
    totals = [sum(r[step] or 0 for r in months) for step in steps]
    first = next((n for n in totals if n), 0)
    series = Series(HEADERS["vouchers"], [], totals, [f"{n:,} / {first:,}" for n in totals])
    names = [HEADERS[step] for step in steps]
    source = "gold.coupon_funnel"
    yield _block(
        facts, "coupon_funnel", source, "coupons", chart=charts.ranking(names, [series], ",.0f") if months else None
    )
    by_month = [
        Series(HEADERS[step], [_month(r["month"]) for r in months], [r[step] for r in months], color=n + 1)
        for n, step in enumerate(steps[:3])
    ]
    rate = Series(
        HEADERS["redemption_rate"],
        [_month(r["month"]) for r in months],
        [_ratio(r["redeemed"], r["issued"]) for r in months],
        [f"{r['redeemed']:,} / {r['issued']:,}" for r in months],
        color=5,
    )
    yield _block(
        facts, "coupon_months", source, "coupons", chart=charts.bars(by_month, ",.0f", line=rate) if months else None
    )
    yield _coupon_campaigns(facts)
    yield _coupon_runs(facts)
    yield from _mapping(facts)


def _coupon_campaigns(facts: Facts) -> Block:
    named = _campaigns(facts)
    columns = [HEADERS[c] for c in ("campaign", "issued", "claimed", "redeemed", "redemption_rate", "redeemed_amount")]
    rows = [
        [
            Cell(named.get(r["campaign_id"]) or same(r["campaign_id"])),
            _number(facts, r["issued"]),
            _number(facts, r["claimed"]),
            _number(facts, r["redeemed"]),
            _rate(facts, r["redeemed"], r["issued"]),
            _number(facts, r["redeemed_amount"], "money"),
        ]
        for r in facts.of("coupon_campaigns")
    ]
    return _block(facts, "coupon_campaigns", "gold.coupon_funnel", "coupons", columns=columns, rows=rows)


def _coupon_runs(facts: Facts) -> Block:
    named = _campaigns(facts)
    columns = [
        HEADERS[c]
        for c in (
            "coupon",
            "run",
            "dates",
            "campaign",
            "issued",
            "claimed",
            "redeemed",
            "redemption_rate",
            "redeemed_amount",
        )
    ]
    rows = [
        [
            Cell(same(r["coupon_id"] or r["coupon_run_id"])),
            Cell(same("–" if r["run_no"] is None else f"{r['run_no']}{' ↻' if r['is_reused'] else ''}"), True),
            Cell(same(f"{texts.day(r['first_on'])} … {texts.day(r['last_on'])}"), mark="whole"),
            Cell(named.get(r["campaign_id"]) or same(r["campaign_id"])),
            _number(facts, r["issued"]),
            _number(facts, r["claimed"]),
            _number(facts, r["redeemed"]),
            _rate(facts, r["redeemed"], r["issued"]),
            _number(facts, r["redeemed_amount"], "money"),
        ]
        for r in sorted(facts.of("runs_of_coupons"), key=lambda r: (-r["issued"], -r["redeemed"], r["coupon_run_id"]))
    ]
    return _block(
        facts,
        "coupon_runs",
        "gold.coupon_runs",
        "coupons",
        columns=columns,
        rows=rows,
        command=facts.show("gold.coupon_runs"),
    )


def _mapping(facts: Facts) -> Iterable[Block]:
    vouchers = facts.of("vouchers")
    by_status: dict[str, int] = defaultdict(int)
    for r in vouchers:
        by_status[r["status"]] += r["vouchers"]
    everything = sum(by_status.values())
    order = [s for s in ("issued", "claimed", "redeemed", "expired", "voided") if by_status[s]]
    series = Series(
        HEADERS["vouchers"], [], [by_status[s] for s in order], [f"{by_status[s]:,} / {everything:,}" for s in order]
    )
    chart = charts.ranking([word(s) for s in order], [series], ",.0f") if order else None
    due = [
        _plain(facts, _LIABILITY[name], total[name], form, "gold.coupon_liability")
        for total in facts.of("liability")
        for name, form in (
            ("open_vouchers", "count"),
            ("open_value", "money"),
            ("expired_vouchers", "count"),
            ("expired_value", "money"),
        )
    ]
    yield _block(facts, "coupon_status", "gold.vouchers", "coupons", chart=chart, figures=due if chart else ())
    methods: dict[str | None, list[Row]] = defaultdict(list)
    for r in vouchers:
        methods[r["method"]].append(r)
    rows = []
    for method, of in sorted(methods.items(), key=lambda item: -sum(r["vouchers"] for r in item[1])):
        count = sum(r["vouchers"] for r in of)
        sure = [(r["confidence"], r["vouchers"]) for r in of if r["confidence"] is not None]
        mean = sum(c * n for c, n in sure) / sum(n for _, n in sure) if sure else None
        rows.append(
            [
                Cell(word(method) if method else Said("not known", "未知")),
                _number(facts, count),
                _rate(facts, count, everything),
                _number(facts, mean, "share"),
            ]
        )
    columns = [
        HEADERS["method"],
        HEADERS["vouchers"],
        HEADERS["of_members"]._replace(en="Share", zh="占比"),
        HEADERS["confidence"],
    ]
    yield _block(facts, "mapping", "gold.vouchers", "coupons", columns=columns, rows=rows)
    command = facts.show("gold.coupon_mapping_review")
    rows = [
        [Cell(word(r["reason"])), _number(facts, r["vouchers"]), _number(facts, r["candidates"])]
        for r in facts.of("review")
    ]
    columns = [HEADERS[c] for c in ("reason", "vouchers", "candidates")]
    yield _block(
        facts,
        "review",
        "gold.coupon_mapping_review",
        "coupons",
        columns=columns,
        rows=rows,
        command=command if rows else "",
    )
    rows = [[Cell(word(r["flag"])), _number(facts, r["vouchers"])] for r in facts.of("flags")]
    yield _block(facts, "flags", "gold.vouchers", "coupons", columns=[HEADERS["flag"], HEADERS["vouchers"]], rows=rows)


_LIABILITY = {
    "open_vouchers": (Said("Open vouchers", "未使用券"), Said("vouchers that can still be redeemed", "仍可核销的券")),
    "open_value": (
        Said("Liability", "待兑付金额"),
        Said("value of vouchers that can still be redeemed", "仍可核销的券的金额"),
    ),
    "expired_vouchers": (Said("Expired", "已过期"), Said("vouchers that expired unredeemed", "未核销即过期的券")),
    "expired_value": (
        Said("Breakage", "过期金额"),
        Said("value of vouchers that expired unredeemed", "未核销即过期的券的金额"),
    ),
}


def _plain(facts: Facts, said: tuple[Said, Said], value: float | None, form: str, source: str) -> Figure:
    """A figure that is not in gold.kpi."""
    of = Defined(*said, said[1], form, 0, source)
    shown = facts.written(value, form)
    return Figure(said[0].en.replace(" ", "_").lower(), of, shown, shown, texts.NONE, same(facts.as_of))


def _campaign(row: Row) -> Said:
    name = row["name"]
    return same(f"{row['campaign_id']} · {name}" if name and name != row["campaign_id"] else row["campaign_id"])


def _campaigns(facts: Facts) -> dict[str | None, Said]:
    return {None: Said("not known", "未知")} | {r["campaign_id"]: _campaign(r) for r in facts.of("campaigns")}


def _money(facts: Facts) -> Iterable[Block]:
    yield _figures(facts, "headline", ("marketing_cost", "marketing_revenue", "marketing_cost_ratio"))
    kinds: dict[str, list[Row]] = defaultdict(list)
    for r in facts.whole("marketing_cost", "month", "cost_type"):
        kinds[r["dimension_value"]].append(r)
    costs = [
        Series(word(kind), [_month(r["period_start"]) for r in rows], [r["value"] for r in rows], color=n + 1)
        for n, (kind, rows) in enumerate(sorted(kinds.items()))
    ]
    revenue, ratio = facts.whole("marketing_revenue"), facts.whole("marketing_cost_ratio")
    line = Series(
        DEFINED["marketing_cost_ratio"].label,
        [_month(r["period_start"]) for r in ratio],
        [r["value"] for r in ratio],
        [_fraction(r) for r in ratio],
        color=5,
    )
    names = ("marketing_cost", "marketing_revenue", "marketing_cost_ratio")
    yield _block(
        facts,
        "cost",
        "gold.kpi",
        "kpi",
        chart=charts.bars(costs, ",.0f", stacked=True, line=line if revenue else None) if costs else None,
        defined=[DEFINED[n] for n in names],
    )
    yield _attribution(facts)
    yield _pivot(facts, "by_goal", "goal", ("cost_per_goal",), {})
    yield _pivot(facts, "by_campaign", "campaign", CAMPAIGN, _campaigns(facts))
    yield _figures(facts, "unit_cost", UNIT)
    yield _figures(facts, "with_coupons", COUPON)


def _attribution(facts: Facts) -> Block:
    rows = _latest(facts, "attributed_share", "method")
    series = Series(HEADERS["of_money"], [], [r["value"] for r in rows], [_fraction(r) for r in rows])
    chart = charts.ranking([word(r["dimension_value"]) for r in rows], [series], ".1%") if rows else None
    return _block(facts, "attribution", "gold.kpi", "kpi", chart=chart, defined=[DEFINED["attributed_share"]])


def _models(facts: Facts) -> Iterable[Block]:
    rows = facts.of("monitoring")
    quality = [r for r in rows if not r["metric"].startswith("psi:")]
    columns = [HEADERS[c] for c in ("model", "version", "as_of", "metric", "value", "threshold")]
    yield _block(
        facts,
        "monitoring",
        "gold.model_monitoring",
        "monitoring",
        columns=columns,
        rows=[
            [
                Cell(same(r["model_name"])),
                Cell(same(r["model_version"])),
                Cell(same(r["as_of"]), mark="whole"),
                Cell(word(r["metric"])),
                _number(facts, r["value"], "ratio", mark="bad" if r["is_alert"] else ""),
                _number(facts, r["threshold"], "ratio"),
            ]
            for r in quality
        ],
    )
    newest: dict[str, Row] = {}
    for r in rows:
        if r["metric"].startswith("psi:") and r["value"] is not None:
            kept = newest.get(r["metric"])
            if kept is None or (kept["as_of"], str(kept["model_version"])) < (r["as_of"], str(r["model_version"])):
                newest[r["metric"]] = r
    ranked = sorted(newest.values(), key=lambda r: -r["value"])[:20]
    names = [word(r["metric"].removeprefix("psi:")) for r in ranked]
    limits = [f"{r['threshold']:.2f}" if r["threshold"] is not None else "–" for r in ranked]
    series = [
        Series(
            word("beyond limit" if bad else "within limit"),
            [],
            [r["value"] if bool(r["is_alert"]) == bad else None for r in ranked],
            [f"limit {limit}" for limit in limits],
            color=2 if bad else 1,
        )
        for bad in (False, True)
    ]
    chart = charts.ranking(names, series, ".3f", one_each=True) if ranked else None
    yield _block(facts, "drift", "gold.model_monitoring", "monitoring", chart=chart)


def _alerts(facts: Facts) -> Iterable[Block]:
    yield _alert_table(facts, "alert_list", facts.of("alerts"))


def _alert_table(facts: Facts, key: str, rows: Sequence[Row]) -> Block:
    columns = [HEADERS[c] for c in ("state", "severity", "raised", "rule", "message", "value", "threshold", "notify")]
    return _block(
        facts,
        key,
        "gold.alerts",
        "alerts",
        columns=columns,
        rows=[
            [
                Cell(word(a["state"]), mark="bad" if a["state"] == "open" else ""),
                Cell(word(a["severity"])),
                Cell(same(a["raised_on"]), mark="whole"),
                Cell(same(a["rule"])),
                Cell(same(a["message"])),
                Cell(same("–" if a["value"] is None else f"{a['value']:,.4g}"), True),
                Cell(same("–" if a["threshold"] is None else f"{a['threshold']:,.4g}"), True),
                Cell(word(a["notify"])),
            ]
            for a in rows
        ],
    )


def _quality(facts: Facts) -> Iterable[Block]:
    columns = [HEADERS[c] for c in ("table", "rule", "rows", "last")]
    rows = facts.of("rejects")
    yield _block(
        facts,
        "rejects",
        "ops.rejects",
        "rejects",
        columns=columns,
        rows=[
            [
                Cell(same(r["table"])),
                Cell(same(r["rule"])),
                _number(facts, r["rows"]),
                Cell(same(texts.day(r["last_at"])), mark="whole"),
            ]
            for r in rows
        ],
        command=facts.show("ops.rejects") if rows else "",
    )
    columns = [HEADERS[c] for c in ("table", "last_day", "changed", "version")]
    days = {r["table"]: r["last_on"] for r in facts.of("last_days")}
    yield _block(
        facts,
        "freshness",
        "Delta",
        "kpi",
        columns=columns,
        rows=[
            [
                Cell(same(name)),
                Cell(same(texts.day(days.get(name)))),
                Cell(same(texts.day(changed)), mark="whole"),
                _number(facts, version),
            ]
            for name, (version, changed) in facts.versions.items()
        ],
    )
    columns = [HEADERS[c] for c in ("job", "as_of", "state", "started", "seconds", "read", "wrote", "error")]
    yield _block(
        facts,
        "jobs",
        "ops.runs",
        "kpi",
        columns=columns,
        rows=[
            [
                Cell(same(r["job"])),
                Cell(same(texts.day(r["as_of"])), mark="whole"),
                Cell(word(r["state"]), mark="bad" if r["state"] == "failed" else ""),
                Cell(same(texts.day(r["started_at"])), mark="whole"),
                _number(facts, (r["ended_at"] - r["started_at"]).total_seconds() if r["ended_at"] else None),
                _number(facts, r["rows_read"]),
                _number(facts, r["rows_written"]),
                Cell(same(r["error"] or "–")),
            ]
            for r in facts.of("jobs")
        ],
    )


# ---- what the pages have in common


def _block(
    facts: Facts,
    key: str,
    source: str,
    needs: str,
    *,
    figures: Sequence[Figure] = (),
    chart: Spec | None = None,
    columns: Sequence[Said] = (),
    rows: Sequence[Sequence[Cell]] = (),
    defined: Sequence[Defined] = (),
    command: str = "",
) -> Block:
    """A block; where there is nothing to show, what is missing and how to get it."""
    title, note = BLOCKS[key]
    if figures or chart or rows:
        return Block(key, source, title, note, figures, chart, columns, rows, defined, command=command)
    missing, job = MISSING[needs]
    return Block(key, source, title, note, missing=missing, command=facts.command(job) if job else "")


def _number(facts: Facts, value: float | None, form: str = "count", hover: str = "", mark: str = "") -> Cell:
    return Cell(facts.written(value, form), True, hover, mark)


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _rate(facts: Facts, part: float | None, whole: float | None) -> Cell:
    return _number(facts, _ratio(part, whole), "share", f"{part or 0:,} / {whole or 0:,}")
