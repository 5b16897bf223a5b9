"""Sources: how a system's files map to silver, declared in conf/sources/*.yaml."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from memberlake.conf import Section, explain, known_zone, project_home, read_layer
from memberlake.conf.section import repeated
from memberlake.errors import UserError
from memberlake.lake.contract import STRING, Table
from memberlake.tables import silver

_TABLES = {table.name: table for table in silver.TABLES}
# Spark's options that tell how a CSV file is parted into cells, and when a cell is NULL. The others are about types,
# which the contract tells, about writing, or would pass over files and lines in silence.
_CSV_OPTIONS = (
    *("charset", "charToEscapeQuoteEscaping", "comment", "delimiter", "emptyValue", "encoding", "escape", "header"),
    *("ignoreLeadingWhiteSpace", "ignoreTrailingWhiteSpace", "lineSep", "maxCharsPerColumn", "maxColumns"),
    *("multiLine", "nullValue", "quote", "sep", "unescapedQuoteHandling"),
)


def plain(values: Any) -> Any:
    """The values, when they are texts, numbers, true or false; told once, not once for each of these.

    Raises:
        ValueError: one is a date, NULL, a list or a mapping.
    """
    for name, value in values.items() if isinstance(values, Mapping) else ():
        if not isinstance(value, str | int | float):
            raise ValueError(f"{name}: write a text or a number; a date, or the text NULL, needs quotes")
    return values


class Package(Section):
    """An installed Python package that holds the files; it is found, not imported."""

    package: str
    folder: str

    def path(self) -> Path:
        """Raises UserError when the package isn't installed."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise UserError(f"the Python package {self.package} is not installed: pip install 'memberlake[demo]'")
        return Path(spec.submodule_search_locations[0]) / self.folder


class Load(Section):
    """From which files a silver table is filled, and how.

    Attributes:
        files: folder and file pattern below the landing folder; by default every file in the folder of that name.
        query: SQL over `input`, the rows of a batch of files, and the source's lookups; by default the rows as they
            are. A query that aggregates sees one batch, so what belongs together must be in one file.
        columns: silver column to SQL expression over the row; a column not named is taken by its own name.
        defaults: silver column to the value where the row has none.
    """

    table: str
    files: str
    query: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    defaults: dict[str, str | int | float | bool] = Field(default_factory=dict)

    @field_validator("defaults", mode="before")
    @classmethod
    def _of_plain_values(cls, defaults: Any) -> Any:
        return plain(defaults)

    @field_validator("table")
    @classmethod
    def _known_table(cls, name: str) -> str:
        if name not in _TABLES:
            close = difflib.get_close_matches(name, _TABLES, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(_TABLES)}"
            raise ValueError(f"no silver table {name}{hint}")
        return name

    @model_validator(mode="after")
    def _known_columns(self) -> Load:
        known = self.contract.column_names
        if unknown := sorted({*self.columns, *self.defaults} - {*known}):
            raise ValueError(f"silver.{self.table} has no column {', '.join(unknown)}; it has {', '.join(known)}")
        for column in self.contract.columns:
            if column.type == STRING and isinstance(self.defaults.get(column.name), bool | float):
                raise ValueError(f"defaults: put that of {column.name} in quotes: YAML reads no as false, 1.10 as 1.1")
        return self

    @property
    def contract(self) -> Table:
        return _TABLES[self.table]

    @property
    def folder_and_pattern(self) -> tuple[str, str]:
        folder, _, pattern = self.files.rpartition("/")
        return folder, pattern or "*"


