"""The three measures of RFM."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from tests.frames import money, same, utc

from memberlake.value import rfm

PLACED = "order_id string, member_id string, ordered_at timestamp, business_date date, net_amount decimal(18,2)"
LINES = "order_id string, product_id string, amount decimal(18,2)"
MEASURED = "scope string, member_id string, recency_days int, frequency bigint, monetary decimal(18,2)"
D = date(2026, 11, 20)


def placed(spark: SparkSession, rows: Iterable[tuple[str, str | None, str, str]]) -> DataFrame:
    """Orders in UTC, so that the business date can be read off."""
    return spark.createDataFrame([(o, m, utc(at), utc(at).date(), money(n)) for o, m, at, n in rows], PLACED)


def test_the_measures_of_each_member(spark: SparkSession) -> None:
    orders = placed(
        spark,
        [
            ("o1", "bought on as_of", "2026-11-20 23:59", "0.00"),
            ("o2", "bought twice on a day", "2026-11-19 01:00", "10.00"),
            ("o3", "bought twice on a day", "2026-11-19 09:00", "-2.50"),
            ("o4", "bought long ago", "2025-11-21 12:00", "9999999999999.99"),
            ("o5", None, "2026-11-20 12:00", "77.00"),  # a guest is no member
        ],
    ).transform(rfm.with_scope_all)
    expected = [
        ("all", "bought on as_of", 0, 1, Decimal("0.00")),
        ("all", "bought twice on a day", 1, 2, Decimal("7.50")),
        ("all", "bought long ago", 364, 1, Decimal("9999999999999.99")),
    ]
    same(rfm.measure(orders, D, "sum"), spark.createDataFrame(expected, MEASURED))


def test_monetary_as_mean_or_last(spark: SparkSession) -> None:
    orders = placed(
        spark,
        [
            ("o1", "mean ends in half a cent", "2026-11-18 01:00", "0.01"),
            ("o2", "mean ends in half a cent", "2026-11-19 01:00", "0.04"),
            ("o3", "a third of a cent", "2026-11-18 01:00", "0.01"),
            ("o4", "a third of a cent", "2026-11-20 01:00", "0.00"),
            ("o5", "a third of a cent", "2026-11-19 01:00", "0.00"),
            ("o6", "two at one instant", "2026-11-20 01:00", "6.00"),
            ("o7", "two at one instant", "2026-11-20 01:00", "7.01"),  # the greater id is the later
            ("o5-", "two at one instant", "2026-11-20 00:59:59", "9.00"),
            ("o8", "owes half a cent", "2026-11-20 01:00", "-0.01"),
            ("o9", "owes half a cent", "2026-11-20 02:00", "0.00"),
        ],
    ).transform(rfm.with_scope_all)
    found = {
        kind: {r.member_id: str(r.monetary) for r in rfm.measure(orders, D, kind).collect()}  # type: ignore[arg-type]
        for kind in ("mean", "last")
    }
    assert found == {
        "mean": {
            "mean ends in half a cent": "0.03",
            "a third of a cent": "0.00",
            "two at one instant": "7.34",
            "owes half a cent": "-0.01",  # half up is away from zero
        },
        "last": {
            "mean ends in half a cent": "0.04",
            "a third of a cent": "0.00",
            "two at one instant": "7.01",
            "owes half a cent": "0.00",
        },
    }
    assert rfm.measure(orders, D, "mean").schema["monetary"].dataType.simpleString() == "decimal(18,2)"


def test_a_mean_is_rounded_once(spark: SparkSession) -> None:
    """10,000 cents over 20,001 orders are just below half a cent: not to be taken for half a cent on the way."""
    orders = spark.range(20_001).selectExpr(
        "'all' AS scope", "'m' AS member_id", "CAST(id AS STRING) AS order_id", "TIMESTAMP '2026-11-20' AS ordered_at",
        "DATE '2026-11-20' AS business_date", "CAST(IF(id < 10000, 0.01, 0) AS DECIMAL(18, 2)) AS net_amount",
    )  # fmt: skip
    assert [str(r.monetary) for r in rfm.measure(orders, D, "mean").collect()] == ["0.00"]


def test_scores_by_category_take_the_lines_of_the_category(spark: SparkSession) -> None:
    orders = placed(
        spark,
        [
            ("two categories", "m1", "2026-11-20 01:00", "30.00"),
            ("wine twice", "m1", "2026-11-10 01:00", "8.00"),
            ("unknown product", "m2", "2026-11-19 01:00", "5.00"),
            ("no category", "m2", "2026-11-18 01:00", "1.00"),
            ("no lines", "m3", "2026-11-20 01:00", "2.00"),
            ("guest", None, "2026-11-20 01:00", "3.00"),
        ],
    )
    products: list[tuple[Any, ...]] = [("red", "wine"), ("white", "wine"), ("rye", "bread"), ("bag", None)]
    products.append(("tin", "all"))  # called as the scope of all orders
    lines = [
        ("two categories", "red", "20.00"),
        ("two categories", "rye", "10.00"),
        ("wine twice", "red", "3.00"),
        ("wine twice", "white", "4.50"),  # one order of the category, with the amounts of both lines
        ("unknown product", "never seen", "5.00"),
        ("no category", "bag", "1.00"),
        ("two categories", "tin", "2.00"),
        ("guest", "rye", "3.00"),
        ("order of another look-back", "rye", "9.00"),
    ]
    scoped = orders.transform(
        rfm.with_categories,
        spark.createDataFrame([(o, p, money(a)) for o, p, a in lines], LINES),
        spark.createDataFrame(products, "product_id string, category string"),
    )
    expected = [
        ("all", "m1", 0, 2, Decimal("38.00")),
        ("all", "m2", 1, 2, Decimal("6.00")),
        ("all", "m3", 0, 1, Decimal("2.00")),
        ("wine", "m1", 0, 2, Decimal("27.50")),
        ("bread", "m1", 0, 1, Decimal("10.00")),
    ]
    same(rfm.measure(scoped, D, "sum"), spark.createDataFrame(expected, MEASURED))


def test_no_orders_no_buyers(spark: SparkSession) -> None:
    nobody = placed(spark, []).transform(rfm.with_scope_all)
    same(rfm.measure(nobody, D, "sum"), spark.createDataFrame([], MEASURED))
