"""Coupons: from issue to redemption, per run of a coupon; and how the campaigns of vouchers are known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from memberlake.report import blocks, charts, kpi, texts
from memberlake.report.blocks import Block, Cell, Figure
from memberlake.report.charts import Series
from memberlake.report.facts import Defined, Facts, Row
from memberlake.report.texts import HEADERS, Said, headers, same, word

COUPON = (
    "coupon_member_ratio", "coupon_amount_ratio", "coupon_order_ratio", "coupon_aov", "no_coupon_aov",
    "coupon_repurchase_rate", "no_coupon_repurchase_rate",
)  # fmt: skip
_ISSUED = Said("vouchers issued", "发券数")
_STEPS = ("issued", "claimed", "redeemed", "returned", "expired")
_OUTCOME = ("campaign", "issued", "claimed", "redeemed", "redemption_rate", "redeemed_amount")
_OPEN = Said("vouchers that can still be redeemed", "仍可核销的券")
_EXPIRED = Said("vouchers that expired unredeemed", "未核销即过期的券")
_VALUE = Said("value of {what}", "{what}的金额")
_LIABILITY = {  # form, label, sentence
    "open_vouchers": ("count", Said("Open vouchers", "未使用券"), _OPEN),
    "open_value": ("money", Said("Liability", "待兑付金额"), _VALUE.of(what=_OPEN)),
    "expired_vouchers": ("count", Said("Expired", "已过期"), _EXPIRED),
    "expired_value": ("money", Said("Breakage", "过期金额"), _VALUE.of(what=_EXPIRED)),
}


def content(facts: Facts) -> Iterable[Block]:
    yield kpi.figures_of(facts, "with_coupons", COUPON)
    yield from _funnel(facts)
    named = blocks.campaigns(facts)
    rows = [_outcome(facts, r, named) for r in facts.of("coupon_campaigns")]
    columns = headers(*_OUTCOME)
    whole = sum(r["campaigns"] for r in facts.of("funnel"))
    more = blocks.largest(len(rows), whole, _ISSUED)
    yield blocks.block(facts, "coupon_campaigns", "gold.coupon_days", "coupons", columns=columns, rows=rows, more=more)
    yield _runs(facts, named)
    yield _status(facts)
    yield _mapping(facts)
    yield from _doubtful(facts)


def _funnel(facts: Facts) -> Iterable[Block]:
    rows = sorted(facts.of("coupon_months"), key=lambda r: r["month"])
    totals = [sum(r[step] or 0 for r in rows) for step in _STEPS]
    chart = charts.ranking(headers(*_STEPS), [Series(HEADERS["vouchers"], [], totals)], ",.0f") if rows else None
    yield blocks.block(facts, "coupon_funnel", "gold.coupon_funnel", _needs(facts), chart=chart)
    months = [blocks.month(r["month"]) for r in rows]
    tomorrow = facts.as_of + timedelta(days=1)
    running = [r["month"] == facts.as_of.replace(day=1) and tomorrow.day > 1 for r in rows]
    steps = [
        Series(HEADERS[step], months, [r[step] for r in rows], color=n + 1, running=running)
        for n, step in enumerate(_STEPS[:3])
    ]
    # no rate: those redeemed in a month were mostly issued in another
    chart = charts.bars(steps, ",.0f") if rows else None
    yield blocks.block(facts, "coupon_months", "gold.coupon_funnel", _needs(facts), chart=chart)


def _outcome(facts: Facts, row: Row, named: Mapping[str | None, Said]) -> list[Cell]:
    """The campaign, and what became of the vouchers: the columns `_OUTCOME`."""
    return [
        Cell(named.get(row["campaign_id"]) or same(row["campaign_id"]), mark="name"),
        *[blocks.number(facts, row[step]) for step in _STEPS[:3]],
        blocks.rate(facts, row["redeemed"], row["issued"]),
        blocks.number(facts, row["redeemed_amount"], "money"),
    ]


def _runs(facts: Facts, named: Mapping[str | None, Said]) -> Block:
    source = "gold.coupon_runs"
    rows = [
        [
            Cell(same(r["coupon_id"] or r["coupon_run_id"])),
            Cell(same("–" if r["run_no"] is None else f"{r['run_no']}{' ↻' if r['is_reused'] else ''}"), True),
            Cell(same(f"{texts.day(r['first_on'])} … {texts.day(r['last_on'])}"), mark="whole"),
            *_outcome(facts, r, named),
        ]
        for r in sorted(facts.of("runs_of_coupons"), key=lambda r: (-r["issued"], -r["redeemed"], r["coupon_run_id"]))
    ]
    coupons = facts.of("coupons")
    runs, whole = (sum(r[of] for r in coupons) for of in ("runs", "coupons"))
    reused = sum(r["coupons"] for r in coupons if r["is_reused"])
    uses = Said("uses of coupons, each counted once", "优惠券的使用批次数")
    again = Said("coupons with more than one run", "有多个使用批次的优惠券")
    figures = [
        _figure(facts, source, "count", Said("Runs", "使用批次"), uses, runs),
        _figure(facts, source, "count", Said("Reused coupons", "反复使用的券"), again, reused, whole),
    ]
    return blocks.block(
        facts,
        "coupon_runs",
        source,
        "coupons",
        figures=figures if rows else (),
        columns=headers("coupon", "run", "dates", *_OUTCOME),
        rows=rows,
        command=facts.show(source),
        more=blocks.largest(len(rows), sum(r["runs"] for r in facts.of("funnel")), _ISSUED),
    )


def _status(facts: Facts) -> Block:
    by_status: dict[str, int] = defaultdict(int)
    for r in facts.of("vouchers"):
        by_status[r["status"]] += r["vouchers"]
    everything = sum(by_status.values())
    order = [s for s in ("issued", "claimed", "redeemed", "expired", "voided") if by_status[s]]
    series = Series(
        HEADERS["vouchers"], [], [by_status[s] for s in order], [f"{by_status[s]:,} / {everything:,}" for s in order]
    )
    chart = charts.ranking([word(s) for s in order], [series], ",.0f") if order else None
    due = [
        _figure(facts, "gold.coupon_liability", form, label, sentence, total[name])
        for total in facts.of("liability")
        for name, (form, label, sentence) in _LIABILITY.items()
    ]
    return blocks.block(facts, "coupon_status", "gold.vouchers", "coupons", chart=chart, figures=due if chart else ())


def _mapping(facts: Facts) -> Block:
    methods: dict[str | None, list[Row]] = defaultdict(list)
    for r in facts.of("vouchers"):
        methods[r["method"]].append(r)
    counts = {method: sum(r["vouchers"] for r in of) for method, of in methods.items()}
    rows = [
        [
            Cell(word(method) if method else Said("not known", "未知")),
            blocks.number(facts, count),
            blocks.rate(facts, count, sum(counts.values())),
            _confidence(facts, methods[method]),
        ]
        for method, count in sorted(counts.items(), key=lambda item: -item[1])
    ]
    columns = [*headers("method", "vouchers"), Said("Share", "占比"), HEADERS["confidence"]]
    return blocks.block(facts, "mapping", "gold.vouchers", "coupons", columns=columns, rows=rows)


def _confidence(facts: Facts, rows: Sequence[Row]) -> Cell:
    """The mean over the vouchers that have one."""
    measured = sum(r["measured"] for r in rows)
    return blocks.rate(facts, sum(r["confidence"] or 0 for r in rows), measured) if measured else Cell(texts.NONE, True)


def _doubtful(facts: Facts) -> Iterable[Block]:
    """Vouchers whose campaign nobody could decide, and those whose history is impossible."""
    source = "gold.coupon_mapping_review"
    rows = [
        [
            Cell(word(r["reason"])),
            blocks.number(facts, r["vouchers"]),
            blocks.number(facts, None if r["reason"] == "no campaign fits" else r["candidates"]),
        ]
        for r in facts.of("review")
    ]
    columns = headers("reason", "vouchers", "candidates")
    command = facts.show(source) if rows else ""
    yield blocks.block(facts, "review", source, _needs(facts), columns=columns, rows=rows, command=command)
    rows = [[Cell(word(r["flag"])), blocks.number(facts, r["vouchers"])] for r in facts.of("flags")]
    yield blocks.block(facts, "flags", "gold.vouchers", _needs(facts), columns=headers("flag", "vouchers"), rows=rows)


def _needs(facts: Facts) -> str:
    """What a block lacks: vouchers; where there are some, none that it speaks of."""
    return "none" if facts.of("vouchers") else "coupons"


def _figure(
    facts: Facts, source: str, form: str, label: Said, sentence: Said, value: float | None, of: float | None = None
) -> Figure:
    """A figure that is not in gold.kpi, with its denominator where it is a part."""
    shown, whole = facts.written(value, form), facts.written(of, form)
    key = label.en.replace(" ", "_").lower()
    return Figure(key, Defined(label, sentence, sentence, form, 0, source), shown, shown, whole, same(facts.as_of))
