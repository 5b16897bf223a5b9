"""Alerts: what the rules say of the metrics, and how an alert is opened, updated and closed. Plain values, no Spark: a
rule reads a handful of numbers."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, Literal

from memberlake import calendar
from memberlake.conf.kpi import AlertRule, AlertsConf
from memberlake.kpi import periods
from memberlake.kpi.metrics import METRICS, WAITS

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True)
class Alert:
    """A row of gold.alerts."""

    alert_id: str
    raised_on: date
    as_of: date
    rule: str
    subject_kind: str
    subject_id: str | None
    value: float | None
    threshold: float | None
    severity: str
    notify: str | None
    message: str
    state: str = "open"
    closed_on: date | None = None
    sent_at: datetime | None = None


def of_row(row: Mapping[str, Any]) -> Alert:
    """An alert from a row of gold.alerts that was collected."""
    values = {f.name: row[f.name] for f in fields(Alert)}
    return Alert(**{**values, "sent_at": calendar.utc(row["sent_at"]) if row["sent_at"] else None})


@dataclass(frozen=True)
class Reading:
    """What a rule says of one subject on a day. A value of None is not known, and changes nothing.

    Attributes:
        cooldown_days: an alert that was closed less than so many days ago is not opened again.
    """

    rule: str
    subject_kind: str
    subject_id: str | None
    value: float | None
    threshold: float | None
    is_broken: bool
    message: str
    severity: Severity = "warning"
    notify: str | None = None
    cooldown_days: int = 0


def needed(rule: AlertRule, conf: AlertsConf, trend_periods: int, as_of: date) -> list[date]:
    """First days of the periods that a rule looks at, the latest first: the day as_of, the last whole week or month;
    of a metric that waits for its cohort the last that is known. A level too looks at the one before: a value of the
    dimension that had a row there may be silent now."""
    known = as_of - timedelta(days=WAITS.get(rule.metric, 0))
    latest = periods.start(rule.period, known)
    if periods.end(rule.period, known) > known:
        latest = periods.start(rule.period, latest - timedelta(days=1))
    measure = "trend" if rule.is_of_trend else rule.measure
    count = {"level": 1, "change": conf.change_periods, "trend": trend_periods - 1}[measure]
    step = 7 if rule.period == "day" and rule.measure == "change" else 1
    days = [latest]
    for _ in range(count):
        for _ in range(step):
            latest = periods.start(rule.period, latest - timedelta(days=1))
        days.append(latest)
    return days


def readings(
    rule: AlertRule,
    days: Sequence[date],
    values: Mapping[tuple[str, date], float | None],
    counted: Collection[date] = (),
    held: Iterable[Alert] = (),
) -> list[Reading]:
    """What the rule says of each value of its dimension that has a number in one of the periods, that it names, or that
    an open alert of it is about.

    Args:
        days: of `needed`.
        values: by dimension value and first day of the period; of the rule's `read_metric`, period and dimension.
        counted: first days of the periods in which the metric is known over all: one that is no ratio is 0 there for a
            value without a row, a channel in which nobody ordered.
        held: alerts that are there.
    """
    subjects = {rule.dimension_value} if rule.dimension_value else {value for value, _ in values}
    if rule.dimension != "all":
        mine = [a for a in held if a.state == "open" and a.rule == rule.name and _is_about(rule, a)]
        subjects |= {(a.subject_id or "").removeprefix(_subject(rule, "")) for a in mine}
    zeros = dict.fromkeys(counted, 0.0) if METRICS[rule.read_metric].denominator is None else {}
    found = []
    for subject in sorted(subjects):
        numbers = [values.get((subject, day), zeros.get(day)) for day in days]
        is_running = rule.is_of_trend and days[0] not in counted  # then it has no trend yet
        found.append(_reading(rule, subject, days[0], None if is_running else _measured(rule, numbers)))
    return found


def _subject(rule: AlertRule, value: str) -> str:
    return rule.metric if rule.dimension == "all" else f"{rule.metric}/{rule.dimension}/{value}"


def _is_about(rule: AlertRule | None, alert: Alert) -> bool:
    """True while the rule is there and still about the alert's subject."""
    if rule is None or alert.subject_id is None:
        return False
    if rule.dimension == "all" or rule.dimension_value:
        return alert.subject_id == _subject(rule, rule.dimension_value or "")
    return alert.subject_id.startswith(_subject(rule, ""))


def _exact(number: float) -> Fraction:
    """The number as it is written: 0.3 is 3 of 10, so that the limit itself is within."""
    return Fraction(str(number))


def _measured(rule: AlertRule, values: Sequence[float | None]) -> Fraction | None:
    latest, *earlier = numbers = [None if v is None else _exact(v) for v in values]
    if rule.is_of_trend:
        return _slope(numbers)
    if latest is None or rule.measure == "level":
        return latest
    if rule.measure == "change":
        known = [v for v in earlier if v is not None]
        median = statistics.median(known) if len(known) > 1 else 0
        return latest / median - 1 if median else None
    return _slope(numbers)


def _slope(numbers: Sequence[Fraction | None]) -> Fraction | None:
    """Of the latest number first; None of fewer than two."""
    points = [(-n, v) for n, v in enumerate(numbers) if v is not None]
    if len(points) < 2:
        return None
    middle = Fraction(sum(x for x, _ in points), len(points))
    return sum(((x - middle) * y for x, y in points), Fraction()) / sum((x - middle) ** 2 for x, _ in points)


