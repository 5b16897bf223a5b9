"""Who counts as active, over which windows; and the scores of visits."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, PositiveInt, field_validator

from memberlake.conf.section import Count, LookBack, Section, repeated
from memberlake.conf.value import ScoredConf
from memberlake.lake.contract import BOOL, STRING
from memberlake.tables.silver import MEMBERS

_OF_EVENTS = ("all", "channel", "kind")
_TEXTS = tuple(c.name for c in MEMBERS.columns if c.type in (STRING, BOOL) and c.name not in MEMBERS.key)
_OF_MEMBERS = (*_TEXTS, "tier")  # an attribute


class ActivityConf(Section):
    active_event_types: tuple[str, ...] = Field(min_length=1)
    rolling_windows: tuple[PositiveInt, ...]
    dimensions: tuple[str, ...]
    robot_threshold: Count | None
    approximate: bool
    sketch_lg_k: int = Field(ge=4, le=21)

    @field_validator("active_event_types", "rolling_windows", "dimensions")
    @classmethod
    def _once_each(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if twice := repeated(values):
            raise ValueError(f"has {twice} twice")
        return values

    @field_validator("rolling_windows")
    @classmethod
    def _within_years(cls, windows: tuple[int, ...]) -> tuple[int, ...]:
        if any(w > 3660 for w in windows):
            raise ValueError("windows are days, 3660 at most")
        return windows

    @field_validator("dimensions")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = (*_OF_EVENTS, *_OF_MEMBERS)
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"has {', '.join(unknown)}; it allows {', '.join(known)}")
        if "all" not in names:
            raise ValueError("needs all")
        return names

    @property
    def member_columns(self) -> tuple[str, ...]:
        """The dimensions that silver.members tells."""
        return tuple(name for name in self.dimensions if name not in _OF_EVENTS)


class RfeConf(ScoredConf):
    letters: ClassVar[str] = "rfe"

    look_back_days: LookBack
    engagement_weights: dict[str, float]

    @field_validator("engagement_weights")
    @classmethod
    def _exact(cls, weights: dict[str, float]) -> dict[str, float]:
        for event_type, weight in weights.items():
            if not 0 <= weight <= 1_000_000 or round(weight, 4) != weight:
                raise ValueError(f"{event_type}: a weight is 0 to 1,000,000 with at most four decimals")
        return weights
