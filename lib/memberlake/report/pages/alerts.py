"""Alerts: numbers that broke a rule, opened once and closed when back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from memberlake.report import blocks, texts
from memberlake.report.blocks import Block, Cell
from memberlake.report.facts import DEFINED, Facts, Row
from memberlake.report.texts import Said, headers, same, word


def content(facts: Facts) -> Iterable[Block]:
    yield table(facts, "alert_list", facts.of("alerts"))


def table(facts: Facts, key: str, rows: Sequence[Row]) -> Block:
    is_known = any(r["job"] == "alerts" and r["state"] == "done" for r in facts.of("jobs"))
    return blocks.block(
        facts,
        key,
        "gold.alerts",
        "no_alert" if is_known else "alerts",
        columns=headers("state", "severity", "message", "value", "threshold", "raised", "rule", "notify"),
        rows=[
            [
                Cell(word(a["state"]), mark="bad" if a["state"] == "open" else ""),
                Cell(word(a["severity"])),
                Cell(_message(facts, a)),
                *[Cell(_number(v), True) for v in (a["value"], a["threshold"])],
                Cell(same(a["raised_on"]), mark="whole"),
                Cell(same(a["rule"])),
                Cell(word(a["notify"])),
            ]
            for a in rows
        ],
    )


def _message(facts: Facts, alert: Row) -> Said:
    """What is wrong, in both languages: by the rule as it is now; the stored sentence when it is gone or its metric
    another."""
    first, *rest = (alert["subject_id"] or "").split("/", 2)
    if alert["subject_kind"] == "model" and len(rest) == 2:
        limit = facts.written(alert["threshold"], "ratio")
        return texts.ALERTS["model"].of(metric=texts.measure(rest[1]), name=first, version=rest[0], limit=limit)
    rule = facts.rules.get(alert["rule"])
    if rule is None or rule.metric != first:
        return same(alert["message"])
    form = {"level": DEFINED[first].form, "change": "share", "trend": "slope"}[rule.measure]
    dimension, value = (word(rest[0]), texts.value(*rest)) if rest else (same(""), same(""))
    of = Said(f", {dimension.en} {value.en}", f"，{dimension.zh} {value.zh}") if rest else same("")
    what = texts.ALERTS[rule.measure].of(metric=DEFINED[first].label, period=word(rule.period), of=of)
    side = "below" if rule.above is None else "above"
    return texts.ALERTS[side].of(what=what, limit=facts.written(alert["threshold"], form))


def _number(value: float | None) -> Said:
    """A share, a slope, a count or an amount: small ones with what tells them apart, great ones whole."""
    if value is None:
        return texts.NONE
    return same(f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}")
