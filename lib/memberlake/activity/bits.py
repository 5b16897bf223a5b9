"""What the active days of subjects begin and end, counted on bits: each day is one bit of a few numbers of its subject.

So days are put together as they come, in one hash table without a sort, and NumPy counts those of thousands of subjects
at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

COUNTED = ("active", "new", "retained", "resurrected", "dormant")
_WORD = 64  # bits: 2^6
_BEFORE = 31  # days: a period that holds the first day may begin so much earlier
_MANY = 4_000_000  # sums of batches that are kept apart

Grid = np.ndarray[Any, np.dtype[np.int64]]
Periods = Mapping[str, tuple[Grid, Grid]]
Group = tuple[str, str, int]  # dimension, value, sign
_SCHEMA = "dimension string, dimension_value string, window string, due_on date, " + ", ".join(
    f"{name} bigint" for name in COUNTED
)


def changes(
    days: DataFrame, dimensions: Sequence[str], widths: Sequence[int], first: date, last: date, is_parted: bool
) -> DataFrame:
    """Sums, several a key, that make rows of gold.activity_changes.

    Args:
        days: subject_id, active_on, first_seen_on, `sign`, and a column for each dimension with a subject's value in
            it; NULL: the row does not count there.
        widths: of rolling windows, days.
        first, last: no day is before or after.
        is_parted: a subject has rows with other values, each with days that follow one another; who is new by any of
            them is new. Else its values are the same on all days.
    """
    words = [f"word_{n}" for n in range((last - first).days // _WORD + 1)]
    at = F.date_diff("active_on", F.lit(first))
    bit = F.call_function("shiftleft", F.lit(1).cast("long"), at % _WORD)
    of_subjects = days.groupBy("subject_id", "sign", *dimensions).agg(
        *[F.bit_or(F.when(F.shiftright(at, 6) == n, bit)).alias(word) for n, word in enumerate(words)],
        F.min(F.when(F.col("first_seen_on"), at)).alias("first"),
    )
    if is_parted:
        of_subject = Window.partitionBy("subject_id", "sign")
        of_subjects = of_subjects.withColumn("first", F.min("first").over(of_subject))
    count = _counter(words, dimensions, widths, first)
    return of_subjects.select("sign", *dimensions, "first", *words).mapInArrow(count, _SCHEMA)


def _counter(
    words: Sequence[str], dimensions: Sequence[str], widths: Sequence[int], origin: date
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    span = len(words) * _WORD
    reach = max([62, *widths])  # days: what is farther away is in no window, and in no period before or after
    periods = _periods(origin, span)
    windows = [*periods, *[f"rolling_{w}" for w in widths]]
    length = _BEFORE + span + max([31, *widths]) + 1
    rows = reach + 1 + len(periods)

    def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Sums of all batches of a task: a row a group, window and date on which something begins or ends."""
        groups: dict[Group, int] = {}
        held, size = [(np.zeros(0, np.int64), np.zeros(0, np.int64))], 0
        for batch in batches:
            subject, row, day = _alike(batch, words, reach, periods)
            for dimension in dimensions:
                group = _groups(batch, dimension, groups)[subject]
                cells = (group * rows + row) * span + day
                held.append(np.unique(cells[group >= 0], return_counts=True))
                size += len(held[-1][0])
            if size > _MANY:
                held, size = [_summed(held)], 0
        cells, n = _summed(held)
        which, cell = np.divmod(cells, rows * span)
        for (dimension, value, sign), number in groups.items():
            tally = np.zeros(rows * span, np.int64)
            own = slice(*np.searchsorted(which, [number, number + 1]))
            tally[cell[own]] = n[own]
            total = np.zeros((len(windows), len(COUNTED), length), np.int64)
            for window, name, found, due in _begun(tally.reshape(rows, span), reach, periods, widths):
                np.add.at(total[windows.index(window), COUNTED.index(name)], due + _BEFORE, sign * found)
            at, due = np.nonzero(total.any(axis=1))
            columns = {
                "dimension": pa.array([dimension] * len(at), pa.string()),
                "dimension_value": pa.array([value] * len(at), pa.string()),
                "window": pa.array([windows[n] for n in at], pa.string()),
                "due_on": pa.array(np.datetime64(origin) + (due - _BEFORE)),
                **{name: total[at, n, due] for n, name in enumerate(COUNTED)},
            }
            yield pa.RecordBatch.from_pydict(columns)

    return count


