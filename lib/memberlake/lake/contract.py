"""Contracts: a table declared once as data. The writer, the ingest rules, the tests and docs/tables.md read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from memberlake.lake import sql

CONTRACT_VERSION = 4  # rises with every change of a contract; a lake with a higher one is not touched

STRING, BOOL, INT, LONG, DOUBLE = T.StringType(), T.BooleanType(), T.IntegerType(), T.LongType(), T.DoubleType()
DATE, TS, MONEY, QUANTITY = T.DateType(), T.TimestampType(), T.DecimalType(18, 2), T.DecimalType(18, 3)
STRINGS, ATTRIBUTES, BINARY = T.ArrayType(STRING), T.MapType(STRING, STRING), T.BinaryType()

Span = Literal["past", "planned", "any"]


@dataclass(frozen=True)
class Column:
    """A column and what ingest checks in it.

    Attributes:
        comment: meaning, with unit; goes into Delta and docs/tables.md.
        allowed: the only values, where the list is closed.
        minimum, maximum: bounds of numbers, both included.
        span: of dates and instants: `past` (1990 to a day after ingest), `planned` (1990 on) or `any`.
        reserved: values that mean something else to a later job and cannot be used.
    """

    name: str
    type: T.DataType
    comment: str
    required: bool = False
    allowed: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    span: Span = "past"
    reserved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of the lake.

    Attributes:
        schema: `silver`, `gold` or `ops`.
        grain: what one row is.
        key: columns that together are unique.
        version: of two rows with one key, the one with the later value here replaces the other.
        happened_at: the instant whose business date decides whether as_of may see the row.
        partitioned_by: columns of the slices that jobs replace.
        keeps_changes: Delta records changed rows, so that `Lake.changes` can tell them; all of silver does.
        checks: constraints that Delta enforces, name to SQL predicate; NULL is a breach, so say IS NULL OR ...
    """

    schema: str
    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    version: str | None = None
    happened_at: str | None = None
    partitioned_by: tuple[str, ...] = ()
    keeps_changes: bool = False
    checks: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        unknown = {*self.key, *self.partitioned_by, self.version, self.happened_at} - {*self.column_names, None}
        if unknown or not self.key:
            raise ValueError(f"{self.full_name}: no key, or not among the columns: {unknown}")

        if self.schema == "silver":
            object.__setattr__(self, "keeps_changes", True)

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def struct(self) -> T.StructType:
        return T.StructType(
            [T.StructField(c.name, c.type, not c.required, {"comment": c.comment}) for c in self.columns]
        )


def conform(frame: DataFrame, table: Table) -> DataFrame:
    """The frame with the contract's columns in the contract's order.

    Raises:
        ValueError: names or types differ; all differences in one message. Delta itself would fill a missing column
            with NULL and cast types in silence.
    """
    found = {field.name: field.dataType for field in frame.schema.fields}
    wanted = {column.name: column.type for column in table.columns}
    faults = [f"no column {name}" for name in wanted if name not in found]
    faults += [f"unknown column {name}" for name in found if name not in wanted]
    faults += [
        f"{name} is {found[name].simpleString()}, not {wanted[name].simpleString()}"
        for name in wanted
        if name in found and not _same_type(found[name], wanted[name])
    ]
    if len(frame.columns) != len(found):
        faults.append(f"a column stands twice among {', '.join(frame.columns)}")
    if faults:
        raise ValueError(f"{table.full_name}: {'; '.join(faults)}")
    return frame.select(*[F.col(sql.name(name)) for name in wanted])


def _same_type(a: T.DataType, b: T.DataType) -> bool:
    """Equal but for nullability inside arrays, maps and structs, which Spark derives and Delta ignores."""
    return a.simpleString() == b.simpleString()
