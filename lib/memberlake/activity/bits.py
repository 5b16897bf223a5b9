"""What the active days of subjects begin and end, counted on bits: each day is one bit of a few numbers of its subject.

So days are put together as they come, in one hash table without a sort, and NumPy counts those of thousands of subjects
at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, LongType, StringType, StructField, StructType

COUNTED = ("active", "new", "retained", "resurrected", "dormant")
_WORD = 64  # bits: 2^6
_BEFORE = 31  # days: a period that holds the first day may begin so much earlier

Grid = np.ndarray[Any, np.dtype[np.int64]]
Periods = Mapping[str, tuple[Grid, Grid]]


def changes(
    days: DataFrame,
    whose: Sequence[str],
    by: Sequence[str],
    part: str | None,
    widths: Sequence[int],
    first: date,
    last: date,
) -> DataFrame:
    """What days begin and end, by `by` and `part`, window and `due_on`: see gold.activity_changes.

    Args:
        days: `active_on`, `first_seen_on`, and the columns that the other arguments name.
        whose: whose days follow one another; a subject's `by` are the same on all days.
        part: of a subject's days those of one `part` follow one another; new is who is new by any of them.
        widths: of rolling windows, days.
        first, last: no day is before or after.
    """
    by = [*by, part] if part else [*by]
    words = [f"word_{n}" for n in range((last - first).days // _WORD + 1)]
    at = F.date_diff("active_on", F.lit(first))
    bit = F.call_function("shiftleft", F.lit(1).cast("long"), at % _WORD)
    word_of = F.shiftright(at, 6)
    of_subjects = days.groupBy(*whose, *[name for name in by if name not in whose]).agg(
        *[F.bit_or(F.when(word_of == n, bit)).alias(word) for n, word in enumerate(words)],
        F.min(F.when(F.col("first_seen_on"), at)).alias("first"),
    )
    if part:
        of_subject = Window.partitionBy(*whose)
        of_subjects = of_subjects.withColumn("first", F.min("first").over(of_subject))
    counted = [StructField("window", StringType()), StructField("due_on", DateType())]
    counted += [StructField(name, LongType()) for name in COUNTED]
    schema = StructType([*[days.schema[name] for name in by], *counted])
    count = _counter(words, by, widths, first)
    return of_subjects.select(*by, "first", *words).mapInArrow(count, schema)


def _counter(
    words: Sequence[str], by: Sequence[str], widths: Sequence[int], origin: date
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    span = len(words) * _WORD
    reach = max([62, *widths])  # days: what is farther away is in no window, and in no period before or after
    periods = _periods(origin, span)
    windows = [*periods, *[f"rolling_{w}" for w in widths]]
    length = _BEFORE + span + max([31, *widths]) + 1

    def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Sums of all batches of a task: a row a group, window and date on which something begins or ends."""
        held: dict[tuple[Any, ...], _Tally] = {}
        for batch in batches:
            for group, tally in _tallies(batch, words, by, reach, periods):
                held[group] = held[group].plus(tally) if group in held else tally
        for group, tally in held.items():
            total = np.zeros((len(windows), len(COUNTED), length), np.int64)
            for window, name, n, due in _begun(tally, periods, widths):
                np.add.at(total[windows.index(window), COUNTED.index(name)], due + _BEFORE, n)
            at, due = np.nonzero(total.any(axis=1))
            of_group = zip(by, group, strict=True)
            columns = {
                **{name: pa.array([value] * len(at), batch.schema.field(name).type) for name, value in of_group},
                "window": pa.array([windows[n] for n in at], pa.string()),
                "due_on": pa.array(np.datetime64(origin) + (due - _BEFORE)),
                **{name: total[at, n, due] for n, name in enumerate(COUNTED)},
            }
            yield pa.RecordBatch.from_pydict(columns)

    return count


class _Tally(NamedTuple):
    """How many days are alike.

    Attributes:
        days: by days since the subject's day before (0: none within reach), and by the day.
        news: by grain, and by the subject's first day here: those who were first seen in the same period.
    """

    days: Grid
    news: Grid

    def plus(self, other: _Tally) -> _Tally:
        return _Tally(self.days + other.days, self.news + other.news)


