"""Business dates, and the instants between which they lie, in many time zones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.frames import same

from memberlake import calendar

ZONES = [
    "UTC", "Asia/Shanghai", "Asia/Kolkata", "Asia/Kathmandu", "Europe/London", "Europe/Berlin", "America/New_York",
    "America/Sao_Paulo",  # had no midnight on the first day of summer
    "Asia/Beirut",  # has none
    "America/Havana",  # has two on the last day of summer
    "Australia/Lord_Howe",  # half an hour of summer time
    "Pacific/Apia",  # had no 2011-12-30
    "Pacific/Kiritimati", "Pacific/Marquesas",
]  # fmt: skip


def days() -> Iterator[date]:
    """Every day of 2011 and 2018: all changes of the clocks are among them."""
    for year in (2011, 2018):
        yield from (date(year, 1, 1) + timedelta(days=n) for n in range(365))


def test_the_instants_of_a_date_are_those_with_that_business_date(spark: SparkSession) -> None:
    tick = timedelta(microseconds=1)
    edges = []
    for zone in ZONES:
        for day in days():
            begin, end = calendar.instants(day, day, zone)
            edges += [(zone, day, at, begin <= at < end) for at in (begin - tick, begin, end - tick, end)]
    frame = spark.createDataFrame(edges, "zone string, day date, at timestamp, inside boolean")
    dates = calendar.business_date(F.col("at"), F.col("zone"))  # type: ignore[arg-type]  # all zones in one query
    assert frame.where((dates == F.col("day")) != F.col("inside")).collect() == []


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Shanghai", date(2026, 11, 20), 24),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Pacific/Apia", date(2011, 12, 30), 0),
    ],
)
def test_how_long_a_business_date_is(zone: str, day: date, hours: float) -> None:
    begin, end = calendar.instants(day, day, zone)
    assert (end - begin) == timedelta(hours=hours)


def test_instants_are_utc() -> None:
    begin, end = calendar.instants(date(2026, 11, 19), date(2026, 11, 20), "Asia/Shanghai")
    assert begin == datetime(2026, 11, 18, 16, tzinfo=timezone.utc)
    assert end == datetime(2026, 11, 20, 16, tzinfo=timezone.utc)


def test_rows_of_business_dates(spark: SparkSession) -> None:
    rows = [
        ("last second before the first", "2026-11-17T15:59:59Z", date(2026, 11, 17), False),
        ("half an hour into the first", "2026-11-17T16:30:00Z", date(2026, 11, 18), True),
        ("last second of the last", "2026-11-20T15:59:59Z", date(2026, 11, 20), True),
        ("the day after", "2026-11-20T16:00:00Z", date(2026, 11, 21), False),
        ("never happened", None, None, None),
    ]
    given = spark.createDataFrame(rows, "what string, at string, business_date date, inside boolean")
    given = given.withColumn("at", F.col("at").cast("timestamp"))
    same(given.withColumn("business_date", calendar.business_date(F.col("at"), "Asia/Shanghai")), given)
    of_days = calendar.dated(given.drop("business_date"), "at", date(2026, 11, 18), date(2026, 11, 20), "Asia/Shanghai")
    same(of_days.select(given.columns), given.where("inside"))


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/St_Johns", date(2010, 11, 6)),  # ends twice: a minute of the next day lies between
        ("America/Havana", date(2018, 11, 4)),  # begins with an hour that comes again
        ("Asia/Beirut", date(2018, 3, 25)),  # begins at one
        ("Pacific/Apia", date(2011, 12, 29)),  # there was no day after it
        ("Pacific/Apia", date(2011, 12, 30)),
        ("Pacific/Apia", date(2011, 12, 31)),
    ],
)
def test_the_raw_bounds_leave_it_to_the_date_where_clocks_change(spark: SparkSession, zone: str, day: date) -> None:
    """Every minute of a week is taken as by the date alone."""
    start = datetime(day.year, day.month, day.day, tzinfo=timezone.utc) - timedelta(days=3)
    minutes = spark.createDataFrame([(start + timedelta(minutes=n),) for n in range(7 * 24 * 60)], "at timestamp")
    by_date = minutes.withColumn("on", calendar.business_date(F.col("at"), zone)).persist()
    same(calendar.dated(minutes, "at", day, day, zone, "on"), by_date.where(F.col("on") == F.lit(day)))
    same(calendar.dated(minutes, "at", None, day, zone, "on"), by_date.where(F.col("on") <= F.lit(day)))


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "UTC", "Pacific/Pago_Pago"])
def test_yesterday_is_a_full_day(zone: str) -> None:
    _, end = calendar.instants(calendar.yesterday(zone), calendar.yesterday(zone), zone)
    now = datetime.now(timezone.utc)
    assert timedelta(0) <= now - end < timedelta(hours=25)


def test_the_last_day_of_a_period(spark: SparkSession) -> None:
    rows = [
        ("day", date(2026, 2, 28), date(2026, 2, 28)),
        ("rolling_7", date(2026, 2, 28), date(2026, 2, 28)),
        ("week", date(2026, 12, 28), date(2027, 1, 3)),
        ("month", date(2028, 2, 1), date(2028, 2, 29)),
        ("month", date(2026, 12, 1), date(2026, 12, 31)),
    ]
    expected = spark.createDataFrame(rows, "period string, begins_on date, ends_on date")
    same(expected.withColumn("ends_on", calendar.period_end(F.col("period"), F.col("begins_on"))), expected)
