"""Contracts: what a frame must look like before it may be written."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession

from memberlake.lake.contract import ATTRIBUTES, INT, MONEY, STRING, STRINGS, Column, Table, conform

THINGS = Table(
    "gold",
    "things",
    grain="one thing",
    key=("thing_id",),
    columns=(
        Column("thing_id", STRING, "the thing", required=True),
        Column("amount", MONEY, "its worth"),
        Column("pieces", INT, "how many"),
        Column("tags", STRINGS, "its tags"),
        Column("attributes", ATTRIBUTES, "what else is known"),
    ),
)


def test_columns_are_put_in_the_order_of_the_contract(spark: SparkSession) -> None:
    frame = spark.sql(
        "SELECT array('a') AS tags, 2 AS pieces, map('k', 'v') AS attributes, 'x' AS thing_id,"
        " CAST(1.5 AS DECIMAL(18, 2)) AS amount"  # arrays and maps of literals hold no NULL: the same type
    )
    expected = spark.createDataFrame([("x", Decimal("1.50"), 2, ["a"], {"k": "v"})], THINGS.struct)
    found = conform(frame, THINGS)
    assert found.columns == THINGS.column_names
    assert_df_equality(found, expected, ignore_nullable=True, ignore_metadata=True)


def test_all_differences_are_in_one_message(spark: SparkSession) -> None:
    frame = spark.sql("SELECT 'x' AS Thing_ID, 1.5D AS amount, 2L AS pieces, array(1) AS tags, 'u' AS `un.known`")
    with pytest.raises(ValueError, match=r"^gold\.things: ") as error:
        conform(frame, THINGS)
    assert str(error.value).removeprefix("gold.things: ").split("; ") == [
        "no column thing_id",
        "no column attributes",
        "unknown column Thing_ID",
        "unknown column un.known",
        "amount is double, not decimal(18,2)",
        "pieces is bigint, not int",
        "tags is array<int>, not array<string>",
    ]


def test_a_column_that_stands_twice_is_refused(spark: SparkSession) -> None:
    frame = spark.sql(
        "SELECT 'x' AS thing_id, CAST(1 AS DECIMAL(18, 2)) AS amount, 1 AS pieces, array('a') AS tags,"
        " map('k', 'v') AS attributes, 2 AS pieces"
    )
    with pytest.raises(ValueError, match="a column stands twice among"):
        conform(frame, THINGS)


@pytest.mark.parametrize("wrong", [{"key": ()}, {"key": ("other",)}, {"version": "other"}, {"partitioned_by": ("x",)}])
def test_a_contract_names_its_own_columns(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no key, or not among the columns"):
        replace(THINGS, **wrong)
