"""Orders of literal rows, put into a lake."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from pyspark.sql import DataFrame, SparkSession
from tests.frames import utc

from memberlake.lake.contract import Table
from memberlake.tables.silver import ORDERS


class Order(NamedTuple):
    """What matters of an order; `at` is the UTC instant."""

    order_id: str
    member_id: str | None
    at: str
    net_amount: str
    status: str = "paid"
    refunded_amount: str | None = None


def rows(spark: SparkSession, table: Table, given: Iterable[dict[str, Any]]) -> DataFrame:
    """Rows of a table; columns that are not given are NULL."""
    return spark.createDataFrame([tuple(row.get(c) for c in table.column_names) for row in given], table.struct)


def orders(spark: SparkSession, given: Iterable[Order], updated: str | None = None) -> DataFrame:
    """Rows of silver.orders; an order was last updated when it was placed, or when said."""
    full = []
    for order in given:
        amounts = {"gross_amount": Decimal(order.net_amount), "net_amount": Decimal(order.net_amount)}
        refunded = Decimal(order.refunded_amount) if order.refunded_amount else None
        times = {"ordered_at": utc(order.at), "updated_at": utc(updated or order.at)}
        full.append({**order._asdict(), **amounts, **times, "refunded_amount": refunded})
    return rows(spark, ORDERS, full)
