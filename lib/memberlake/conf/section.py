"""What every section of the configuration is, and the values that more than one uses."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from memberlake.errors import UserError

MOST = 2**31 - 1  # of Spark's int
MOST_DAYS = 100_000  # the day that is so long before an as_of is still a date

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=MOST)]
LookBack = Annotated[int, Field(ge=1, le=MOST_DAYS)]  # days


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """In Python True is a 1: a threshold that is only switched on would be one that nobody asked for."""
        kind = cls.model_fields[str(info.field_name)].annotation
        given = value if isinstance(value, list) else [value]
        if any(isinstance(each, bool) for each in given) and not {bool, Any} & {kind, *get_args(kind)}:
            raise ValueError("neither true nor false is allowed here")
        return value


def absolute(place: str | None) -> str | None:
    """A local path made absolute, `~` too; a URI as it is.

    Raises:
        UserError: a relative `file:`, which Python and Spark would look for in different places.
    """
    if place and re.match("file:(?!/(?!/[^/]))", place):
        raise UserError(f"{place} is no place: write file:///folder, or a path without file:")
    if not place or "://" in place or place.startswith(("file:", "dbfs:")):
        return place.rstrip("/") if place else None
    return str(Path(os.path.expanduser(place)).absolute())  # noqa: PTH111 - Path's own fails on an unknown ~name


def local_path(place: object) -> Path | None:
    """The path of a place on this machine's disks, None for any other."""
    if not isinstance(place, str) or not place:
        return None
    if place.startswith("file:"):
        return Path("/" + place.removeprefix("file:").lstrip("/"))
    return None if "://" in place or place.startswith("dbfs:") else Path(place)


def repeated(values: Sequence[object]) -> str:
    """Those that stand more than once, for an error's sentence; empty without any."""
    return ", ".join(sorted({str(value) for value in values if values.count(value) > 1}))


def known_zone(zone: str) -> str:
    if zone not in available_timezones() - {"Factory", "ROC", "localtime"}:  # these Java does not know
        raise ValueError("is no time zone of the IANA list, such as Asia/Shanghai or UTC")
    return zone
