"""What every section of the configuration is, and the values that more than one uses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
LookBack = Annotated[int, Field(ge=1, le=100_000)]  # days; the day that is so long before an as_of is still a date


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def absolute(place: str | None) -> str | None:
    """A local path made absolute; a URI as it is."""
    if not place or "://" in place or place.startswith(("file:", "dbfs:")):
        return place.rstrip("/") if place else None
    return str(Path(place).expanduser().absolute())


def local_path(place: object) -> Path | None:
    """The path of a place on this machine's disks, None for any other."""
    if not isinstance(place, str) or not place:
        return None
    if place.startswith("file:"):
        return Path("/" + place.removeprefix("file:").lstrip("/"))
    return None if "://" in place or place.startswith("dbfs:") else Path(place)


def known_zone(zone: str) -> str:
    if zone not in available_timezones():
        raise ValueError("is no time zone of the IANA list, such as Asia/Shanghai or UTC")
    return zone
