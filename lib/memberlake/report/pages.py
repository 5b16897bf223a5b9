"""The pages of the report: what stands on each. Nothing here knows HTML."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from memberlake.kpi.metrics import CHANGES, COHORT
from memberlake.report import blocks, charts, texts
from memberlake.report.blocks import Block, Cell, Figure
from memberlake.report.charts import Series, Spec
from memberlake.report.facts import DEFINED, Defined, Facts, Row
from memberlake.report.texts import HEADERS, Said, same, word

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


@dataclass(frozen=True)
class Page:
    key: str
    title: Said
    about: Said
    blocks: Sequence[Block]


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


def _overview(facts: Facts) -> Iterable[Block]:
    yield blocks.figures_of(facts, "headline", HEADLINE)
    yield _alert_table(facts, "open_alerts", [a for a in facts.of("alerts") if a["state"] == "open"][:8])
    yield _revenue_change(facts)
    yield _active_days(facts)
    yield blocks.trend(facts, "new_members", NEW, as_bars=True)
    yield blocks.all_metrics(facts)


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
    figures = [made for n in ("revenue", CHANGES[0]) if (made := blocks.figure(facts, n))] if chart else []
    return blocks.block(
        facts, "revenue_change", "gold.kpi", "kpi", chart=chart, figures=figures, defined=[DEFINED[n] for n in CHANGES]
    )


def _members(facts: Facts) -> Iterable[Block]:
    yield blocks.figures_of(facts, "headline", MEMBERS)
    steps = [(n, rows[-1]) for n in MEMBERS[:3] if (rows := facts.whole(n))]
    funnel = Series(HEADERS["members"], [], [r["value"] for _, r in steps])
    yield blocks.block(
        facts,
        "funnel",
        "gold.kpi",
        "kpi",
        chart=charts.ranking([DEFINED[n].label for n, _ in steps], [funnel], ",.0f") if steps else None,
        defined=[DEFINED[n] for n, _ in steps],
    )
    yield _reachable(facts)
    yield blocks.trend(facts, "new_members", NEW, as_bars=True)
    yield blocks.trend(facts, "conversion", [*MEMBERS[3:5], *COHORT])
    yield blocks.by_dimension(facts, ["new_registered_members", "register_to_purchase_rate", "activation_rate"])


def _reachable(facts: Facts) -> Block:
    latest = blocks.latest(facts, "reachable_members", "channel")
    total = facts.whole("reachable_members")[-1:]
    rows = [(Said("any channel", "任一渠道"), r) for r in total] + [(word(r["dimension_value"]), r) for r in latest]
    registered = facts.whole("registered_members")[-1:]
    hover = [f"{r['value']:,.0f} / {registered[0]['value']:,.0f}" if registered else "" for _, r in rows]
    series = Series(HEADERS["members"], [], [r["value"] for _, r in rows], hover)
    chart = charts.ranking([name for name, _ in rows], [series], ",.0f") if rows else None
    return blocks.block(facts, "reachable", "gold.kpi", "kpi", chart=chart, defined=[DEFINED["reachable_members"]])


def _activity(facts: Facts) -> Iterable[Block]:
    yield blocks.figures_of(facts, "headline", ("active_subjects", "activity_rate", "visits", "orders_per_visit"))
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
        yield blocks.block(
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
            blocks.number(facts, r["active"]),
            blocks.number(facts, r["new"]),
        ]
        for r in split
    ]
    yield blocks.block(facts, "active_split", "gold.active_counts", "actives", columns=columns, rows=rows_)


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
    return blocks.block(
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
        [blocks.month(c) for c in cohorts],
        each(lambda r: r["rate"], None),
        each(lambda r: f"{r['rate']:.0%}", ""),
        each(lambda r: f"{r['retained']:,} / {r['subjects']:,}", ""),
        Said("months later", "之后第几个月"),
        HEADERS["cohort"],
        ".1%",
    )
    return blocks.block(facts, "retention", "gold.retention", "retention", chart=chart if at else None)


def _value(facts: Facts) -> Iterable[Block]:
    yield blocks.figures_of(facts, "headline", VALUE)
    rows = facts.of("rfm")
    money = Said("mean amount", "人均金额")
    yield _map(facts, "rfm_map", "gold.rfm_scores", "rfm", rows, "f_score", "members", "money", money)
    yield from _segments(facts, rows)
    yield _map(facts, "rfe_map", "gold.rfe_scores", "rfe", facts.of("rfe"), "e_score", "subjects", None, None)
    for key, column in (("abc", "class"), ("tiers", "value_tier")):
        groups = _grouped(facts.of("abc"), column)
        chart = _shares([(word(name), groups[name]) for name in sorted(groups, key=_best_first)]) if groups else None
        yield blocks.block(facts, key, "gold.abc_classes", "abc", chart=chart)
    yield blocks.trend(facts, "value_months", VALUE[1:2])


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
        return blocks.block(facts, key, source, needs)
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
    return blocks.block(facts, key, source, needs, chart=chart)


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
    yield blocks.block(facts, "rfm_segments", "gold.rfm_scores", "rfm", chart=chart)
    everyone, everything = (sum(group[of] for group in groups.values()) for of in ("members", "money"))
    columns = [HEADERS[c] for c in ("segment", "members", "of_members", "money", "of_money", "per_member")]
    cells = [
        [
            Cell(word(name)),
            blocks.number(facts, members),
            blocks.rate(facts, members, everyone),
            blocks.number(facts, money, "money"),
            blocks.rate(facts, money, everything),
            blocks.number(facts, money / members, "money", f"{money:,.2f} / {members:,}"),
        ]
        for name in ranked
        for members, money in [groups[name].values()]
    ]
    yield blocks.block(facts, "rfm_table", "gold.rfm_scores", "rfm", columns=columns, rows=cells)


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
    yield blocks.figures_of(facts, "headline", MOVEMENT)
    yield blocks.trend(facts, "churn_rate", ("churn_rate", "churned_share"))
    yield blocks.trend(facts, "movement", ("new_purchasing_members", "churned_members"), as_bars=True)
    rows = facts.of("churned")
    said = sorted(
        ((word(r["kind"]), word(r["permanence"]), r["members"]) for r in rows if r["is_churned"]), key=lambda r: -r[2]
    )
    names = [Said("not churned", "未流失"), *[Said(f"{k.en}, {p.en}", f"{k.zh}，{p.zh}") for k, p, _ in said]]
    counts = [sum(r["members"] for r in rows if not r["is_churned"]), *[n for _, _, n in said]]
    everyone = sum(counts)
    series = Series(HEADERS["members"], [], counts, [f"{n:,} / {everyone:,}" for n in counts])
    yield blocks.block(
        facts,
        "churned",
        "gold.churn_status",
        "churned",
        chart=charts.ranking(names, [series], ",.0f") if rows else None,
    )
    columns = [HEADERS["rule"], HEADERS["members"], HEADERS["of_members"]]
    yield blocks.block(
        facts,
        "churn_rules",
        "gold.churn_status",
        "nobody" if rows else "churned",
        columns=columns,
        rows=[
            [
                Cell(word(r["rule"])),
                blocks.number(facts, r["members"]),
                blocks.number(
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
    yield blocks.block(
        facts, "risk", "gold.churn_scores", "risks", chart=charts.bars(series, ",.0f", stacked=True) if rows else None
    )
    columns = [HEADERS[c] for c in ("feature", "members", "effect")]
    yield blocks.block(
        facts,
        "factors",
        "gold.churn_scores",
        "risks",
        columns=columns,
        rows=[
            [Cell(word(r["feature"])), blocks.number(facts, r["members"]), blocks.number(facts, r["effect"], "ratio")]
            for r in facts.of("factors")
        ],
    )


def _coupons(facts: Facts) -> Iterable[Block]:
    yield blocks.figures_of(facts, "with_coupons", COUPON)
    months = sorted(facts.of("coupon_months"), key=lambda r: r["month"])[-12:]
    steps = ("issued", "claimed", "redeemed", "returned", "expired")
    totals = [sum(r[step] or 0 for r in months) for step in steps]
    first = next((n for n in totals if n), 0)
    series = Series(HEADERS["vouchers"], [], totals, [f"{n:,} / {first:,}" for n in totals])
    names = [HEADERS[step] for step in steps]
    source = "gold.coupon_funnel"
    yield blocks.block(
        facts, "coupon_funnel", source, "coupons", chart=charts.ranking(names, [series], ",.0f") if months else None
    )
    by_month = [
        Series(HEADERS[step], [blocks.month(r["month"]) for r in months], [r[step] for r in months], color=n + 1)
        for n, step in enumerate(steps[:3])
    ]
    rate = Series(
        HEADERS["redemption_rate"],
        [blocks.month(r["month"]) for r in months],
        [blocks.ratio(r["redeemed"], r["issued"]) for r in months],
        [f"{r['redeemed']:,} / {r['issued']:,}" for r in months],
        color=5,
    )
    yield blocks.block(
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
            blocks.number(facts, r["issued"]),
            blocks.number(facts, r["claimed"]),
            blocks.number(facts, r["redeemed"]),
            blocks.rate(facts, r["redeemed"], r["issued"]),
            blocks.number(facts, r["redeemed_amount"], "money"),
        ]
        for r in facts.of("coupon_campaigns")
    ]
    return blocks.block(facts, "coupon_campaigns", "gold.coupon_funnel", "coupons", columns=columns, rows=rows)


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
            blocks.number(facts, r["issued"]),
            blocks.number(facts, r["claimed"]),
            blocks.number(facts, r["redeemed"]),
            blocks.rate(facts, r["redeemed"], r["issued"]),
            blocks.number(facts, r["redeemed_amount"], "money"),
        ]
        for r in sorted(facts.of("runs_of_coupons"), key=lambda r: (-r["issued"], -r["redeemed"], r["coupon_run_id"]))
    ]
    coupons = {r["is_reused"]: r for r in facts.of("coupons")}
    total = {of: sum(r[of] for r in coupons.values()) for of in ("coupons", "runs")}
    reused = coupons.get(True, {"coupons": 0})["coupons"]
    figures = [
        _plain(facts, _RUNS["runs"], total["runs"], "count", "gold.coupon_runs"),
        _plain(facts, _RUNS["reused"], reused, "count", "gold.coupon_runs", total["coupons"]),
    ]
    return blocks.block(
        facts,
        "coupon_runs",
        "gold.coupon_runs",
        "coupons",
        figures=figures if rows else (),
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
    yield blocks.block(facts, "coupon_status", "gold.vouchers", "coupons", chart=chart, figures=due if chart else ())
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
                blocks.number(facts, count),
                blocks.rate(facts, count, everything),
                blocks.number(facts, mean, "share"),
            ]
        )
    columns = [
        HEADERS["method"],
        HEADERS["vouchers"],
        HEADERS["of_members"]._replace(en="Share", zh="占比"),
        HEADERS["confidence"],
    ]
    yield blocks.block(facts, "mapping", "gold.vouchers", "coupons", columns=columns, rows=rows)
    command = facts.show("gold.coupon_mapping_review")
    none = "none" if vouchers else "coupons"
    rows = [
        [Cell(word(r["reason"])), blocks.number(facts, r["vouchers"]), blocks.number(facts, r["candidates"])]
        for r in facts.of("review")
    ]
    columns = [HEADERS[c] for c in ("reason", "vouchers", "candidates")]
    yield blocks.block(
        facts,
        "review",
        "gold.coupon_mapping_review",
        none,
        columns=columns,
        rows=rows,
        command=command if rows else "",
    )
    rows = [[Cell(word(r["flag"])), blocks.number(facts, r["vouchers"])] for r in facts.of("flags")]
    yield blocks.block(facts, "flags", "gold.vouchers", none, columns=[HEADERS["flag"], HEADERS["vouchers"]], rows=rows)


_RUNS = {
    "runs": (Said("Runs", "使用批次"), Said("uses of coupons, each counted once", "优惠券的使用批次数")),
    "reused": (
        Said("Reused coupons", "反复使用的券"),
        Said("coupons with more than one run", "有多个使用批次的优惠券"),
    ),
}
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


def _plain(
    facts: Facts, said: tuple[Said, Said], value: float | None, form: str, source: str, of: float | None = None
) -> Figure:
    """A figure that is not in gold.kpi, with its denominator where it is a part."""
    label, sentence = said
    shown, whole = facts.written(value, form), facts.written(of, form)
    key = label.en.replace(" ", "_").lower()
    return Figure(key, Defined(label, sentence, sentence, form, 0, source), shown, shown, whole, same(facts.as_of))


def _campaign(row: Row) -> Said:
    name = row["name"]
    return same(f"{row['campaign_id']} · {name}" if name and name != row["campaign_id"] else row["campaign_id"])


def _campaigns(facts: Facts) -> dict[str | None, Said]:
    return {None: Said("not known", "未知")} | {r["campaign_id"]: _campaign(r) for r in facts.of("campaigns")}


def _money(facts: Facts) -> Iterable[Block]:
    yield blocks.figures_of(facts, "headline", ("marketing_cost", "marketing_revenue", "marketing_cost_ratio"))
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
        [blocks.fraction(r) for r in ratio],
        color=5,
    )
    names = ("marketing_cost", "marketing_revenue", "marketing_cost_ratio")
    yield blocks.block(
        facts,
        "cost",
        "gold.kpi",
        "kpi",
        chart=charts.bars(costs, ",.0f", stacked=True, line=line if revenue else None) if costs else None,
        defined=[DEFINED[n] for n in names],
    )
    yield _attribution(facts)
    yield blocks.pivot(facts, "by_goal", "goal", ("cost_per_goal",), {}, "goals" if facts.of("kpi") else "kpi")
    yield blocks.pivot(facts, "by_campaign", "campaign", CAMPAIGN, _campaigns(facts))
    yield blocks.figures_of(facts, "unit_cost", UNIT)


def _attribution(facts: Facts) -> Block:
    rows = blocks.latest(facts, "attributed_share", "method")
    series = Series(HEADERS["of_money"], [], [r["value"] for r in rows], [blocks.fraction(r) for r in rows])
    chart = charts.ranking([word(r["dimension_value"]) for r in rows], [series], ".1%") if rows else None
    return blocks.block(facts, "attribution", "gold.kpi", "kpi", chart=chart, defined=[DEFINED["attributed_share"]])


def _models(facts: Facts) -> Iterable[Block]:
    source, trained = "gold.churn_models", facts.of("models")
    versions = [f"{r['model_name']} {r['model_version']}" for r in reversed(trained)]
    measures = (("pr_auc", 1), ("recency_pr_auc", 2), ("base_rate", 6))
    series = [
        Series(HEADERS[measure], versions, [r[measure] for r in reversed(trained)], color=color)
        for measure, color in measures
    ]
    chart = charts.bars(series, ".3f") if trained else None
    yield blocks.block(facts, "model_quality", source, "models", chart=chart)
    numbers = ("base_rate", "pr_auc", "recency_pr_auc", "roc_auc", "brier", "ece")
    columns = [HEADERS[c] for c in ("version", "as_of", "model", "examples", *numbers, "promoted", "why")]
    cells = [
        [
            Cell(same(r["model_version"])),
            Cell(same(r["as_of"]), mark="whole"),
            Cell(word(r["model"])),
            blocks.number(facts, r["examples"]),
            *[blocks.number(facts, r[measure], "ratio") for measure in numbers],
            Cell(word(r["is_promoted"])),
            Cell(same(r["reason"])),
        ]
        for r in trained
    ]
    yield blocks.block(facts, "trained", source, "models", columns=columns, rows=cells)
    rows = facts.of("monitoring")
    quality = [r for r in rows if not r["metric"].startswith(("psi:", "missing:"))]
    columns = [HEADERS[c] for c in ("model", "version", "as_of", "metric", "value", "threshold")]
    yield blocks.block(
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
                blocks.number(facts, r["value"], "ratio", mark="bad" if r["is_alert"] else ""),
                blocks.number(facts, r["threshold"], "ratio"),
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
    kinds = [
        "no limit" if r["threshold"] is None else "beyond limit" if r["is_alert"] else "within limit" for r in ranked
    ]
    series = [
        Series(
            word(kind),
            [],
            [r["value"] if of == kind else None for of, r in zip(kinds, ranked, strict=True)],
            [Said(f"limit {limit}", f"阈值 {limit}") for limit in limits],
            color=color,
        )
        for kind, color in (("within limit", 1), ("beyond limit", 2), ("no limit", 6))
    ]
    gaps = sorted((r for r in rows if r["metric"].startswith("missing:")), key=lambda r: -(r["value"] or 0))[:10]
    columns = [HEADERS[c] for c in ("feature", "missing_rise", "threshold")]
    cells = [
        [
            Cell(word(r["metric"].removeprefix("missing:"))),
            blocks.number(facts, r["value"], "share", mark="bad" if r["is_alert"] else ""),
            blocks.number(facts, r["threshold"], "share"),
        ]
        for r in gaps
    ]
    chart = charts.ranking(names, series, ".3f", one_each=True) if ranked else None
    yield blocks.block(facts, "drift", "gold.model_monitoring", "monitoring", chart=chart)
    yield blocks.block(facts, "gaps", "gold.model_monitoring", "monitoring", columns=columns, rows=cells)


def _alerts(facts: Facts) -> Iterable[Block]:
    yield _alert_table(facts, "alert_list", facts.of("alerts"))


def _alert_table(facts: Facts, key: str, rows: Sequence[Row]) -> Block:
    columns = [HEADERS[c] for c in ("state", "severity", "message", "value", "threshold", "raised", "rule", "notify")]
    is_known = any(r["job"] == "alerts" and r["state"] == "done" for r in facts.of("jobs"))
    return blocks.block(
        facts,
        key,
        "gold.alerts",
        "no_alert" if is_known else "alerts",
        columns=columns,
        rows=[
            [
                Cell(word(a["state"]), mark="bad" if a["state"] == "open" else ""),
                Cell(word(a["severity"])),
                Cell(_alert(facts, a)),
                Cell(same("–" if a["value"] is None else f"{a['value']:,.4g}"), True),
                Cell(same("–" if a["threshold"] is None else f"{a['threshold']:,.4g}"), True),
                Cell(same(a["raised_on"]), mark="whole"),
                Cell(same(a["rule"])),
                Cell(word(a["notify"])),
            ]
            for a in rows
        ],
    )


def _alert(facts: Facts, alert: Row) -> Said:
    """What is wrong, in both languages: by the rule as it is now; the stored sentence when it is gone or its metric
    another."""
    first, *rest = (alert["subject_id"] or "").split("/", 2)
    if alert["subject_kind"] == "model" and len(rest) == 2:
        limit = facts.written(alert["threshold"], "ratio")
        return texts.ALERTS["model"].of(metric=word(rest[1]), name=first, version=rest[0], limit=limit)
    rule = facts.rules.get(alert["rule"])
    if rule is None or rule.metric != first:
        return same(alert["message"])
    form = {"level": DEFINED[first].form, "change": "share", "trend": "slope"}[rule.measure]
    dimension, value = map(word, rest) if rest else (same(""), same(""))
    of = Said(f", {dimension.en} {value.en}", f"，{dimension.zh} {value.zh}") if rest else same("")
    what = texts.ALERTS[rule.measure].of(metric=DEFINED[first].label, period=word(rule.period), of=of)
    side = "below" if rule.above is None else "above"
    return texts.ALERTS[side].of(what=what, limit=facts.written(alert["threshold"], form))


def _quality(facts: Facts) -> Iterable[Block]:
    columns = [HEADERS[c] for c in ("table", "rule", "rows", "last")]
    rows = facts.of("rejects")
    yield blocks.block(
        facts,
        "rejects",
        "ops.rejects",
        "rejects",
        columns=columns,
        rows=[
            [
                Cell(same(r["table"])),
                Cell(same(r["rule"])),
                blocks.number(facts, r["rows"]),
                Cell(same(texts.day(r["last_at"])), mark="whole"),
            ]
            for r in rows
        ],
        command=facts.show("ops.rejects") if rows else "",
    )
    columns = [HEADERS[c] for c in ("table", "last_day", "changed", "version")]
    days = {r["table"]: r["last_on"] for r in facts.of("last_days")}
    yield blocks.block(
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
                blocks.number(facts, version),
            ]
            for name, (version, changed) in facts.versions.items()
        ],
    )
    columns = [HEADERS[c] for c in ("job", "as_of", "state", "started", "seconds", "read", "wrote", "error")]
    yield blocks.block(
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
                blocks.number(facts, (r["ended_at"] - r["started_at"]).total_seconds() if r["ended_at"] else None),
                blocks.number(facts, r["rows_read"]),
                blocks.number(facts, r["rows_written"]),
                Cell(same(r["error"] or "–")),
            ]
            for r in facts.of("jobs")
        ],
    )
