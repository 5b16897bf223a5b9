"""What people see: tables and progress in a terminal, plain lines and CSV or JSON for programs."""

from __future__ import annotations

import csv
import json
import math
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, DateType, MapType, StructType, TimestampType
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid
from rich.text import Text

from memberlake import calendar
from memberlake.explain import Explained
from memberlake.ingest.take import Taken
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.runner import Outcome

T = TypeVar("T")
_LOOKED_AT = (  # what people open first; the other tables are named where a command wrote none of these
    "gold.kpi",
    "gold.rfm_scores",
    "gold.churn_scores",
    "gold.coupon_runs",
    "gold.active_counts",
    "gold.alerts",
)
_INSTANT = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"  # all that a timestamp holds
_SHOWN = "yyyy-MM-dd HH:mm:ss.SSSSSS"
_JSON = {"timestampFormat": _INSTANT}  # else milliseconds
# a pipe gets whole lines, whatever the width of a terminal that is not there
out = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # controls of terminals and of writing


def visible(text: str) -> str:
    """The text with its control characters written out: names and values from files are to change no terminal."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def in_a_line(text: str) -> str:
    """The text in one line, for errors and logs."""
    return visible(" ".join(text.splitlines()))


def tell(error: object) -> None:
    """Prints what went wrong to stderr, in one line."""
    err.print(in_a_line(f"memberlake: {error}"), markup=False)


def grid(rows: Iterable[Sequence[Any]], *headers: str, title: str | None = None) -> None:
    """Prints a table. Numbers are right-aligned; nothing in a cell is taken for markup."""
    out.print(_grid(rows, *headers, title=title))


def _grid(rows: Iterable[Sequence[Any]], *headers: str, title: str | None = None) -> Grid:
    kept = [list(row) for row in rows]
    made = Grid(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for n, header in enumerate(headers):
        numbers = all(isinstance(row[n], int | float) or row[n] is None for row in kept)
        made.add_column(header, justify="right" if numbers and kept else "left", overflow="fold")
    for row in kept:
        made.add_row(*[Text(_cell(value)) for value in row])
    return made


def progress(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """The items, with a bar on stderr when that is a terminal."""
    if not err.is_terminal:
        yield from items
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=total)
        for item in items:
            yield item
            bar.advance(task)


def summary(taken: Sequence[Taken], outcomes: Sequence[Outcome], place: str, *, as_json: bool) -> None:
    """The closing table of a command."""
    if as_json:
        found = {"lake": place, "ingest": [asdict(t) for t in taken], "jobs": [asdict(o) for o in outcomes]}
        sys.stdout.write(json.dumps(found, default=str, ensure_ascii=False) + "\n")
        return
    if taken:
        rows = [(t.table, t.files, t.read, t.rejected, t.repeated, t.written, round(t.seconds, 1)) for t in taken]
        columns = ("silver table", "files", "rows read", "rejected", "repeated", "written", "seconds")
        grid(rows, *columns, title="Ingest")
        if not any(t.files or t.error for t in taken):
            out.print("Nothing new in landing: silver is as it was.")
    if outcomes:
        rows_ = [(o.job, o.as_of, o.state, o.rows_read, o.rows_written, round(o.seconds, 1)) for o in outcomes]
        grid(rows_, "job", "as of", "state", "rows read", "rows written", "seconds", title="Jobs")
    rejected = sum(t.rejected for t in taken)
    tables = sorted({table for o in outcomes for table in o.written if table.startswith("gold.")})
    lake = f"--lake {shlex.quote(place)}"
    looks = [f"memberlake show {table} {lake}" for table in [t for t in _LOOKED_AT if t in tables] or tables]
    if rejected:
        looks.append(f"memberlake show ops.rejects {lake}   # rows rejected, with the reason: {rejected:,}")
    if tables:
        looks.append(f"memberlake tables {lake}   # every table")
    made = list(dict.fromkeys(o.made for o in outcomes if o.made))
    if looks:
        out.print("\n".join(["Look at it:", *[f"  {line}" for line in looks]]), markup=False, soft_wrap=True)
    if made:
        out.print("\n".join(["Open in a browser:", *[f"  {file}" for file in made]]), markup=False, soft_wrap=True)


def rows(frame: DataFrame, form: str) -> None:
    """Prints all rows of a frame; csv and json are written as they come, so any number will do."""
    if form == "json":
        sep = "[\n"
        lines = frame.select(F.to_json(F.struct("*"), {**_JSON, "ignoreNullFields": "false"}).alias("row"))
        for row in lines.toLocalIterator():  # one partition at a time, never all rows
            sys.stdout.write(sep + row["row"])
            sep = ",\n"
        sys.stdout.write("\n]\n" if sep == ",\n" else "[]\n")
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(frame.columns)
        texts = {
            **{name: F.to_json(name, _JSON) for name in _columns(frame, ArrayType, MapType, StructType)},
            **{name: F.date_format(name, _INSTANT) for name in _columns(frame, TimestampType)},
        }
        for row in frame.withColumns(texts).toLocalIterator():  # as above
            writer.writerow([str(v).lower() if isinstance(v, bool) else v for v in row])
    else:
        # as texts: in this machine's time zone an instant may be in a year that Python does not have
        days = {name: F.col(name).cast("string") for name in _columns(frame, DateType)}
        stamps = {name: F.date_format(name, _SHOWN) for name in _columns(frame, TimestampType)}
        stamps = {name: F.regexp_replace(text, r"\.0{6}$", "") for name, text in stamps.items()}
        found = frame.withColumns({**days, **stamps}).collect()  # --limit of them
        _print_rows([[_rounded(value) for value in row] for row in found], frame.columns)


def _columns(frame: DataFrame, *types: type[DataType]) -> list[str]:
    return [field.name for field in frame.schema.fields if isinstance(field.dataType, types)]


def _print_rows(rows: Sequence[Sequence[Any]], names: Sequence[str]) -> None:
    """Prints a table; where a word of it would be cut, one column a line instead."""
    made = _grid(rows, *names)
    if Measurement.get(out, out.options.update(width=10**6), made).minimum <= out.width:
        for column in made.columns:  # else the widest gives way, also where it has no blank to be parted at
            column.no_wrap = not any(" " in str(cell) for cell in column.cells)
        out.print(made)
        return
    wide = max(map(len, names)) + 1
    for row in rows:
        lines = [f"{name + ':':{wide}} {_cell(value)}" for name, value in zip(names, row, strict=True)]
        out.print("\n".join([*lines, ""]), markup=False, soft_wrap=True)


def contract(table: Table, lake: Lake) -> None:
    """Prints a table's contract, and what is in it."""
    found = lake.detail(table)
    out.print(f"{table.full_name}: {table.grain}", markup=False)
    out.print(f"key: {', '.join(table.key)}", markup=False)
    held = "not written yet"
    if found:
        changed = f"{found['last_change']:%Y-%m-%d %H:%M} UTC"
        held = f"{found['rows']:,} rows, {found['bytes'] / 1e6:,.1f} MB, last change {changed}, {lake.name(table)}"
    out.print(held, markup=False)
    rows = [(c.name, c.type.simpleString(), "yes" if c.required else "", c.comment) for c in table.columns]
    grid(rows, "column", "type", "not null", "meaning")


