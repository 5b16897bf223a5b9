"""Raw rows to silver rows, each with the rules of the contract that it breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DateType, DoubleType, FloatType, StringType, TimestampType

from memberlake.ingest import parse
from memberlake.ingest.files import BROKEN, FILE
from memberlake.ingest.source import Load
from memberlake.lake import contract, sql
from memberlake.lake.contract import LONG, MONEY, Table

FAULTS, RAW = "_faults", "_raw"
EARLIEST = datetime(1990, 1, 1, tzinfo=timezone.utc)
LARGEST = 10**12  # of money and points: ten thousand amounts can be added up before DECIMAL(18,2) is full
# to_json stops at milliseconds by itself
_TO_THE_MICROSECOND = {
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}


def judged(
    raw: DataFrame, load: Load, zone: str, taken_at: datetime, allowed: Mapping[str, Sequence[str]]
) -> DataFrame:
    """The silver columns, `_faults` (the rules broken, '' when good), `_raw` (a bad row as JSON), `_source_file`.

    Args:
        raw: rows as files.read gives them, or a load's query made them.
        taken_at: UTC instant of ingest; nothing may have happened more than a day later.
        allowed: more closed lists of values, by column, from the configuration.
    """
    table = load.contract
    inner = [name for name in raw.columns if name not in {FILE, BROKEN}]
    cells = raw.select("*", *[_cell(raw, load, column).alias(f"_cell_{column.name}") for column in table.columns])
    types = {f.name: f.dataType for f in cells.schema.fields}
    cells = cells.select(
        "*",
        *[_value(load, c, types[f"_cell_{c.name}"], zone).alias(f"_typed_{c.name}") for c in table.columns],
    )
    line = F.to_json(F.struct(F.col(BROKEN).alias("line")))
    cells_as_json = F.to_json(F.struct(*[F.col(sql.name(name)) for name in inner]), _TO_THE_MICROSECOND)
    whole = F.when(F.col(BROKEN).isNotNull(), line).otherwise(cells_as_json)
    faults = F.when(F.col(BROKEN).isNotNull(), F.lit("line cannot be split into cells"))
    return cells.withColumn(FAULTS, F.coalesce(faults, _faults(table, types, taken_at, allowed))).select(
        *[F.col(f"_typed_{c.name}").alias(c.name) for c in table.columns],
        FAULTS,
        F.when(F.col(FAULTS) != "", whole).alias(RAW),
        FILE,
    )


def absent_columns(columns: Sequence[str], load: Load) -> list[str]:
    """Required silver columns that neither the file nor the load's mapping gives."""
    given = {name.casefold() for name in (*columns, *load.columns, *load.defaults)}
    return [c.name for c in load.contract.columns if c.required and c.name not in given]


def doubled_columns(columns: Sequence[str]) -> set[str]:
    """Columns that stand twice in the header of a CSV file: Spark adds their place, member_id0 and member_id1."""
    names = Counter(name.casefold().removesuffix(str(n)) for n, name in enumerate(columns) if name.endswith(str(n)))
    return {name for name, count in names.items() if count > 1}


def unused_columns(columns: Sequence[str], load: Load) -> list[str]:
    """Columns of the file that a load without SQL of its own does not take."""
    if load.query or load.columns:
        return []
    return sorted({name.casefold() for name in columns} - {*load.contract.column_names})


def default(load: Load, column: contract.Column, zone: str) -> Column:
    """The load's default for a column; NULL when the column cannot hold it."""
    return parse.typed(F.lit(str(load.defaults[column.name])), StringType(), column.type, zone)


def only_good(judged: DataFrame) -> DataFrame:
    return judged.where(F.col(FAULTS) == "").drop(FAULTS, RAW, FILE)


