"""Metrics of operation, the money of marketing, and alerts."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from memberlake.conf.section import MOST_DAYS, LookBack, Section, repeated
from memberlake.kpi.metrics import DAILY, METRICS, TRENDS, Metric

MEMBER_DIMENSIONS = ("source", "gender", "city", "occupation", "brand", "acquisition_channel", "tier")
ORDER_DIMENSIONS = ("channel", "category")
Response = Literal["open", "click", "reply", "lead", "conversion"]
Period = Literal["day", "week", "month"]
Periods = Annotated[int, Field(ge=2, le=1000)]  # so many months before an as_of are still dates


class KpiConf(Section):
    dimensions: tuple[str, ...]
    point_value: Decimal = Field(ge=0, le=1_000_000, decimal_places=6)
    expected_redemption: Decimal = Field(ge=0, le=1, decimal_places=6)
    attribution_days: LookBack
    goals: dict[str, Response]
    trend_periods: Periods

    @field_validator("dimensions")
    @classmethod
    def _known(cls, dimensions: tuple[str, ...]) -> tuple[str, ...]:
        known = {*MEMBER_DIMENSIONS, *ORDER_DIMENSIONS}
        if unknown := [d for d in dimensions if d not in known and not re.match(r"attributes\..", d)]:
            allowed = ", ".join((*ORDER_DIMENSIONS, *MEMBER_DIMENSIONS, "attributes.NAME"))
            raise ValueError(f"{', '.join(unknown)} is no dimension; there are {allowed}")
        if len({*dimensions}) < len(dimensions):
            raise ValueError("a dimension stands twice")
        return dimensions

    @property
    def of_members(self) -> tuple[str, ...]:
        """The dimensions that describe members."""
        return tuple(d for d in self.dimensions if d not in ORDER_DIMENSIONS)

    def dimensions_of(self, metric: Metric) -> list[str]:
        """The dimensions that the metric has rows of."""
        groups = {"member": self.of_members, "order": self.dimensions}
        own = [name for kind in metric.by for name in groups.get(kind, (kind,))]
        return own if metric.by == ("goal",) else ["all", *own]


Share = Annotated[Decimal, Field(ge=0, le=1, decimal_places=6)]  # more would be rounded by the job


class AbcConf(Section):
    look_back_days: LookBack
    a_below: Share
    b_below: Share
    high_share: Share  # exact, as the limits above: 0.1 + 0.2 of ten members are three
    middle_share: Share

    @model_validator(mode="after")
    def _rising(self) -> AbcConf:
        if self.a_below > self.b_below:
            raise ValueError(f"a_below ({self.a_below}) must not be above b_below ({self.b_below})")
        if self.high_share + self.middle_share > 1:
            raise ValueError("high_share and middle_share together are above 1")
        return self


class AlertRule(Section):
    """A limit for a metric.

    Attributes:
        measure: `level`, the value; `change`, value / the median of the same weekdays before (of the weeks or months
            before) - 1; `trend`, the slope over kpi.trend_periods.
        above, below: limits; one of them.
        dimension_value: one value of the dimension, NULL for each.
    """

    name: str = Field(min_length=1)
    metric: str
    period: Period
    dimension: str = "all"
    dimension_value: str | None = None
    measure: Literal["level", "change", "trend"] = "level"
    above: float | None = None
    below: float | None = None
    severity: Literal["info", "warning", "critical"] = "warning"
    cooldown_days: int = Field(default=0, ge=0, le=MOST_DAYS)
    notify: str | None = None

    @model_validator(mode="after")
    def _sound(self) -> AlertRule:
        if self.metric not in METRICS:
            raise ValueError(f"{self.name}: there is no metric {self.metric}; docs/metrics.md lists them")
        if self.metric in DAILY and self.period != "day":
            raise ValueError(f"{self.name}: {self.metric} is of days only, not of a {self.period}")
        if (self.above is None) == (self.below is None):
            raise ValueError(f"{self.name}: give one of above and below")
        if self.dimension_value is not None and self.dimension == "all":
            raise ValueError(f"{self.name}: dimension_value needs a dimension")
        return self

    @property
    def is_of_trend(self) -> bool:
        """The level of a trend, which is made again of the metric's numbers: gold.kpi holds it as floats give it."""
        return self.measure == "level" and self.metric in TRENDS

    @property
    def read_metric(self) -> str:
        """The metric whose numbers are read."""
        return TRENDS[self.metric] if self.is_of_trend else self.metric


class WebhookConf(Section):
    url: str | None
    timeout_seconds: float = Field(gt=0, le=60)
    retries: int = Field(ge=0, le=10)

    @field_validator("url")
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return url


class AlertsConf(Section):
    change_periods: Periods
    rules: tuple[AlertRule, ...]
    webhook: WebhookConf

    @model_validator(mode="after")
    def _names_are_unique(self) -> AlertsConf:
        if twice := repeated([rule.name for rule in self.rules]):
            raise ValueError(f"the rule {twice} stands twice")
        return self
