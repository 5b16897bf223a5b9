"""What the cases have in common: a case, its sides at work, and how their answers are compared."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from memberlake import conf
from memberlake.lake import session
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.made import write
from memberlake.made.world import World

AS_OF = date(2025, 12, 29)  # the last but one of the made calendar's 730 days: the next day is there too


@dataclass
class Run:
    """One side at work in the folder of one scale, whose data other sides use too.

    Attributes:
        orders: how many orders the made data is asked for.
        told: what the report is to know: `seconds` and the bytes come from `timed`; a side may add `rows`, `answer`,
            and anything that its case's `notes` read.
    """

    folder: Path
    orders: int
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def spark(self) -> SparkSession:
        return session.start()

    def rules(self, lake: str = "lake", sets: Sequence[str] = ()) -> conf.Conf:
        return conf.load(lake=str(self.folder / lake), sets=sets)

    def lake(self, name: str = "lake") -> Lake:
        return Lake(self.spark, self.rules(name).lake)

    def world(self, sets: Sequence[str] = ()) -> World:
        rules = self.rules(sets=sets)
        return World(self.spark, rules.made, self.orders, rules.business_timezone)

    def make_lake(self, tables: Sequence[Table], name: str = "lake", sets: Sequence[str] = ()) -> None:
        """The clean made rows of silver tables, in a lake of that name below the folder."""
        self.fresh(name)
        written = self.timed(lambda: list(write.into_lake(self.world(sets), self.lake(name), tables)))
        self.told["rows"] = sum(each.rows for each in written)

    def timed(self, work: Callable[[], Any]) -> Any:
        """Runs what is measured; between the marks bench.py counts CPU and memory."""
        spark = SparkSession.getActiveSession()
        before = _task_totals(spark) if spark else {}
        say("BEGIN")
        started = time.monotonic()
        result = work()
        self.told["seconds"] = time.monotonic() - started
        say("END")
        if spark:
            self.told |= {name: total - before[name] for name, total in _task_totals(spark).items()}
        return result

    def fresh(self, name: str) -> Path:
        """A place below the folder with nothing there."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return self.folder / name

    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """DuckDB with as many threads and as much memory as Spark has here."""
        database = duckdb.connect(config={"threads": os.cpu_count(), "memory_limit": "4GiB"})
        database.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        database.execute(f"SET temp_directory = '{self.folder / 'duckdb_tmp'}'")
        return database


Side = Callable[[Run], None]
Told = Mapping[str, Any]


class Case(NamedTuple):
    """Sides that are compared; the first is ours.

    Attributes:
        data: sides that make the data; cases may share one.
        same: sides whose answer must equal ours.
        differs: sides whose answer may differ, and why.
        notes: lines for the report, from what our side told at each scale.
        also: more of what the sides tell, each in a column of its own.
        scales: numbers of made orders, rising.
        is_long: runs only when it is named.
        patience: seconds after which a rival is stopped.
    """

    title: str
    goal: str
    data: Sequence[Side]
    sides: Sequence[Side]
    same: Sequence[Side] = ()
    differs: Mapping[Side, str] = {}
    notes: Callable[[Mapping[int, Told]], Sequence[str]] = lambda ours: ()
    also: Sequence[str] = ()
    scales: Sequence[float] = (2e6, 2e7)
    is_long: bool = False
    patience: float | None = None


def sink(frame: DataFrame) -> None:
    """Computes the frame and keeps nothing."""
    frame.write.format("noop").mode("overwrite").save()


def answer(rows: DataFrame) -> str:
    """Equal for equal rows in any order: their number, and two sums of their hashes."""
    text = [F.coalesce(F.col(name).cast("string"), F.lit("NULL")) for name in rows.columns]
    hashed = F.xxhash64(*text)
    found = rows.agg(F.count(F.lit(1)), F.sum(hashed.cast("decimal(38,0)")), F.bit_xor(hashed)).collect()[0]
    return " ".join(map(str, found))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _task_totals(spark: SparkSession) -> dict[str, int]:
    """Bytes read, shuffled and spilled by all stages so far."""
    context = spark.sparkContext
    java = context._gateway.jvm.java.util.ArrayList
    nothing = context._gateway.new_array(context._gateway.jvm.double, 0)
    stages = context._jsc.sc().statusStore().stageList(java(), False, False, nothing, java())
    names = {"read": "inputBytes", "shuffled": "shuffleWriteBytes", "spilled": "diskBytesSpilled"}
    each = [stages.apply(n) for n in range(stages.size())]
    return {name: sum(getattr(stage, method)() for stage in each) for name, method in names.items()}
