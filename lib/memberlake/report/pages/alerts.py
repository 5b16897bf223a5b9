"""Alerts: numbers that broke a rule, opened once and closed when back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from memberlake.report import blocks, texts
from memberlake.report.blocks import Block, Cell
from memberlake.report.facts import DEFINED, Defined, Facts, Row
from memberlake.report.texts import Said, headers, same, word


def content(facts: Facts) -> Iterable[Block]:
    yield table(facts, "alert_list", facts.of("alerts"))


def table(facts: Facts, key: str, rows: Sequence[Row], most: int = 200) -> Block:
    meant = dict.fromkeys(of for a in rows[:most] if (of := _defined(a)))
    return blocks.block(
        facts,
        key,
        "gold.alerts",
        "no_alert" if facts.judged_until == facts.as_of else "alerts",  # of a day before nobody knows
        columns=headers("state", "severity", "message", "value", "threshold", "raised", "rule", "notify"),
        rows=[
            [
                Cell(word(a["state"]), mark="bad" if a["state"] == "open" else ""),
                Cell(word(a["severity"])),
                Cell(_message(facts, a)),
                _number(facts, a, a["value"])._replace(defined=_defined(a)),
                _number(facts, a, a["threshold"]),
                Cell(same(a["raised_on"]), mark="whole"),
                Cell(same(a["rule"])),
                Cell(word(a["notify"])),
            ]
            for a in rows[:most]
        ],
        defined=[*meant],
        more=texts.UI["latest"].of(shown=most, of=len(rows)) if len(rows) > most else None,
    )


def _message(facts: Facts, alert: Row) -> Said:
    """What is wrong, in both languages: by the rule as it is now; the stored sentence when it is gone or its metric
    another."""
    first, *rest = (alert["subject_id"] or "").split("/", 2)
    limit = _written(facts, alert, alert["threshold"])
    if limit is None:
        return same(alert["message"])
    if _is_of_model(alert):
        return texts.ALERTS["model"].of(metric=texts.measure(rest[1]), name=first, version=rest[0], limit=limit)
    rule = facts.rules[alert["rule"]]
    dimension, value = (word(rest[0]), texts.value(*rest)) if rest else (same(""), same(""))
    of = Said(f", {dimension.en} {value.en}", f"，{dimension.zh} {value.zh}") if rest else same("")
    what = texts.ALERTS[rule.measure].of(metric=DEFINED[first].label, period=word(rule.period), of=of)
    side = "below" if rule.above is None else "above"
    return texts.ALERTS[side].of(what=what, limit=limit)


def _defined(alert: Row) -> Defined | None:
    """The metric that the alert is of."""
    return DEFINED.get((alert["subject_id"] or "").split("/")[0]) if alert["subject_kind"] == "metric" else None


def _is_of_model(alert: Row) -> bool:
    return alert["subject_kind"] == "model" and (alert["subject_id"] or "").count("/") >= 2


def _written(facts: Facts, alert: Row, value: float | None) -> Said | None:
    """A number of an alert as the rest of the report writes it; None where the rule is gone or its metric another."""
    first, *rest = (alert["subject_id"] or "").split("/", 2)
    if _is_of_model(alert):
        return facts.written(value, "share" if rest[1].startswith("missing:") else "ratio")
    rule = facts.rules.get(alert["rule"])
    if rule is None or rule.metric != first:
        return None
    if rule.measure == "change":
        return facts.written(value, "share")
    of = DEFINED[first]
    return facts.metric(value, of._replace(is_slope=of.is_slope or rule.measure == "trend"), rule.period)


def _number(facts: Facts, alert: Row, value: float | None) -> Cell:
    """The value or the limit: two that read alike, 3.5% and 3.5%, are told apart on hovering."""
    if value is None:
        return Cell(texts.NONE, True)
    exact = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"
    said = _written(facts, alert, value)
    return Cell(said, True, exact) if said else Cell(same(exact), True)
