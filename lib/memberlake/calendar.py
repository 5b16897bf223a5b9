"""Business dates, the one place where an instant becomes a calendar date; and the periods that hold them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def business_date(instant: Column, zone: str) -> Column:
    """The calendar date of a UTC timestamp in the business time zone. The session's zone must be UTC."""
    return F.to_date(F.from_utc_timestamp(instant, zone))


def instants(first: date, last: date, zone: str) -> tuple[datetime, datetime]:
    """The UTC instants at which business date `first` begins and `last` has ended: [begin, end).

    A filter on the raw timestamp with these bounds reaches the files' statistics; one on a derived date doesn't. The
    bounds are not exact where clocks went back over midnight, so that a date ended twice, or where the time zone
    rules of Python and of the JVM are not of one age: filter with a day to spare, then by business_date.
    """
    utc = ZoneInfo("UTC")
    begin = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(zone))
    after = last + timedelta(days=1)
    end = datetime(after.year, after.month, after.day, tzinfo=ZoneInfo(zone))
    return begin.astimezone(utc), end.astimezone(utc)


def between(instant: Column, first: date | None, last: date, zone: str) -> Column:
    """True for instants of the business dates from first (None: any) to last; skips files that can hold none."""
    on = business_date(instant, zone)
    return _near(instant, first, last, zone) & (on.between(first, last) if first else on <= F.lit(last))


def dated(
    frame: DataFrame, instant: str, first: date | None, last: date, zone: str, name: str = "business_date"
) -> DataFrame:
    """Rows whose column `instant` is `between` first and last, with its business date as column `name`."""
    at = F.col(instant)
    return frame.where(between(at, first, last, zone)).withColumn(name, business_date(at, zone))


def on_dates(instant: Column, dates: Collection[date], zone: str) -> Column:
    """True for instants of the business dates; skips files that can hold none."""
    near = F.lit(False)
    for first, last in _runs(dates):
        near = near | _near(instant, first, last, zone)
    return near & business_date(instant, zone).isin(*dates)


def period_end(period: Column, start: Column) -> Column:
    """Last day of the `week` (from Monday) or `month` that begins on a date; of any other period the date itself."""
    return F.when(period == "week", F.date_add(start, 6)).when(period == "month", F.last_day(start)).otherwise(start)


def _near(instant: Column, first: date | None, last: date, zone: str) -> Column:
    begin, end = instants((first or last) - timedelta(days=1), last + timedelta(days=1), zone)
    until = instant < F.lit(end)
    return (instant >= F.lit(begin)) & until if first else until


def _runs(dates: Collection[date]) -> list[tuple[date, date]]:
    """Stretches that hold the dates, some fifty at most: dates less than a week apart are in one."""
    runs: list[tuple[date, date]] = []
    days = sorted(set(dates))
    gap = max(7, (days[-1] - days[0]).days // 50) if days else 0
    for day in days:
        if runs and (day - runs[-1][1]).days <= gap:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


def utc(collected: datetime) -> datetime:
    """An instant that Spark gave to Python: it has no zone, and is in that of this machine."""
    return collected.astimezone(timezone.utc)


def yesterday(zone: str) -> date:
    """The last full business day: the default of --as-of."""
    return datetime.now(ZoneInfo(zone)).date() - timedelta(days=1)
