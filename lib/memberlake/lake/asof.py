"""Can the data be of the day of a run? What is written as of a mistyped year would stay."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone

from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.errors import UserError
from memberlake.lake.contract import Table
from memberlake.lake.delta import DeltaTables

_TEN_YEARS = timedelta(days=3653)
_TEN_MONTHS = timedelta(days=300)  # what will have expired by the end of the year may be asked


class AsOfCheck:
    """For one day; a table that is known to have data before it is not looked at again.

    Args:
        end: the instant at which as_of has ended.
    """

    def __init__(self, lake: DeltaTables, as_of: date, end: datetime) -> None:
        self._lake, self._as_of, self._end = lake, as_of, end
        self._begun: set[Table] = set()

    @classmethod
    def of(cls, lake: DeltaTables, as_of: date, zone: str) -> AsOfCheck:
        """Args: zone: of business dates."""
        return cls(lake, as_of, calendar.instants(as_of, as_of, zone)[1])

    def require_data(self, tables: Iterable[Table]) -> None:
        """Stops when the tables hold data, but none from the ten years before the day has ended; of a day to come, from
        the ten months before.

        Raises:
            UserError: names the first day of data, or the last.
        """
        dated = [(t, self._lake.read(t), F.col(t.happened_at)) for t in tables if t.happened_at and self._lake.ready(t)]
        if any(table in self._begun for table, _, _ in dated):
            return
        is_to_come = self._end > datetime.now(timezone.utc) + timedelta(days=1)
        reach, in_words = (_TEN_MONTHS, "ten months") if is_to_come else (_TEN_YEARS, "ten years")
        end = F.lit(self._end)
        for table, frame, instant in dated:
            if not frame.where((instant < end) & (instant >= F.lit(self._end - reach))).isEmpty():
                self._begun.add(table)
                return
        before, after = [], []
        for table, frame, instant in dated:
            is_before = instant < end
            ends = frame.agg(F.max(F.when(is_before, instant)), F.min(F.when(~is_before, instant)))
            last, first = ends.collect()[0]  # one row
            before += [(calendar.utc(last), table.name)] if last else []
            after += [(calendar.utc(first), table.name)] if first else []
        if before:
            at, name = max(before)
            ahead = "still to come, and " if is_to_come else ""
            where = f"{ahead}more than {in_words} after all data: the last of {name}"
        elif after:
            at, name = min(after)
            where = f"before all data: the first of {name}"
        else:
            return
        raise UserError(f"as-of {self._as_of} is {where} is at {at:%Y-%m-%d %H:%M:%S} UTC")
