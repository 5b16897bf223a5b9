"""Which orders count, of which days, and which say that they had a coupon."""

from __future__ import annotations

from datetime import date

import pytest
from pyspark.sql import SparkSession
from tests.frames import money, same, utc

from memberlake.orders import has_coupon, only_counted, only_within

ORDERS = (
    "order_id string, member_id string, ordered_at timestamp, status string,"
    " net_amount decimal(18,2), refunded_amount decimal(18,2)"
)
SHANGHAI, NEW_YORK = "Asia/Shanghai", "America/New_York"


def test_orders_that_count(spark: SparkSession) -> None:
    orders = [
        ("paid", "paid", "10.00", None, True),
        ("completed", "completed", "10.00", "0.00", True),
        ("refunded in part", "paid", "4.00", "6.00", True),
        ("nothing to pay", "paid", "0.00", "0.00", True),
        ("nothing to pay, refund unknown", "shipped", "0.00", None, True),
        ("refunded to the last cent but one", "paid", "0.01", "9.99", True),
        ("refunded in full", "paid", "0.00", "10.00", False),
        ("refunded more than paid", "completed", "-1.00", "11.00", False),
        ("cancelled", "cancelled", "10.00", None, False),
        ("not paid yet", "created", "10.00", None, False),
    ]
    at = utc("2026-11-20 04:00")
    frame = spark.createDataFrame([(o, "m", at, s, money(n), money(r)) for o, s, n, r, _ in orders], ORDERS)
    found = frame.transform(only_counted, ("paid", "shipped", "completed")).select("order_id")
    same(found, spark.createDataFrame([(o[0],) for o in orders if o[4]], "order_id string"))


@pytest.mark.parametrize(
    ("zone", "as_of", "instants"),
    [
        (
            SHANGHAI,
            date(2026, 11, 20),
            {
                "2026-11-18 15:30": None,  # 23:30 of the day before the first
                "2026-11-18 15:59:59.999999": None,
                "2026-11-18 16:00": "2026-11-19",  # midnight: the first instant
                "2026-11-18 16:30": "2026-11-19",
                "2026-11-20 15:59:59.999999": "2026-11-20",
                "2026-11-20 16:00": None,  # as_of is over
            },
        ),
        (
            NEW_YORK,  # clocks go back at 2 o'clock on 2026-11-01, a day of 25 hours
            date(2026, 11, 1),
            {
                "2026-10-31 03:30": None,
                "2026-10-31 04:30": "2026-10-31",
                "2026-11-01 04:30": "2026-11-01",
                "2026-11-02 04:59": "2026-11-01",
                "2026-11-02 05:00": None,
            },
        ),
        (
            NEW_YORK,  # clocks go forward on 2026-03-08, a day of 23 hours
            date(2026, 3, 8),
            {
                "2026-03-07 04:59": None,
                "2026-03-07 05:00": "2026-03-07",
                "2026-03-08 05:00": "2026-03-08",
                "2026-03-09 03:59": "2026-03-08",
                "2026-03-09 04:00": None,
            },
        ),
        (
            "America/St_Johns",  # at one past midnight clocks go back to the day before: that day ends twice
            date(2010, 11, 6),
            {
                "2010-11-05 02:30": "2010-11-05",
                "2010-11-07 02:29": "2010-11-06",
                "2010-11-07 02:30": None,  # 2010-11-07 begins, for a minute
                "2010-11-07 02:31": "2010-11-06",
                "2010-11-07 03:30": None,
            },
        ),
    ],
)
def test_the_look_back_is_whole_business_days(
    spark: SparkSession, zone: str, as_of: date, instants: dict[str, str | None]
) -> None:
    """Two days that end with as_of."""
    orders = spark.createDataFrame([(at, utc(at)) for at in instants], "order_id string, ordered_at timestamp")
    found = orders.transform(only_within, as_of, 2, zone).select("order_id", "business_date")
    inside = [(at, date.fromisoformat(day)) for at, day in instants.items() if day]
    same(found, spark.createDataFrame(inside, "order_id string, business_date date"))


def test_orders_that_say_that_they_had_a_coupon(spark: SparkSession) -> None:
    orders = [
        ("a voucher", "v", None, None, True),
        ("a coupon", None, "k", None, True),
        ("an amount", None, None, money("0.01"), True),
        ("a coupon of no value", None, "k", money("0.00"), True),
        ("no amount", None, None, money("0.00"), False),
        ("nothing", None, None, None, False),
    ]
    names = "order_id string, voucher_id string, coupon_id string, coupon_amount decimal(18,2), coupon boolean"
    expected = spark.createDataFrame(orders, names)
    same(expected.withColumn("coupon", has_coupon()), expected)
