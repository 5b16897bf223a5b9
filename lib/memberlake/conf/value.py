"""Orders that count, and the scores of what members are worth."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, field_validator, model_validator
from typing_extensions import Self

from memberlake.conf.section import LookBack, Section


class OrdersConf(Section):
    statuses: tuple[str, ...] = Field(min_length=1)
    counted_statuses: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _counted_are_known(self) -> OrdersConf:
        if unknown := sorted(set(self.counted_statuses) - set(self.statuses)):
            raise ValueError(
                f"counted_statuses has {', '.join(unknown)}; orders.statuses allows {', '.join(self.statuses)}"
            )
        return self


Scores = tuple[int, int] | Literal["high", "low"] | None


class SegmentRule(Section):
    """Scores that a segment asks for: [from, to], `high`, `low`, or nothing (any)."""

    segment: str = Field(min_length=1)
    r: Scores = None
    f: Scores = None
    m: Scores = None
    e: Scores = None

    @field_validator("r", "f", "m", "e", mode="wrap")
    @classmethod
    def _in_one_sentence(cls, scores: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        """Not one for each of the forms that it may have."""
        try:
            return validate(scores)
        except ValidationError:
            raise ValueError("write [from, to], high or low") from None

    @property
    def asks(self) -> dict[str, tuple[int, int] | Literal["high", "low"]]:
        """The measures that have a condition."""
        return {name: scores for name in "rfme" if (scores := getattr(self, name)) is not None}


class SegmentMap(Section):
    tiles: int | None = Field(default=None, ge=2, le=10)
    rules: tuple[SegmentRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> SegmentMap:
        if self.rules[-1].asks:
            raise ValueError(f"the last rule ({self.rules[-1].segment}) must match everything: no condition on a score")
        for rule in self.rules:
            for measure, scores in rule.asks.items():
                if isinstance(scores, str):
                    continue
                if self.tiles is None:
                    raise ValueError(f"{rule.segment}: {measure} has score numbers, so the map must say tiles")
                low, high = scores
                if not 1 <= low <= high <= self.tiles:
                    raise ValueError(f"{rule.segment}: {measure} is not within 1..{self.tiles}, from <= to")
        return self


class ScoredConf(Section):
    """What RFM and RFE have in common: scores of measures, and the segments that they make."""

    letters: ClassVar[str]  # the measures, in the order of the code

    tiles: int = Field(ge=2, le=10)
    thresholds: dict[str, tuple[float, ...]]
    segment_map: str
    segment_maps: dict[str, SegmentMap] = Field(min_length=1)

    @model_validator(mode="after")
    def _thresholds_fit(self) -> Self:
        if foreign := sorted({*self.thresholds} - {*self.letters}):
            raise ValueError(f"thresholds has {', '.join(foreign)}; there is {', '.join(self.letters)}")
        for measure, cuts in self.thresholds.items():
            if len(cuts) != self.tiles - 1 or list(cuts) != sorted(set(cuts)):
                raise ValueError(f"thresholds.{measure} needs {self.tiles - 1} rising values for {self.tiles} tiles")
        return self

    @model_validator(mode="after")
    def _segments_fit(self) -> Self:
        if self.segment_map not in {"auto", *self.segment_maps}:
            raise ValueError(f"segment_map allows auto, {', '.join(self.segment_maps)}")
        for name, segments in self.segment_maps.items():
            for rule in segments.rules:
                if foreign := sorted({*rule.asks} - {*self.letters}):
                    raise ValueError(
                        f"segment_maps.{name}: {rule.segment} asks for {', '.join(foreign)}; "
                        f"there is {', '.join(self.letters)}"
                    )
        if self.segments.tiles not in {None, self.tiles}:
            raise ValueError(
                f"segment_map {self.segment_map} is made for {self.segments.tiles} tiles, not {self.tiles}"
            )
        return self

    @property
    def segments(self) -> SegmentMap:
        """The map in force; `auto` is the one made for this number of tiles, or for any."""
        if self.segment_map != "auto":
            return self.segment_maps[self.segment_map]
        for tiles in (self.tiles, None):
            found = [name for name, segments in self.segment_maps.items() if segments.tiles == tiles]
            if len(found) > 1:
                made_for = tiles or "any number of"
                raise ValueError(
                    f"{', '.join(found)} are each made for {made_for} tiles: set segment_map to one of them"
                )
            if found:
                return self.segment_maps[found[0]]
        raise ValueError(f"no map in segment_maps is made for {self.tiles} tiles, nor for any number of tiles")


class RfmConf(ScoredConf):
    letters: ClassVar[str] = "rfm"

    look_back_days: LookBack
    by_category: bool
    monetary: Literal["sum", "mean", "last"]
    weights: dict[Literal["r", "f", "m"], float]

    @model_validator(mode="after")
    def _consistent(self) -> RfmConf:
        if self.weights and set(self.weights) != {"r", "f", "m"}:
            raise ValueError("weights needs all of r, f, m, or nothing")
        return self
