"""What the pages are made of: the small frames' rows, and what the metrics among them are."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, NamedTuple

from memberlake.conf import Conf
from memberlake.conf.churn import ChurnRule
from memberlake.conf.kpi import AlertRule
from memberlake.kpi.metrics import METRICS, TRENDS, Metric
from memberlake.report.texts import FORETOLD, Said, exact, number, share, slope, word

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]


class Defined(NamedTuple):
    """What a metric is.

    Attributes:
        form: how its value is written: count, money, share or ratio; of a slope, the form of what rises.
        direction: 1 when up is good, -1 when up is bad, 0 when neither.
        needs: tables without which gold.kpi has no rows of it.
        parts: forms of numerator and denominator.
    """

    label: Said
    sentence: Said
    formula: Said
    form: str
    direction: int
    source: str = "gold.kpi"
    needs: tuple[str, ...] = ()
    is_slope: bool = False
    parts: tuple[str, str] = ("count", "count")


# measures that are amounts of money
_MONEY = {metric.numerator for metric in METRICS.values() if metric.unit == "money"} | {"of_method"}
_FORMS = {"money": "money", "share": "share", "ratio": "ratio"}  # any other unit is counted


def defined(metric: Metric) -> Defined:
    return Defined(
        Said(metric.en, metric.zh),
        Said(metric.sentence, metric.sentence_zh),
        Said(metric.formula, metric.formula_zh),
        _FORMS.get(METRICS[TRENDS.get(metric.name, metric.name)].unit, "count"),
        {"up": 1, "down": -1, "neither": 0}[metric.good],
        f"gold.kpi ← {', '.join(metric.sources)}",
        metric.needs,
        metric.name in TRENDS,
        ("money" if metric.numerator in _MONEY else "count", "money" if metric.denominator in _MONEY else "count"),
    )


DEFINED = {name: defined(metric) for name, metric in METRICS.items()}


def _foretold(rule: ChurnRule) -> Said:
    """What the model foretells, in words."""
    said = FORETOLD.get(rule.condition)
    return said.of(days=rule.days) if said else word(rule.name)


@dataclass(frozen=True)
class Facts:
    """What the pages are made of.

    Attributes:
        rows: the rows of `data.small`, by name.
        place: the lake, as commands name it.
        conf: the settings, of which texts name limits and windows.
        versions: table to its Delta version and the instant of its last change (UTC).
        rules: the rules of alerts as they are now, by name.
        judged_until: the last day that alerts were judged of.
    """

    rows: Rows
    as_of: date
    place: str
    conf: Conf
    versions: Mapping[str, tuple[int, datetime]] = field(default_factory=dict)
    rules: Mapping[str, AlertRule] = field(default_factory=dict)
    judged_until: date | None = None

    def of(self, name: str) -> Sequence[Row]:
        return self.rows.get(name, ())

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What texts may name: limits and windows as they are set."""
        conf = self.conf
        return {
            "as_of": self.as_of,
            "rfm_days": conf.rfm.look_back_days,
            "rfe_days": conf.rfe.look_back_days,
            "abc_days": conf.abc.look_back_days,
            "a_below": share(conf.abc.a_below),
            "b_below": share(conf.abc.b_below),
            "high_share": share(conf.abc.high_share),
            "middle_share": share(conf.abc.middle_share),
            "soonest": conf.churn.gap_days + 1,
            "embargo": conf.churn.embargo_days,
            "foretold": _foretold(conf.churn.foretold),
            "high": share(conf.churn.bands.high),
            "medium": share(conf.churn.bands.medium),
            "run_gap": conf.coupons.run_gap_days,
            "change_periods": conf.alerts.change_periods,
            "trend_periods": conf.kpi.trend_periods,
        }

    def written(self, value: float | None, form: str, cents: bool | None = None) -> Said:
        return number(value, form, self.conf.currency, cents)

    def exact(self, value: float, form: str) -> str:
        return exact(value, form, self.conf.currency)

    def metric(self, value: float | None, of: Defined, period: str) -> Said:
        """A metric's value of a period."""
        return slope(value, of.form, period, self.conf.currency) if of.is_slope else self.written(value, of.form)

    @property
    def run(self) -> Row | None:
        """The run that writes this report, in ops.runs; None outside a recorded run."""
        return next((r for r in self.of("jobs") if r["job"] == "report" and r["state"] == "running"), None)

    def command(self, job: str) -> str:
        return f"memberlake run {job} --lake {shlex.quote(self.place)} --as-of {self.as_of}"

    def ingest(self) -> str:
        return f"memberlake ingest --source NAME --lake {shlex.quote(self.place)}"

    def has_run(self, job: str) -> bool:
        """The job's last run was for this day, and it is done."""
        return any((r["job"], r["state"], r["as_of"]) == (job, "done", self.as_of) for r in self.of("jobs"))

    @cached_property
    def is_empty(self) -> dict[str, bool]:
        """Silver tables that the report reads; of others nobody knows here."""
        return {r["table"]: r["is_empty"] for r in self.of("silver")}

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