def explained(found: Explained, *, as_json: bool) -> None:
    """Prints what a job's plan does, a table a section."""
    if as_json:
        sys.stdout.write(json.dumps(asdict(found), default=str, ensure_ascii=False) + "\n")
        return

    def section(title: str, rows: Sequence[Sequence[Any]], *headers: str) -> None:
        if rows:
            grid(rows, *headers, title=title)
        else:
            out.print(f"{title}: none\n", markup=False)

    reads = [
        (r.table, _of(r.files, r.of_files), _of(r.bytes, r.of_bytes, _size), _of(r.rows, r.of_rows))
        for r in found.reads
    ]
    section("Reads", reads, "table", "files", "bytes", "rows")
    shuffles = [(s.by, s.partitions, s.rows, _size(s.bytes)) for s in found.shuffles]
    section("Shuffles", shuffles, "by", "partitions", "rows", "bytes")
    windows = [(w.partition_by or None, w.order_by or None) for w in found.windows]
    section("Windows", windows, "partition by", "order by")
    joins = [(j.kind, j.how, j.on or None, j.broadcast_rows, j.rows) for j in found.joins]
    section("Joins", joins, "kind", "how", "on", "rows broadcast", "rows out")
    section("Warnings", [(n + 1, said) for n, said in enumerate(found.warnings)], "", "what will not scale")


def _rounded(value: Any) -> Any:
    """A double to six digits, but never less than its whole part."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if abs(value) < 1e6 else round(value, 0)


def _of(part: int | None, whole: int | None, shown: Callable[[int | None], str] | None = None) -> str:
    said = shown or _cell
    return f"{said(part)} of {said(whole)}"


def _size(count: int | None) -> str:
    if count is None:
        return "-"
    power = min(int(math.log(count, 1024)), 4) if count else 0
    return f"{count / 1024**power:,.1f} {' KMGT'[power]}iB" if power else f"{count} B"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return str(calendar.utc(value).replace(tzinfo=None))
    if isinstance(value, Row):
        return "{" + ", ".join(f"{name}: {_cell(part)}" for name, part in value.asDict().items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_cell, value)) + "]"
    return f"{value:,}" if isinstance(value, int) else visible(str(value))
