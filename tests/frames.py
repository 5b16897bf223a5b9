"""Literal rows and whole frames: what tests of several domains write and compare."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

from chispa import assert_df_equality
from pyspark.sql import DataFrame


def same(found: DataFrame, expected: DataFrame) -> None:
    """The same rows in any order, with the same columns and types."""
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def money(amount: str | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)