def as_rejects(judged: DataFrame, table: Table, taken_at: datetime) -> DataFrame:
    """The bad rows as rows of ops.rejects. Equal rows of a file are numbered, so that none is lost."""
    content = F.xxhash64(FILE, RAW)
    # rows that tie here are equal, so any order gives the same ids
    equal = Window.partitionBy(FILE, RAW).orderBy(content)
    number = F.row_number().over(equal.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    identity = F.concat_ws("\x1f", F.lit(table.name), F.col(FILE), F.col(RAW), number.cast("string"))
    return judged.where(F.col(FAULTS) != "").select(
        F.sha2(identity, 256).alias("reject_id"),
        F.lit(table.full_name).alias("table"),
        F.col(FILE).alias("source_file"),
        F.col(FAULTS).alias("rule"),
        F.col(RAW).alias("row"),
        F.lit(taken_at).cast("timestamp").alias("rejected_at"),
    )


def _cell(raw: DataFrame, load: Load, column: contract.Column) -> Column:
    """The raw value of a silver column: its expression, the column of its name, or nothing."""
    names = {name.casefold(): name for name in raw.columns}
    if column.name in load.columns:
        return sql.expression(load.columns[column.name])
    if column.name in names:
        return F.col(sql.name(names[column.name]))
    return F.lit(None).cast(column.type)


def _value(load: Load, column: contract.Column, found: DataType, zone: str) -> Column:
    """The cell in the column's type; the load's default where there is no cell."""
    cell = F.col(f"_cell_{column.name}")
    value = parse.typed(cell, found, column.type, zone)
    if column.name not in load.defaults:
        return value
    return F.when(_given(cell, found, column.type), value).otherwise(default(load, column, zone))


def _given(cell: Column, found: DataType, wanted: DataType) -> Column:
    """True when there is something in the cell."""
    if isinstance(found, StringType):
        return F.coalesce(F.trim(cell) != "", F.lit(False))
    if isinstance(found, FloatType | DoubleType) and isinstance(wanted, StringType):
        return cell.isNotNull() & ~F.isnan(cell)  # pandas makes floats of ids when one is missing, and that one NaN
    return cell.isNotNull()


def _faults(
    table: Table, types: Mapping[str, DataType], taken_at: datetime, allowed: Mapping[str, Sequence[str]]
) -> Column:
    """The rules that a row breaks, joined; '' when it breaks none. NULL breaks only `is missing`."""
    rules: list[Column] = []
    for c in table.columns:
        cell, value = F.col(f"_cell_{c.name}"), F.col(f"_typed_{c.name}")
        kind = c.type.simpleString()

        def broken(condition: Column, rule: str) -> None:
            rules.append(F.when(condition, F.lit(rule)))

        unreadable = _given(cell, types[f"_cell_{c.name}"], c.type) & value.isNull()
        broken(unreadable, f"{c.name} is not a readable {kind}")
        if isinstance(c.type, StringType):  # what a reader puts where bytes are of another encoding
            broken(F.contains(value, F.lit("\ufffd")), f"{c.name} is not in the encoding of the source")
        if c.required:
            broken(value.isNull() & ~unreadable, f"{c.name} is missing")
        if values := (*c.allowed, *allowed.get(c.name, ())):
            broken(~value.isin(*values), f"{c.name} is not one of {', '.join(values)}")
        if c.reserved:
            broken(value.isin(*c.reserved), f"{c.name} is a reserved word")
        if c.minimum is not None:
            rule = f"{c.name} is negative" if c.minimum == 0 else f"{c.name} is below {c.minimum}"
            broken(value < F.lit(c.minimum).cast(c.type), rule)
        if c.maximum is not None:
            broken(value > F.lit(c.maximum).cast(c.type), f"{c.name} is above {c.maximum}")
        if c.type in (MONEY, LONG):
            broken(F.abs(value) > F.lit(LARGEST).cast(c.type), f"{c.name} is more than {LARGEST:,} either way")
        if isinstance(c.type, DateType | TimestampType) and c.span != "any":
            broken(value < F.lit(EARLIEST).cast(c.type), f"{c.name} is before 1990")
            if c.span == "past":
                latest = F.lit(taken_at + timedelta(days=1)).cast(c.type)
                broken(value > latest, f"{c.name} is more than a day in the future")
    return F.concat_ws("; ", *rules)