def _tallies(
    batch: pa.RecordBatch, words: Sequence[str], by: Sequence[str], reach: int, periods: Periods
) -> Iterator[tuple[tuple[Any, ...], _Tally]]:
    """For each group of a batch what its subjects add."""
    span, spare = len(words) * _WORD, -(-reach // _WORD) * _WORD  # bits between subjects: nothing reaches over them
    groups, number = _groups(batch, by)

    def tally(row: Grid, rows: int, day: Grid) -> Grid:
        return np.bincount(row * span + day, minlength=len(groups) * rows * span).reshape(len(groups), rows, span)

    held = np.zeros((batch.num_rows, (span + spare) // _WORD), "<i8")
    for n, word in enumerate(words):
        held[:, n] = batch.column(word).fill_null(0).to_numpy(zero_copy_only=False)
    bits = np.unpackbits(held.view(np.uint8), axis=1, bitorder="little")
    at = np.flatnonzero(bits.view(bool))
    gap = np.diff(at, prepend=-span - spare)
    gap[gap > reach] = 0
    subject, day = np.divmod(at, span + spare)
    days = tally(number[subject] * (reach + 1) + gap, reach + 1, day)

    first = batch.column("first").fill_null(-1).to_numpy(zero_copy_only=False)
    here = bits.argmax(axis=1)
    news = np.zeros((len(groups), len(periods), span), np.int64)
    for n, (start, _) in enumerate(periods.values()):
        is_new = (first >= 0) & (start[first] == start[here])
        news[:, n] = tally(number[is_new], 1, here[is_new])[:, 0]
    return zip(groups, map(_Tally, days, news), strict=True)


def _groups(batch: pa.RecordBatch, by: Sequence[str]) -> tuple[list[tuple[Any, ...]], Grid]:
    """The values of `by` that may stand in a batch, and for each row the number of its own."""
    encoded = [batch.column(name).dictionary_encode("encode") for name in by]
    number = np.zeros(batch.num_rows, np.int64)
    for each in encoded:
        number = number * len(each.dictionary) + each.indices.to_numpy(zero_copy_only=False)
    return list(product(*[each.dictionary.to_pylist() for each in encoded])), number


def _begun(tally: _Tally, periods: Periods, widths: Sequence[int]) -> Iterator[tuple[str, str, Grid, Grid]]:
    """What the days of a tally add: window, what is counted, how much, and on which days.

    A period counts its subjects at its start: those with a day in it, by what they were in the period before, and those
    who are in it no more. A rolling window is open from a day on, unless it still is, for its width.
    """
    gap, day = np.indices(tally.days.shape)
    before, follows = np.maximum(day - gap, 0), gap > 0  # where that is before all days, nothing was tallied
    seen = tally.days.sum(axis=0)
    last = seen.copy()
    np.subtract.at(last, before[follows], tally.days[follows])
    for news, (grain, (start, following)) in zip(tally.news, periods.items(), strict=True):
        here, then = start[day], following[before]
        begun = np.where(follows & (start[before] == here), 0, tally.days)
        stays = follows & (then == here)
        yield grain, "active", begun, here
        yield grain, "new", news, start
        yield grain, "retained", np.where(stays, begun, 0), here
        yield grain, "resurrected", np.where(stays, 0, begun), here
        yield grain, "resurrected", -news, start
        yield grain, "dormant", np.where(follows & (then < here), tally.days, 0), then
        yield grain, "dormant", last, following
    for width in widths:
        opened = np.where(follows, np.maximum(day, before + width), day)
        yield f"rolling_{width}", "active", tally.days, opened
        yield f"rolling_{width}", "active", -seen, np.arange(len(seen)) + width


def _periods(origin: date, span: int) -> Periods:
    """For each grain and day: when its period begins, and when the next one does; weeks start on Monday."""
    on = np.datetime64(origin) + np.arange(span)
    month = on.astype("datetime64[M]")
    monday = on - (on.astype(np.int64) + 3) % 7  # 1970 began on a Thursday
    found = {
        "day": (on, on + 1),
        "week": (monday, monday + 7),
        "month": (month.astype("datetime64[D]"), (month + 1).astype("datetime64[D]")),
    }
    return {g: ((start - on[0]).astype(np.int64), (end - on[0]).astype(np.int64)) for g, (start, end) in found.items()}
