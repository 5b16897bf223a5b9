"""Cells to the contract's types. NULL where a cell cannot be read exactly; nothing is rounded or guessed."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    IntegralType,
    LongType,
    MapType,
    NumericType,
    StringType,
    StructType,
    TimestampNTZType,
    TimestampType,
)

_WIDE = DecimalType(38, 10)
_NUMBER = r"^(?!.*[eE][+-]?\p{Nd}{4}).{1,100}$"  # Java computes for minutes at 1e-99999999, and ends at 1e2147483647
_FLOAT = r"^[+-]?[\d.]+([eE][+-]?\d+)?$"  # Java alone would read 1d and 0x1p3 too
_DATE = r"^\d{4}-\d{2}-\d{2}$"
_OFFSET = r"Z|UTC|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?"
_INSTANT = rf"^\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]\d{{2}}:\d{{2}}(?::\d{{2}}(?:[.,]\d{{1,9}})?)?(?:\s?(?:{_OFFSET}))?)?$"
_WITH_OFFSET = rf":.*(?:{_OFFSET})$"  # the colon of the time: a date alone ends as an offset may
_END = "_end_of_cell"
_HALF = r"\\u[dD][89a-fA-F]"  # the first or second of the two escapes that JSON has for a character such as an emoji
_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"


def typed(cell: Column, found: DataType, wanted: DataType, zone: str) -> Column:
    """The cell in the wanted type, NULL where it has no exact reading.

    Args:
        cell: the raw value, of type `found`.
        zone: of dates and timestamps that name none.

    Numbers: a decimal with more digits after the point than the type holds has no reading, but binary floats are
    rounded half up (0.1 + 0.2 is 0.30), and what stands beyond the tenth digit of a text is such dust too. Dates:
    yyyy-MM-dd. Instants: ISO 8601, to the microsecond; a date alone is its midnight in `zone`. Arrays and maps in
    text: JSON, no key twice. A text cell of nothing but blanks is NULL. Numbers of a typed file: a float is text only
    as a whole number that it holds exactly, only 0 and 1 are booleans, and none is a date or an instant.
    """
    if isinstance(found, StringType):
        text = F.when(F.trim(cell) != "", cell)
        return text if isinstance(wanted, StringType) else _from_text(F.trim(text), wanted, zone)
    if isinstance(found, NumericType) and isinstance(wanted, BooleanType):
        return F.when(cell == 1, True).when(cell == 0, False)
    if isinstance(found, NumericType) and isinstance(wanted, DateType | TimestampType):
        return F.lit(None).cast(wanted)  # seconds, or milliseconds? nobody says
    if isinstance(found, TimestampType | TimestampNTZType) and isinstance(wanted, NumericType):
        return F.lit(None).cast(wanted)  # the same the other way round
    if isinstance(found, ArrayType | MapType | StructType) and isinstance(wanted, StringType):
        return F.to_json(cell)  # as from a JSON file; Spark's own text is without the names
    if isinstance(found, BinaryType) and isinstance(wanted, StringType):
        return F.make_valid_utf8(cell.cast(wanted))
    if isinstance(found, DateType) and isinstance(wanted, DateType):
        return _of_calendar(cell)
    if isinstance(found, FloatType | DoubleType) and isinstance(wanted, StringType):
        return _whole(cell, below=2**24 if isinstance(found, FloatType) else 2**53)
    if isinstance(found, IntegralType) or (found == wanted and not isinstance(wanted, MapType)):
        return cell.try_cast(wanted)  # exact as it is, NULL where it overflows
    if isinstance(found, NumericType) and isinstance(wanted, IntegerType | LongType | DecimalType):
        return _exact(cell, wanted, rounds=isinstance(found, FloatType | DoubleType))
    if isinstance(found, TimestampNTZType | DateType) and isinstance(wanted, TimestampType):
        return F.to_utc_timestamp(cell.cast("timestamp"), zone)
    if isinstance(found, TimestampType) and isinstance(wanted, DateType):
        return F.to_date(F.from_utc_timestamp(cell, zone))
    if isinstance(wanted, MapType) and isinstance(found, MapType):
        return _sorted_map(cell.try_cast(wanted))
    return cell.try_cast(wanted)


def _from_text(text: Column, wanted: DataType, zone: str) -> Column:
    if isinstance(wanted, IntegerType | LongType | DecimalType):
        return _exact(F.when(text.rlike(_NUMBER), text), wanted, rounds=False)
    if isinstance(wanted, DoubleType):
        value = text.try_cast("double")
        return F.when(text.rlike(_FLOAT) & (F.abs(value) < F.lit(float("inf"))), value)
    if isinstance(wanted, DateType):
        return F.when(text.rlike(_DATE), _of_calendar(text.try_cast("date")))
    if isinstance(wanted, TimestampType):
        read = F.replace(text, F.lit(","), F.lit(".")).try_cast("timestamp")  # UTC where it names no offset
        with_seconds = F.regexp_replace(text, r"([T ]\d\d:\d\d)", "$1:00")  # Spark reads no offset after minutes
        with_offset = F.coalesce(read, with_seconds.try_cast("timestamp"))
        in_zone = F.when(text.rlike(_WITH_OFFSET), with_offset).otherwise(F.to_utc_timestamp(read, zone))
        return F.when(text.rlike(_INSTANT), in_zone)
    if isinstance(wanted, ArrayType):
        return F.when(text.rlike(r"(?s)^\[.*\]$") & _is_one(text), F.from_json(text, wanted))
    if isinstance(wanted, MapType):
        is_one = text.rlike(r"(?s)^\{.*\}$") & _is_one(text)
        return F.when(is_one, _sorted_map(F.from_json(text, wanted.simpleString())))
    return text.try_cast(wanted)


def _of_calendar(value: Column) -> Column:
    """The date, when it is in the years 1 to 9999: Python has no others."""
    return F.when(F.year(value).between(1, 9999), value)


def has_half_a_character(text: Column) -> Column:
    """True when a JSON text escapes one half of a character alone; Spark makes it a question mark, as if written."""
    whole = F.regexp_replace(F.replace(text, F.lit(r"\\")), _PAIR, "")  # without escaped backslashes and whole pairs
    return F.when(text.rlike(_HALF), whole.rlike(_HALF)).otherwise(False)


def _is_one(text: Column) -> Column:
    """True when a JSON text is one value of whole characters. Spark drops in silence what follows the first value."""
    listed = F.from_json(F.concat(F.lit("["), text, F.lit(f',"{_END}"]')), ArrayType(StringType()))
    return F.coalesce(F.get(listed, F.lit(1)) == _END, F.lit(False)) & ~has_half_a_character(text)


def _whole(value: Column, below: int) -> Column:
    """The text of a float that is a whole number; from `below` on a float stands for several."""
    number = value.try_cast("bigint")
    return F.when((F.abs(value) < below) & (value == number), number.cast("string"))


def _exact(value: Column, wanted: DataType, *, rounds: bool) -> Column:
    wide = value.try_cast(_WIDE)
    narrow = wide.try_cast(wanted)
    if rounds and isinstance(wanted, DecimalType):
        return narrow
    return F.when(narrow.cast(_WIDE) == wide, narrow)


def _sorted_map(value: Column) -> Column:
    """Equal maps get equal bytes, whatever the order of their entries; rows are compared by content.

    A key that stands twice leaves no exact reading; Spark itself would stop there.
    """
    keys = F.map_keys(value)
    is_clear = F.size(F.array_distinct(keys)) == F.size(keys)
    return F.when(is_clear, F.map_from_entries(F.array_sort(F.map_entries(value))))