def _reading(rule: AlertRule, subject: str, day: date, measured: Fraction | None) -> Reading:
    is_broken = measured is not None and (
        (rule.above is not None and measured > _exact(rule.above))
        or (rule.below is not None and measured < _exact(rule.below))
    )
    value = None if measured is None else float(measured)
    limit = rule.above if rule.above is not None else rule.below
    side = "above" if rule.above is not None else "below"
    what = {"level": "", "change": "change of ", "trend": "trend of "}[rule.measure] + METRICS[rule.metric].en
    of = "" if rule.dimension == "all" else f", {rule.dimension} {subject}"
    return Reading(
        rule=rule.name,
        subject_kind="metric",
        subject_id=_subject(rule, subject),
        value=value,
        threshold=limit,
        is_broken=is_broken,
        message=f"{what} ({rule.period} of {day}{of}) is {value if value is None else round(value, 4)}, {side} {limit}",
        severity=rule.severity,
        notify=rule.notify,
        cooldown_days=rule.cooldown_days,
    )


def advance(held: Sequence[Alert], found: Iterable[Reading], rules: Iterable[AlertRule], as_of: date) -> list[Alert]:
    """The alerts that are new or different after the readings of a day. The same day again changes nothing.

    An alert is opened when its rule is broken, updated while it is, closed when it is not any more, or the rule or the
    model's version is gone; a rule is not gone because its subject has no number on a day.

    Args:
        rules: those of the configuration.
    """
    by_subject = {(r.rule, r.subject_id): r for r in found}
    named = {rule.name: rule for rule in rules}
    models = {_model(r.subject_id) for r in by_subject.values() if r.subject_kind == "model"}
    is_open = {(a.rule, a.subject_id): a for a in held if a.state == "open"}
    closed_today = {(a.rule, a.subject_id): a for a in held if a.closed_on == as_of}
    by_id = {a.alert_id: a for a in held}
    changed = []
    for key, alert in is_open.items():
        reading = by_subject.get(key)
        is_watched = _is_of(models, alert) if alert.subject_kind == "model" else _is_about(named.get(alert.rule), alert)
        if reading is None and is_watched:
            continue  # the subject has no number today
        if reading is None or (reading.value is not None and not reading.is_broken):
            changed.append(replace(alert, state="closed", closed_on=as_of, as_of=as_of))
        elif reading.is_broken:
            changed.append(_going_on(alert, reading, as_of))
    for key, reading in by_subject.items():
        if not reading.is_broken or key in is_open:
            continue
        if again := closed_today.get(key):  # an earlier run of this day saw less: it goes on, and is not sent again
            changed.append(_going_on(again, reading, as_of))
        elif not _is_cooling(held, reading, as_of):
            changed.append(_opened(reading, as_of))
    return [alert for alert in changed if by_id.get(alert.alert_id) != alert]


def _is_of(models: Collection[tuple[str, bool]], alert: Alert) -> bool:
    """True while the alert's model has numbers: of its drift, while it scores; of outcomes, while either comes."""
    model, is_drift = _model(alert.subject_id)
    return (model, True) in models or (not is_drift and (model, False) in models)


def _model(subject_id: str | None) -> tuple[str, bool]:
    """Of a metric of a model: name and version, and whether it is one of drift."""
    model, _, metric = (subject_id or "").rpartition("/")
    return model, metric.startswith(("psi:", "missing:"))


def _is_cooling(held: Sequence[Alert], reading: Reading, as_of: date) -> bool:
    closed = [a.closed_on for a in held if (a.rule, a.subject_id) == (reading.rule, reading.subject_id) and a.closed_on]
    return bool(closed) and (as_of - max(closed)).days < reading.cooldown_days


def _going_on(alert: Alert, reading: Reading, as_of: date) -> Alert:
    return replace(_opened(reading, as_of), alert_id=alert.alert_id, raised_on=alert.raised_on, sent_at=alert.sent_at)


def _opened(reading: Reading, as_of: date) -> Alert:
    name = f"{reading.rule}|{reading.subject_kind}|{reading.subject_id}|{as_of}"
    return Alert(
        alert_id=hashlib.sha256(name.encode()).hexdigest()[:16],
        raised_on=as_of,
        as_of=as_of,
        rule=reading.rule,
        subject_kind=reading.subject_kind,
        subject_id=reading.subject_id,
        value=reading.value,
        threshold=reading.threshold,
        severity=reading.severity,
        notify=reading.notify,
        message=reading.message,
    )


def of_model(row: Mapping[str, Any]) -> Reading:
    """What a row of gold.model_monitoring says."""
    name, version, metric = row["model_name"], row["model_version"], row["metric"]
    value, threshold = row["value"], row["threshold"]
    is_now = "not known" if value is None else f"{value:.4g}"
    return Reading(
        rule="model_monitoring",
        subject_kind="model",
        subject_id=f"{name}/{version}/{metric}",
        value=value,
        threshold=threshold,
        is_broken=bool(row["is_alert"]),
        message=f"{metric} of model {name}, version {version}, is {is_now}, beyond {threshold}",
    )
