"""Data quality: what was rejected, what ran, how fresh the tables are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from memberlake.report import blocks, texts
from memberlake.report.blocks import Block, Cell
from memberlake.report.facts import Facts
from memberlake.report.texts import headers, same, word


def content(facts: Facts) -> Iterable[Block]:
    yield _rejects(facts)
    yield _freshness(facts)
    yield _jobs(facts)


def _rejects(facts: Facts) -> Block:
    rows = [
        [
            Cell(same(r["table"])),
            Cell(same(r["rule"])),
            blocks.number(facts, r["rows"]),
            Cell(same(texts.day(r["last_at"])), mark="whole"),
        ]
        for r in facts.of("rejects")
    ]
    columns = headers("table", "rule", "rows", "last")
    command, of_read = facts.show("ops.rejects") if rows else "", texts.same("")
    for r in facts.of("rejected"):
        of_read = texts.UI["of_read" if r["read"] else "of_unknown"].of(
            **{name: f"{r[name] or 0:,}" for name in ("rejected", "read")}
        )
    return blocks.block(
        facts, "rejects", "ops.rejects", "rejects", columns=columns, rows=rows, command=command, of_read=of_read
    )


def _freshness(facts: Facts) -> Block:
    days = {r["table"]: r["last_on"] for r in facts.of("last_days")} | _days_of_gold(facts)
    rows = [
        [
            Cell(same(name)),
            Cell(same(texts.day(days.get(name))), mark="whole"),
            Cell(same(texts.day(changed)), mark="whole"),
            blocks.number(facts, version),
        ]
        for name, (version, changed) in facts.versions.items()
    ]
    columns = headers("table", "last_day", "changed", "version")
    return blocks.block(facts, "freshness", "Delta", "kpi", columns=columns, rows=rows)


# rows of the report, of tables whose slice of the day they are; and of others, with the column that dates them
_SLICES = {"rfm_scores": "rfm", "rfe_scores": "rfe", "abc_classes": "abc", "coupon_liability": "liability"}
_SLICES |= {"churn_status": "churned", "churn_scores": "risks"}
_DATED = {
    **{"kpi": ("kpi", "as_of"), "alerts": ("alerts", "as_of"), "active_counts": ("actives", "period_end")},
    **{"churn_models": ("models", "as_of"), "model_monitoring": ("monitoring", "as_of")},
    **dict.fromkeys(("coupon_funnel", "coupon_days"), ("funnel", "last_on")),
}


def _days_of_gold(facts: Facts) -> dict[str, date]:
    """The last day in each table, as far as the report's own rows tell."""
    found = {f"gold.{table}": facts.as_of for table, rows in _SLICES.items() if facts.of(rows)}
    for table, (rows, column) in _DATED.items():
        if days := [r[column] for r in facts.of(rows) if r[column]]:
            found[f"gold.{table}"] = min(max(days), facts.as_of)
    return found


def _jobs(facts: Facts) -> Block:
    rows = [
        [
            Cell(same(r["job"])),
            Cell(same(texts.day(r["as_of"])), mark="whole"),
            Cell(word(r["state"]), mark="bad" if r["state"] == "failed" else ""),
            Cell(same(texts.day(r["started_at"])), mark="whole"),
            blocks.number(facts, (r["ended_at"] - r["started_at"]).total_seconds() if r["ended_at"] else None),
            blocks.number(facts, r["rows_read"]),
            blocks.number(facts, r["rows_written"]),
            Cell(same(_without_values(r["error"] or "–"))),
        ]
        for r in facts.of("jobs")
        if r is not facts.run
    ]
    columns = headers("job", "as_of", "state", "started", "seconds", "read", "wrote", "error")
    return blocks.block(facts, "jobs", "ops.runs", "kpi", columns=columns, rows=rows, command=facts.show("ops.runs"))


def _without_values(error: str) -> str:
    """Its class by Spark, else its first sentence without what that quotes: it may quote a member's row."""
    if by_spark := re.match(r"\w+: \[[A-Z0-9_.]+\]", error):
        return by_spark[0]
    return re.split(r"(?<=\.) ", re.sub(r"(?<!\w)(['\"`]).*?(\1|$)", "…", error))[0]