def _alike(batch: pa.RecordBatch, words: Sequence[str], reach: int, periods: Periods) -> tuple[Grid, Grid, Grid]:
    """For each day of each subject of a batch: which subject, the row of the tally, and the day.

    Rows 0 to reach are days since the subject's day before, 0 for none within reach. Then comes one for each grain: the
    subject's first day here, if it was first seen in the same period.
    """
    span, spare = len(words) * _WORD, -(-reach // _WORD) * _WORD  # bits between subjects: nothing reaches over them
    held = np.zeros((batch.num_rows, (span + spare) // _WORD), "<i8")
    for n, word in enumerate(words):
        held[:, n] = batch.column(word).fill_null(0).to_numpy(zero_copy_only=False)
    bits = np.unpackbits(held.view(np.uint8), axis=1, bitorder="little")
    at = np.flatnonzero(bits.view(bool))
    gap = np.diff(at, prepend=-span - spare)
    gap[gap > reach] = 0
    found = [(*np.divmod(at, span + spare), gap)]
    first = batch.column("first").fill_null(-1).to_numpy(zero_copy_only=False)
    here = bits.argmax(axis=1)
    for n, (start, _) in enumerate(periods.values(), reach + 1):
        new = np.flatnonzero((first >= 0) & (start[first] == start[here]))
        found.append((new, here[new], np.full(len(new), n)))
    subject, day, row = (np.concatenate(each) for each in zip(*found, strict=True))
    return subject, row, day


def _groups(batch: pa.RecordBatch, dimension: str, known: dict[Group, int]) -> Grid:
    """For each row of a batch the number of its group, -1 where the dimension has no value for it.

    Args:
        known: numbers of groups; new ones are added.
    """
    values, signs = (batch.column(name).dictionary_encode() for name in (dimension, "sign"))
    numbers = [
        [known.setdefault((dimension, value, sign), len(known)) for sign in signs.dictionary.to_pylist()]
        for value in values.dictionary.to_pylist()
    ]
    at = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    of_all = np.array([*numbers, [-1] * len(signs.dictionary)], np.int64)  # the last is that of no value
    found: Grid = of_all[at, signs.indices.to_numpy(zero_copy_only=False)]
    return found


def _summed(held: Sequence[tuple[Grid, Grid]]) -> tuple[Grid, Grid]:
    """Cells in order, and the sum of what is held of each."""
    cells, n = (np.concatenate(each) for each in zip(*held, strict=True))
    order = np.argsort(cells, kind="stable")
    found, starts = np.unique(cells[order], return_index=True)
    return found, np.add.reduceat(n[order], starts) if len(found) else n


def _begun(tally: Grid, reach: int, periods: Periods, widths: Sequence[int]) -> Iterator[tuple[str, str, Grid, Grid]]:
    """What the days of a tally (see `_alike`) add: window, what is counted, how much, and on which days.

    A period counts its subjects at its start: those with a day in it, by what they were in the period before, and those
    who are in it no more. A rolling window is open from a day on, unless it still is, for its width.
    """
    days, new = tally[: reach + 1], tally[reach + 1 :]
    gap, day = np.indices(days.shape)
    before, follows = np.maximum(day - gap, 0), gap > 0  # where that is before all days, nothing was tallied
    seen = days.sum(axis=0)
    last = seen.copy()
    np.subtract.at(last, before[follows], days[follows])
    for news, (grain, (start, following)) in zip(new, periods.items(), strict=True):
        here, then = start[day], following[before]
        begun = np.where(follows & (start[before] == here), 0, days)
        stays = follows & (then == here)
        yield grain, "active", begun, here
        yield grain, "new", news, start
        yield grain, "retained", np.where(stays, begun, 0), here
        yield grain, "resurrected", np.where(stays, 0, begun), here
        yield grain, "resurrected", -news, start
        yield grain, "dormant", np.where(follows & (then < here), days, 0), then
        yield grain, "dormant", last, following
    for width in widths:
        opened = np.where(follows, np.maximum(day, before + width), day)
        yield f"rolling_{width}", "active", days, opened
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
