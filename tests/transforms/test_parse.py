"""Cells to types: tables of what was given and what must be read; None is `no exact reading`."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DataType,
    DateType,
    DecimalType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructType,
    TimestampNTZType,
    TimestampType,
)

from memberlake.ingest import parse
from memberlake.lake.contract import ATTRIBUTES, BOOL, DATE, DOUBLE, INT, LONG, MONEY, QUANTITY, STRING, STRINGS, TS

ZONE = "Asia/Shanghai"  # UTC+8, no summer time


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)


TEXTS: dict[DataType, list[tuple[str | None, Any]]] = {
    STRING: [
        ("007", "007"),
        (" a ", " a "),
        ("", None),
        ("   ", None),
        ("NULL", "NULL"),
        (None, None),
    ],
    MONEY: [
        ("12.30", Decimal("12.30")),
        ("0012.3", Decimal("12.30")),
        (" -5 ", Decimal("-5.00")),
        ("+.5", Decimal("0.50")),
        ("1.5e3", Decimal("1500.00")),
        ("9999999999999999.99", Decimal("9999999999999999.99")),
        ("10000000000000000.00", None),
        ("12.345", None),
        ("12.3450000000", None),
        ("12.3400000000", Decimal("12.34")),
        ("0.30000000000000004", Decimal("0.30")),
        ("1,234.50", None),
        ("￥5", None),
        ("1e2147483647", None),
        ("1e-99999999", None),
        ("NaN", None),
        ("", None),
        ("  ", None),
        (None, None),
    ],
    QUANTITY: [("1.125", Decimal("1.125")), ("1.1255", None)],
    INT: [("0012", 12), ("-3", -3), ("7.0", 7), ("7.5", None), ("2147483647", 2147483647), ("2147483648", None)],
    LONG: [("9223372036854775807", 9223372036854775807), ("9223372036854775808", None), ("ten", None)],
    DOUBLE: [
        ("0.15", 0.15),
        ("-1e-3", -0.001),
        ("1d", None),
        ("0x1p3", None),
        ("NaN", None),
        ("Infinity", None),
        ("1e999", None),
        ("1.2.3", None),
    ],
    BOOL: [
        ("true", True),
        ("FALSE", False),
        ("1", True),
        ("0", False),
        ("yes", True),
        ("n", False),
        ("2", None),
        ("是", None),
        ("", None),
    ],
    DATE: [
        ("2026-02-28", date(2026, 2, 28)),
        (" 2026-02-28 ", date(2026, 2, 28)),
        ("2024-02-29", date(2024, 2, 29)),
        ("2026-02-29", None),
        ("0000-01-01", None),
        ("0001-01-01", date(1, 1, 1)),
        ("9999-12-31", date(9999, 12, 31)),
        ("2026", None),
        ("2026-02", None),
        ("2026-2-8", None),
        ("28/02/2026", None),
        ("20260228", None),
        ("2026-02-28T00:00:00", None),
        ("today", None),
    ],
    TS: [
        # no offset: the source's zone
        ("2026-03-01", utc(2026, 2, 28, 16)),
        ("2026-03-01T10:30", utc(2026, 3, 1, 2, 30)),
        ("2026-03-01 10:30:15", utc(2026, 3, 1, 2, 30, 15)),
        ("2026-03-01 10:30:15.5", utc(2026, 3, 1, 2, 30, 15, 500_000)),
        ("2026-03-01T10:30:15,123456789", utc(2026, 3, 1, 2, 30, 15, 123_456)),
        # an offset: the source's zone has no say
        ("2026-03-01T10:30:15Z", utc(2026, 3, 1, 10, 30, 15)),
        ("2026-03-01 10:30:15 UTC", utc(2026, 3, 1, 10, 30, 15)),
        ("2026-03-01T10:30:15.000001+01:00", utc(2026, 3, 1, 9, 30, 15, 1)),
        ("2026-03-01T10:30:15-0330", utc(2026, 3, 1, 14, 0, 15)),
        ("2026-03-01 10:30+05", utc(2026, 3, 1, 5, 30)),
        ("2026-03-01T10:30:15+14:00", utc(2026, 2, 28, 20, 30, 15)),
        ("2026-03-01T10:30:15+15:00", None),
        ("2026-03-01T24:00:00", None),
        ("2026-03-01T10", None),
        ("2026-02-29T10:30", None),
        ("2026", None),
        ("2026-03", None),
        ("1772332215", None),
        ("01.03.2026 10:30", None),
        ("now", None),
        ("", None),
    ],
    STRINGS: [
        (r'["x\ud83d", "y"]', None),
        ('["a", "b"]', ["a", "b"]),
        ("[]", []),
        ('["001", 2, null]', ["001", "2", None]),
        ('["a"', None),
        ('["a"] x', None),
        ('["a"]["b"]', None),
        ('["a"], ["b"]', None),
        ('["a]", "[b]"]', ["a]", "[b]"]),
        ('{"a": 1}', None),
        ("a,b", None),
        ("", None),
    ],
    ATTRIBUTES: [
        (r'{"a": "\ud83d\uDE00", "b": "\\ud83d"}', {"a": "😀", "b": r"\ud83d"}),
        (r'{"a": "\ude00\ud83d"}', None),  # half of a character would be a question mark
        (r'{"\\\ud83d": "a"}', None),
        ('{"年龄": "30", "n": 1}', {"年龄": "30", "n": "1"}),
        ("{}", {}),
        ('{"a": {"b": [1]}}', {"a": '{"b":[1]}'}),
        ('{"a": null}', {"a": None}),
        ('{"a": 1, "a": 2}', None),
        ('{"a": 1', None),
        ('{"a": 1}{"b": 2}', None),
        ('{"a": 1} x}', None),
        ('{"a": "}{"}', {"a": "}{"}),
        ("[]", None),
        ("a=1", None),
    ],
}

DST = [  # New York, 2026: clocks go forward on 8 March and back on 1 November
    ("2026-03-08 01:59", utc(2026, 3, 8, 6, 59)),
    ("2026-03-08 03:00", utc(2026, 3, 8, 7)),
    ("2026-11-01 00:59", utc(2026, 11, 1, 4, 59)),
    ("2026-11-01 01:30-05:00", utc(2026, 11, 1, 6, 30)),
    ("2026-11-01 02:00", utc(2026, 11, 1, 7)),
]

# what Parquet gives: type found, type wanted, cell, value
TYPED: list[tuple[DataType, DataType, Any, Any]] = [
    (DOUBLE, MONEY, 0.1 + 0.2, Decimal("0.30")),
    (DOUBLE, MONEY, 12.345, Decimal("12.35")),
    (DOUBLE, MONEY, 1e-15, Decimal("0.00")),
    (DOUBLE, MONEY, float("nan"), None),
    (FloatType(), MONEY, 19.99, Decimal("19.99")),
    (DecimalType(20, 4), MONEY, Decimal("7.1200"), Decimal("7.12")),
    (DecimalType(20, 4), MONEY, Decimal("7.1250"), None),
    (LongType(), MONEY, 5, Decimal("5.00")),
    (LongType(), INT, 2147483648, None),
    (DOUBLE, INT, 3.0, 3),
    (DOUBLE, INT, 3.5, None),
    (LongType(), STRING, 1234567890123, "1234567890123"),
    (DOUBLE, STRING, 12345678.0, "12345678"),
    (DOUBLE, STRING, -0.0, "0"),
    (DOUBLE, STRING, 2.0**53 - 1, "9007199254740991"),
    (DOUBLE, STRING, 2.0**53, None),
    (DOUBLE, STRING, 1e300, None),
    (DOUBLE, STRING, 0.5, None),
    (DOUBLE, STRING, float("nan"), None),
    (FloatType(), STRING, 2.0**24 - 1, "16777215"),
    (FloatType(), STRING, 2.0**24, None),  # 16777217 too
    (IntegerType(), BOOL, 1, True),
    (LongType(), BOOL, 0, False),
    (LongType(), BOOL, 2, None),
    (DOUBLE, BOOL, 1.0, True),
    (DOUBLE, BOOL, 0.5, None),
    (DOUBLE, BOOL, float("nan"), None),
    (DecimalType(20, 4), BOOL, Decimal("0.0000"), False),
    (LongType(), TS, 1772332215, None),
    (DOUBLE, TS, 1772332215.0, None),
    (IntegerType(), DATE, 20513, None),
    (TimestampType(), LONG, utc(2026, 3, 1, 10), None),
    (TimestampNTZType(), MONEY, datetime(2026, 3, 1, 10), None),
    (TimestampType(), TS, utc(2026, 3, 1, 10), utc(2026, 3, 1, 10)),
    (TimestampNTZType(), TS, datetime(2026, 3, 1, 10), utc(2026, 3, 1, 2)),
    (DateType(), TS, date(2026, 3, 1), utc(2026, 2, 28, 16)),
    (TimestampType(), DATE, utc(2026, 3, 1, 20), date(2026, 3, 2)),  # the 2nd in Shanghai
    (ArrayType(LongType()), STRINGS, [1, 2], ["1", "2"]),
    (ArrayType(LongType()), STRING, [1, 2], "[1,2]"),
    (StructType().add("a", LONG), STRING, (1,), '{"a":1}'),
    (BinaryType(), STRING, b"caf\xc3\xa9", "café"),
    (BinaryType(), STRING, b"caf\xe9", "caf\ufffd"),
    (MapType(StringType(), LongType()), ATTRIBUTES, {"b": 1, "a": 2}, {"a": "2", "b": "1"}),
]


@pytest.mark.parametrize("wanted", TEXTS, ids=lambda kind: kind.simpleString())
def test_texts_are_read_exactly_or_not_at_all(spark: SparkSession, wanted: DataType) -> None:
    _assert_read(spark, wanted, TEXTS[wanted], ZONE)


def test_naive_instants_follow_the_summer_time_of_the_sources_zone(spark: SparkSession) -> None:
    _assert_read(spark, TS, DST, "America/New_York")


def test_typed_cells_are_read_exactly_or_not_at_all(spark: SparkSession) -> None:
    """One row with a column for each case: the cases differ in type."""
    given = StructType()
    expected = StructType()
    for n, (found, wanted, _, _) in enumerate(TYPED):
        given.add(f"c{n}", found)
        expected.add(f"c{n}", wanted)
    cells = spark.createDataFrame([tuple(case[2] for case in TYPED)], given)
    read = cells.select(
        *[
            parse.typed(F.col(f"c{n}"), found, wanted, ZONE).alias(f"c{n}")
            for n, (found, wanted, _, _) in enumerate(TYPED)
        ]
    )
    assert_df_equality(read, spark.createDataFrame([tuple(case[3] for case in TYPED)], expected), ignore_nullable=True)


def test_equal_maps_are_equal_bytes(spark: SparkSession) -> None:
    """Rows with one version are told apart by their content, so the order of entries must not matter."""
    texts = spark.createDataFrame([('{"b": 1, "a": 2}',), ('{"a": 2, "b": 1}',)], "text string")
    read = texts.select(parse.typed(F.col("text"), STRING, ATTRIBUTES, ZONE).alias("map"))
    assert [row["keys"] for row in read.select(F.map_keys("map").alias("keys")).collect()] == [["a", "b"]] * 2


def _assert_read(spark: SparkSession, wanted: DataType, cases: list[tuple[str | None, Any]], zone: str) -> None:
    expected = spark.createDataFrame(cases, StructType().add("text", STRING).add("value", wanted))
    read = expected.select("text", parse.typed(F.col("text"), STRING, wanted, zone).alias("value"))
    assert_df_equality(read, expected, ignore_nullable=True)
