"""Literal rows and whole frames: what tests of several domains write and compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructField, StructType

from memberlake.lake.contract import Table


def rows(spark: SparkSession, table: Table, given: Iterable[Mapping[str, Any]]) -> DataFrame:
    """Rows of a table of which only what matters is given; the rest is NULL, also where the contract forbids it."""
    nullable = StructType([StructField(c.name, c.type) for c in table.columns])
    return spark.createDataFrame([tuple(row.get(c) for c in table.column_names) for row in given], nullable)


def same(found: DataFrame, expected: DataFrame) -> None:
    """The same rows in any order, with the same columns and types."""
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def money(amount: str | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)
