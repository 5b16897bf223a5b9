"""The health report."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from memberlake.conf.section import Section, absolute


class ReportConf(Section):
    language: Literal["en", "zh"]
    folder: str | None

    @field_validator("folder")
    @classmethod
    def _absolute(cls, place: str | None) -> str | None:
        return absolute(place)