class Source(Section):
    """A source of files.

    Attributes:
        time_zone: of timestamps and dates without one; IANA name.
        landing: where the files are unless --landing says otherwise.
        settings: configuration that a lake fed by this source starts with.
        csv: options of Spark's CSV reader that tell how lines are parted into cells, such as sep or encoding.
        lookups: name to file that queries read whole, below the landing folder.
        loads: what to fill, in this order.
    """

    about: str
    time_zone: str
    landing: Package | str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    csv: dict[str, str | bool | int] = Field(default_factory=dict)
    lookups: dict[str, str] = Field(default_factory=dict)
    loads: dict[str, Load]

    @field_validator("csv", mode="before")
    @classmethod
    def _of_plain_values(cls, csv: Any) -> Any:
        return plain(csv)

    @field_validator("csv")
    @classmethod
    def _part_lines_into_cells(cls, csv: dict[str, str | bool | int]) -> dict[str, str | bool | int]:
        if own := [name for name in csv if name.lower() in ("mode", "columnnameofcorruptrecord")]:
            raise ValueError(f"{own[0]} cannot be set: a line that cannot be split into cells is always rejected")
        known = {name.lower(): name for name in _CSV_OPTIONS}
        if unknown := [name for name in csv if name.lower() not in known]:
            close = difflib.get_close_matches(unknown[0].lower(), known, 1)
            hint = f"did you mean {known[close[0]]}?" if close else f"there are {', '.join(_CSV_OPTIONS)}"
            raise ValueError(f"there is no option {', '.join(unknown)}; {hint}")
        if twice := repeated([name.lower() for name in csv]):
            raise ValueError(f"{twice} stands twice, in whatever case")
        for name, value in csv.items():
            if name.lower() == "maxcolumns" and not str(value).isdecimal():
                raise ValueError(f"{name} is no number")
        given = {name.lower(): str(value).lower() for name, value in csv.items()}
        encoding = given.get("encoding", given.get("charset", ""))
        is_parted = encoding.endswith(("le", "be")) and "linesep" in given
        if encoding.startswith(("utf-16", "utf-32")) and given.get("multiline") != "true" and not is_parted:
            raise ValueError(f"{encoding} needs multiLine: true: Spark parts other lines in the middle of a character")
        return csv

    @field_validator("lookups")
    @classmethod
    def _known_input(cls, lookups: dict[str, str]) -> dict[str, str]:
        if any(name.lower() == "input" for name in lookups):
            raise ValueError("a query's `input` is the rows of a batch: give the lookup another name")
        return lookups

    @field_validator("loads")
    @classmethod
    def _folders(cls, loads: dict[str, Load]) -> dict[str, Load]:
        """The record of the files taken is in a folder of the load's name."""
        if bad := [name for name in loads if not re.fullmatch(r"\w[\w .-]*", name)]:
            raise ValueError(f"{bad[0]!r} is no name of a load: it may have letters, digits, blanks, `_`, `-` and `.`")
        return loads

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        return known_zone(zone)

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, values: dict[str, Any]) -> dict[str, Any]:
        """A load's table is its name, and its files are all in the folder of that name, unless it says otherwise."""
        loads = values.get("loads")
        if not isinstance(loads, Mapping):
            return values
        full = {}
        for name, load in loads.items():
            load = load if load is not None else {}
            defaults = {"table": name, "files": f"{name}/"}
            full[name] = {**defaults, **load} if isinstance(load, Mapping) else load
        return {**values, "loads": full}


def find(name: str, home: Path | None = None) -> Source:
    """The source of that name in conf/sources of the project, or a YAML file of one's own.

    Raises:
        UserError: no such source, or it is not well-formed.
    """
    file = Path(name) if name.endswith((".yaml", ".yml")) else (home or project_home()) / f"conf/sources/{name}.yaml"
    if not file.is_file():
        known = sorted(f.stem for f in (home or project_home()).glob("conf/sources/*.yaml"))
        close = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UserError(f"there is no source {name}{hint} (known: {', '.join(known)}, or the path of a .yaml file)")
    layer = read_layer(file)
    try:
        return Source.model_validate(layer.values)
    except ValidationError as error:
        raise UserError(explain(error, Source, {(): layer.origin})) from None
