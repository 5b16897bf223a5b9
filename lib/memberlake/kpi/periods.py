"""Days, ISO weeks and calendar months: which of them a change touches, and the days that each holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StructType

PERIODS = ("day", "week", "month")
_DAY = timedelta(days=1)
_SPAN = "period string, period_start date, first_on date, last_on date, is_before boolean"
SNAPSHOT = f"{_SPAN}, as_of date"


@dataclass(frozen=True)
class Span:
    """Days that are counted together.

    Attributes:
        period_start: names the period.
        first_on, last_on: the days; a running period's end with as_of.
        is_before: as many days of the period before a running one, to compare it with.
    """

    period: str
    period_start: date
    first_on: date
    last_on: date
    is_before: bool = False


def start(period: str, day: date) -> date:
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def end(period: str, day: date) -> date:
    if period == "week":
        return start(period, day) + timedelta(days=6)
    return (start(period, day) + timedelta(days=31)).replace(day=1) - _DAY if period == "month" else day


def touched(since: date, as_of: date) -> list[date]:
    """First days of the periods that end on or after `since` and begin by as_of; of one kind or another.

    A day among them that begins a week and a month stands for the day, the week and the month: so the list is also the
    slice of gold.kpi that is counted anew.
    """
    days = [since + timedelta(days=n) for n in range((as_of - since).days + 1)]
    return sorted({start(period, day) for period in PERIODS for day in days})


def is_touched(since: date, as_of: date) -> Column:
    """Whether `period_start` is one of `touched`."""
    begun = F.col("period_start").isin(*{start(period, since) for period in PERIODS})
    return begun | F.col("period_start").between(since, as_of)


def spans(starts: Iterable[date], first_data: date, as_of: date) -> list[Span]:
    """The periods that begin on these days and do not end before the first data; for running ones also what to compare
    them with."""
    found = []
    for day in starts:
        for period in PERIODS:
            last = min(end(period, day), as_of)
            if start(period, day) != day or last < first_data:
                continue
            found.append(Span(period, day, day, last))
            if end(period, day) > as_of:
                before = start(period, day - _DAY)
                same = min(before + (last - day), day - _DAY)  # 30 March has no day in February
                if same >= first_data:
                    found.append(Span(period, day, before, same, is_before=True))
    return found


def frame(one: DataFrame, listed: Sequence[Span]) -> DataFrame:
    """The spans as a frame, one row each."""
    return literal(one, [asdict(span) for span in listed], _SPAN)


def literal(one: DataFrame, rows: Iterable[Mapping[str, object]], columns: str | StructType) -> DataFrame:
    """Rows known to the driver as a frame.

    Args:
        one: any frame of one row; a literal on it needs no Python worker, as createDataFrame would.
        columns: names and types; in SQL, or those of a contract.
    """
    kind = f"array<struct<{columns}>>" if isinstance(columns, str) else ArrayType(columns)
    return one.select(F.inline(F.from_json(F.lit(json.dumps([*rows], default=str)), kind)))


def with_days(listed: DataFrame) -> DataFrame:
    """One row a span and day."""
    return listed.select("*", F.explode(F.sequence("first_on", "last_on")).alias("business_date"))
