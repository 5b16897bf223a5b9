"""Models: how good they are, and whether the world has moved away from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from memberlake.churn.features import own
from memberlake.report import blocks, charts
from memberlake.report.blocks import Block, Cell
from memberlake.report.charts import Series
from memberlake.report.facts import Facts, Row
from memberlake.report.texts import HEADERS, Said, headers, same, word

_MEASURES = ("base_rate", "pr_auc", "recency_pr_auc", "roc_auc", "brier", "ece")


def content(facts: Facts) -> Iterable[Block]:
    yield _quality(facts)
    yield _trained(facts)
    yield _monitoring(facts)
    yield _drift(facts)
    yield _gaps(facts)


def _quality(facts: Facts) -> Block:
    rows = [*reversed(facts.of("models"))]
    versions = [f"{r['model_name']} {r['model_version']}" for r in rows]
    series = [
        Series(HEADERS[measure], versions, [r[measure] for r in rows], color=color)
        for measure, color in (("pr_auc", 1), ("recency_pr_auc", 2), ("base_rate", 6))
    ]
    chart = charts.bars(series, ".3f") if rows else None
    return blocks.block(facts, "model_quality", "gold.churn_models", "models", chart=chart)


def _trained(facts: Facts) -> Block:
    rows = [
        [
            Cell(same(r["model_version"])),
            Cell(same(r["as_of"]), mark="whole"),
            Cell(word(r["model"])),
            blocks.number(facts, r["examples"]),
            *[blocks.number(facts, r[measure], "ratio") for measure in _MEASURES],
            Cell(word(r["is_promoted"])),
            Cell(same(r["reason"])),
        ]
        for r in facts.of("models")
    ]
    columns = headers("version", "as_of", "model", "examples", *_MEASURES, "promoted", "why")
    return blocks.block(facts, "trained", "gold.churn_models", "models", columns=columns, rows=rows)


def _monitoring(facts: Facts) -> Block:
    rows = [
        [
            Cell(same(r["model_name"])),
            Cell(same(r["model_version"])),
            Cell(same(r["as_of"]), mark="whole"),
            Cell(word(r["metric"])),
            blocks.number(facts, r["value"], "ratio", mark="bad" if r["is_alert"] else ""),
            blocks.number(facts, r["threshold"], "ratio"),
        ]
        for r in facts.of("monitoring")
        if not r["metric"].startswith(("psi:", "missing:"))
    ]
    columns = headers("model", "version", "as_of", "metric", "value", "threshold")
    return blocks.block(facts, "monitoring", "gold.model_monitoring", "monitoring", columns=columns, rows=rows)


def _drift(facts: Facts) -> Block:
    """The newest drift of each feature, the largest first; but of the calendar, beside which all others look still."""
    by_feature: dict[str, list[Row]] = defaultdict(list)
    for r in facts.of("monitoring"):
        if r["metric"].startswith("psi:") and r["value"] is not None:
            by_feature[r["metric"].removeprefix("psi:")].append(r)
    for feature in own("season"):
        by_feature.pop(feature.name, None)
    newest = {
        feature: max(rows, key=lambda r: (r["as_of"], str(r["model_version"]))) for feature, rows in by_feature.items()
    }
    ranked = dict(sorted(newest.items(), key=lambda item: -item[1]["value"])[:20])
    limits = [f"{r['threshold']:.2f}" if r["threshold"] is not None else "–" for r in ranked.values()]
    series = [
        Series(
            word(kind),
            [],
            [r["value"] if _judged(r) == kind else None for r in ranked.values()],
            [Said(f"limit {limit}", f"阈值 {limit}") for limit in limits],
            color=color,
        )
        for kind, color in (("within limit", 1), ("beyond limit", 2), ("no limit", 6))
    ]
    chart = charts.ranking([word(feature) for feature in ranked], series, ".3f", one_each=True) if ranked else None
    return blocks.block(facts, "drift", "gold.model_monitoring", "monitoring", chart=chart)


def _judged(row: Row) -> str:
    return "no limit" if row["threshold"] is None else "beyond limit" if row["is_alert"] else "within limit"


def _gaps(facts: Facts) -> Block:
    found = [r for r in facts.of("monitoring") if r["metric"].startswith("missing:")]
    rows = [
        [
            Cell(word(r["metric"].removeprefix("missing:"))),
            blocks.number(facts, r["value"], "share", mark="bad" if r["is_alert"] else ""),
            blocks.number(facts, r["threshold"], "share"),
        ]
        for r in sorted(found, key=lambda r: -(r["value"] or 0))[:10]
    ]
    columns = headers("feature", "missing_rise", "threshold")
    return blocks.block(facts, "gaps", "gold.model_monitoring", "monitoring", columns=columns, rows=rows)
