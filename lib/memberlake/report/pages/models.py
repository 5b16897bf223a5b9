"""Models: how good they are, and whether the world has moved away from them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta

from memberlake.churn.features import own
from memberlake.report import blocks, charts, texts
from memberlake.report.blocks import Block, Cell
from memberlake.report.charts import Series
from memberlake.report.facts import Facts, Row
from memberlake.report.texts import HEADERS, Said, headers, same, word

_LISTED = 20  # features
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
        Series(HEADERS[measure], versions, [r[measure] for r in rows], hover, color=color)
        for measure, color, hover in (
            ("pr_auc", 1, ()),
            ("recency_pr_auc", 2, ()),
            ("base_rate", 6, [_churners(r) for r in rows]),
        )
    ]
    chart = charts.bars(series, texts.FORMATS["ratio"]) if rows else None
    return blocks.block(facts, "model_quality", "gold.churn_models", "models", chart=chart)


def _churners(row: Row) -> str:
    """What the base rate is made of."""
    return f"{row['base_rate'] * row['examples']:,.0f} / {row['examples']:,}"


def _trained(facts: Facts) -> Block:
    rows = [
        [
            Cell(same(r["model_version"])),
            Cell(same(r["as_of"]), mark="whole"),
            Cell(word(r["model"])),
            blocks.number(facts, r["examples"]),
            blocks.number(facts, r["base_rate"], "ratio", _churners(r)),
            *[blocks.number(facts, r[measure], "ratio") for measure in _MEASURES[1:]],
            Cell(word(r["is_promoted"])),
            Cell(_reason(r["reason"])),
        ]
        for r in facts.of("models")
    ]
    columns = headers("version", "as_of", "model", "examples", *_MEASURES, "promoted", "why")
    return blocks.block(facts, "trained", "gold.churn_models", "models", columns=columns, rows=rows)


_VERDICT = re.compile(
    r"PR-AUC (?P<own>\S+) (?P<said>beats|does not beat) (?P<rivals>.+) by (?P<margin>\S+?)( or more)?"
)
_RIVAL = re.compile(r"(.+) \((\S+)\)")


def _reason(reason: str) -> Said:
    """Why a model was promoted, or not, in both languages by the form that `training.judge` gives it; in another form,
    such as that of an earlier version, as it is stored."""
    found = _VERDICT.fullmatch(reason)
    rivals = [_RIVAL.fullmatch(rival) for rival in found["rivals"].split(" and ")] if found else []
    each = [texts.VERDICTS["rival"].of(name=word(r[1]), value=r[2]) for r in rivals if r]
    if not found or len(each) < len(rivals) or len(each) > 2:
        return same(reason)
    all_of_them = texts.VERDICTS["both"].of(first=each[0], second=each[1]) if len(each) == 2 else each[0]
    said = texts.VERDICTS["beats" if found["said"] == "beats" else "fails"]
    return said.of(own=found["own"], rivals=all_of_them, margin=found["margin"])


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
    first = min((r["first_on"] for r in facts.of("monitoring")), default=None)
    due = first + timedelta(days=facts.conf.churn.embargo_days) if first else None
    needs = "monitoring" if due is None else "outcomes" if due > facts.as_of else "no_outcome"
    source = "gold.model_monitoring"
    return blocks.block(facts, "monitoring", source, needs, columns=columns, rows=rows, first=first, due=due)


def _drift(facts: Facts) -> Block:
    """The drift of features, those that are judged and the largest first; but of the calendar, beside which all others
    look still."""
    season = {feature.name for feature in own("season")}
    drift = {feature: r for feature, r in _in_use(facts, "psi:").items() if feature not in season}
    ranked = dict(sorted(drift.items(), key=lambda item: (item[1]["threshold"] is None, -item[1]["value"]))[:_LISTED])
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
    names, form = [texts.feature(name) for name in ranked], texts.FORMATS["ratio"]
    chart = charts.ranking(names, series, form, one_each=True) if ranked else None
    more = texts.UI["first"].of(shown=len(ranked), of=len(drift)) if len(ranked) < len(drift) else None
    return blocks.block(facts, "drift", "gold.model_monitoring", "monitoring", chart=chart, more=more)


def _judged(row: Row) -> str:
    return "no limit" if row["threshold"] is None else "beyond limit" if row["is_alert"] else "within limit"


def _gaps(facts: Facts) -> Block:
    measured = _in_use(facts, "missing:")
    rises = sorted(((r["value"], name, r) for name, r in measured.items() if r["value"] > 0.0005), reverse=True)
    rows = [
        [
            Cell(texts.feature(name)),
            Cell(texts.points(rise), True, mark="bad" if r["is_alert"] else ""),
            Cell(texts.points(r["threshold"]), True),
        ]
        for rise, name, r in rises[:_LISTED]
    ]
    columns = headers("feature", "missing_rise", "threshold_points")
    needs = "no_gap" if measured or _in_use(facts, "psi:") else "monitoring"
    more = blocks.largest(len(rows), len(rises), texts.HEADERS["missing_rise"])
    return blocks.block(facts, "gaps", "gold.model_monitoring", needs, columns=columns, rows=rows, more=more)


def _in_use(facts: Facts, prefix: str) -> Mapping[str, Row]:
    """A measure of each feature of the model that scored last: those of earlier models say nothing about today."""
    found = [r for r in facts.of("monitoring") if r["metric"].startswith(prefix) and r["value"] is not None]
    if not found:
        return {}
    # versions are whole numbers as text: 10 comes after 9
    last = max(found, key=lambda r: (r["as_of"], len(str(r["model_version"])), str(r["model_version"])))
    of = (last["model_name"], last["model_version"])
    return {r["metric"].removeprefix(prefix): r for r in found if (r["model_name"], r["model_version"]) == of}
