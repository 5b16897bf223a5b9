"""Delta tables by their contracts. Guards here, once, against what Delta lets through."""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark import StorageLevel
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Column, DataFrame, DataFrameWriterV2, Row, SparkSession
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.conf import LakeConf, local_path
from memberlake.errors import UserError, cause
from memberlake.lake import guard, session, sql
from memberlake.lake.contract import CONTRACT_VERSION, Table, conform
from memberlake.lake.versions import is_later_sql, newest, repeated_keys
from memberlake.tables.ops import CUTOFFS, RUNS, WATERMARKS

log = logging.getLogger(__name__)

MADE = "memberlake.made"  # differs from that of a table which stood in its place before
_CHANGE_FEED = "delta.enableChangeDataFeed"
_COMPACTED_EVERY = 50  # commits; a night's is one or two, of a few small files
_BOOKS = (CUTOFFS, RUNS, WATERMARKS)  # what the lake keeps of its own jobs: nobody counts their rows
_CONFLICT = re.compile(r"DELTA_CONCURRENT_|Concurrent\w+Exception")
_NOT_THERE = {
    "DELTA_MISSING_DELTA_TABLE",
    "DELTA_TABLE_NOT_FOUND",
    "DELTA_PATH_DOES_NOT_EXIST",
    "TABLE_OR_VIEW_NOT_FOUND",
    "PATH_NOT_FOUND",
}


class DeltaTables:
    """Delta tables below a folder or in a catalog.

    Attributes:
        written: rows written by this object, by table, but for the lake's own books; the run record reads it.
    """

    def __init__(self, spark: SparkSession, conf: LakeConf) -> None:
        self.spark = spark
        self.conf = conf
        self.written: Counter[str] = Counter()
        self._mark = uuid.uuid4().hex  # of the commits of this object
        self._counted: dict[str, int] = {}  # the commit of each table that was counted last
        self._checked: set[str] = set()
        self._rows: dict[str, int] = {}
        self._writing: dict[str, threading.Lock] = defaultdict(threading.Lock)  # of this process: one writer a table

    def read(self, table: Table) -> DataFrame:
        """The table's rows; none when it was never written.

        Raises:
            UserError: the table on disk is not the one of the contract.
        """
        if not self.ready(table):
            return self.spark.range(0).select(*[F.lit(None).cast(c.type).alias(c.name) for c in table.columns])
        return self.spark.table(self.name(table)).select(*table.column_names)

    def rows(self, table: Table) -> int:
        """How many rows the table holds; asked once between two writes of this object."""
        if table.full_name not in self._rows:
            self._rows[table.full_name] = self.read(table).count()  # from the log's statistics, no file is read
        return self._rows[table.full_name]

    def replace(self, table: Table, frame: DataFrame, where: Column | None = None, /, **slice: Any) -> None:
        """Writes the slice of the table whose columns equal the given values, all of it, atomically.

        A second run writes the same. Delta refuses a row outside the slice. No slice is the whole table.

        Args:
            where: what else holds for the rows of the slice.
            slice: column to its value, or to a collection of values of which it is one.
        """
        self._create(table)
        held = [F.expr(sql.is_value(sql.name(name), value)) for name, value in slice.items()]
        held += [] if where is None else [where]
        condition = reduce(Column.__and__, held) if held else F.lit(True)
        started = time.monotonic()
        while True:
            try:
                self._writer(table, frame).overwrite(condition)
                break
            except (PySparkException, Py4JJavaError) as error:
                # jobs that run side by side share the books, where each has rows of its own: it writes them once more
                if table not in _BOOKS or not _CONFLICT.search(str(error)):
                    raise
        self._count(table, started)

    def open_books(self) -> None:
        """Makes the tables of the books. Jobs that run side by side would each make them, and all but one fail."""
        for book in _BOOKS:
            self._create(book)

    def append(self, table: Table, frame: DataFrame) -> None:
        """Adds rows that are known to be new."""
        self._create(table)
        started = time.monotonic()
        self._writer(table, frame).append()
        self._count(table, started)

    def upsert(self, table: Table, frame: DataFrame) -> None:
        """Adds new keys; a known key is replaced by a later version of its row.

        The outcome depends on the set of rows ever given, not on their order, batches or repetition: of two rows
        with one key the later `table.version` wins, and at equal versions the greater row content.
        """
        rows = conform(frame, table)
        with self.kept(repeated_keys(rows, table)) as repeated:
            if not repeated.isEmpty():
                rows = newest(rows, table, repeated)
            if self.read(table).isEmpty():
                self.append(table, rows)
            else:
                later = is_later_sql(table, "new", "old")
                self._merge(table, rows, f"WHEN MATCHED AND ({later}) THEN UPDATE SET *")
                if self._counted.get(table.full_name, 1) % _COMPACTED_EVERY == 0:  # a rehearsal counts none
                    self.spark.sql(f"OPTIMIZE {self.name(table)}")  # the change feed knows nothing of it

    def add_new(self, table: Table, frame: DataFrame) -> None:
        """Adds the rows whose key is not there yet."""
        with self._writing[table.full_name]:
            self._merge(table, conform(frame, table).dropDuplicates([*table.key]))

    def put(self, table: Table, frame: DataFrame, **within: Any) -> None:
        """Adds new keys; the row of a known key is replaced, whatever it was.

        Args:
            frame: one row a key; a MERGE with two new rows of one key would insert both.
            within: column to its value, or to a collection of values, that every row has; Delta then reads only the
                files of the table that may hold them.

        Raises:
            ValueError: a key stands twice.
        """
        rows = conform(frame, table)
        with self.kept(rows):
            if not rows.groupBy(*table.key).count().where("count > 1").isEmpty():
                raise ValueError(f"{table.full_name}: a key stands twice among the rows to put")
            self._merge(table, rows, "WHEN MATCHED THEN UPDATE SET *", within)

    def version(self, table: Table) -> int | None:
        """The number of the table's last commit; None when it was never written."""
        last = self.last_commit(table)
        return last[0] if last else None

    def last_commit(self, table: Table) -> tuple[int, datetime] | None:
        """Number and instant of the table's last commit; None when it was never written."""
        if not self.ready(table):
            return None
        last = self._last(table)
        return int(last["version"]), calendar.utc(last["timestamp"])

    def _last(self, table: Table) -> Row:
        """Delta's record of the last commit."""
        last = self.spark.sql(f"DESCRIBE HISTORY {self.name(table)} LIMIT 1").first()
        assert last is not None
        return last

    def changes(self, table: Table, after: int, until: int | None = None) -> DataFrame | None:
        """Rows that commits later than version `after` added, removed or changed, old and new form, in any order.

        Columns: those of the table and `_change_type`. None when the change feed does not reach back that far: then
        everything must be taken as changed.

        Args:
            until: the last version that counts; None is the newest.
        """
        latest = self.version(table) if until is None else until
        if latest is None or latest <= after:
            return self.read(table).limit(0).withColumn("_change_type", F.lit(""))
        if (self._properties(table) or {}).get(_CHANGE_FEED) != "true":
            self._keep_changes(table)
            return None
        options = {"readChangeFeed": "true", "startingVersion": str(after + 1), "endingVersion": str(latest)}
        try:
            feed = self.spark.read.options(**options).table(self.name(table))
            feed.count()  # only opening each file tells whether it is whole: it may be younger, or vacuumed
        except (PySparkException, Py4JJavaError) as error:
            why = cause(error)
            log.warning("%s: the change feed does not reach version %s: %s", table.full_name, after + 1, why)
            return None
        return feed.select(*table.column_names, "_change_type")

    def _keep_changes(self, table: Table) -> None:
        """From its next commit on, the change feed of a table that was made without one is kept."""
        self.spark.sql(f"ALTER TABLE {self.name(table)} SET TBLPROPERTIES ('{_CHANGE_FEED}' = 'true')")

    def row(self, table: Table, values: Mapping[str, Any]) -> DataFrame:
        """One row of a table. Of literals, since createDataFrame would start Python workers for it."""
        return self.spark.range(1).select(*[F.lit(values[c.name]).cast(c.type).alias(c.name) for c in table.columns])

    @contextlib.contextmanager
    def kept(self, frame: DataFrame) -> Iterator[DataFrame]:
        """The frame, computed once for the uses within the block; on disk where memory ends."""
        frame = frame.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            yield frame
        finally:
            frame.unpersist()

    def settled(self, frame: DataFrame) -> DataFrame:
        """The frame, computed now and held by the executors; where Spark has a `spark.checkpoint.dir`, in there.

        What is built on it is planned without its past. Planning a long chain of joins again at each step takes longer
        than the rows of a day do. An executor that is lost takes what it holds with it, and the job fails.
        """
        has_place = self.spark.conf.get("spark.checkpoint.dir", None)
        return frame.checkpoint() if has_place else frame.localCheckpoint()

    def name(self, table: Table) -> str:
        """The table's name in SQL."""
        if self.conf.catalog:
            parts = self.conf.catalog, f"{self.conf.schema_prefix}{table.schema}", table.name
            return ".".join(map(sql.name, parts))
        return f"delta.{sql.name(self.location(table))}"

    def location(self, table: Table) -> str:
        return f"{self.conf.root}/{table.schema}/{table.name}"

    def ready(self, table: Table) -> bool:
        """True when the table exists and is the contract's.

        Raises:
            UserError: it was made by a newer memberlake, or someone changed it, which lists the differences; or its
                place holds files that are no table, as when its log is lost: they would be taken for no rows.
        """
        if table.full_name in self._checked:
            return True
        properties = self._properties(table)
        if properties is None:
            place = local_path(self.location(table)) if self.conf.root else None
            if place and _is_without_log(place):
                raise UserError(
                    f"{table.full_name}: {place} holds files that are no table: restore its log, or move them away"
                )
            return False
        guard.require(self.spark, table, self.name(table), properties)
        self._checked.add(table.full_name)
        return True

    def detail(self, table: Table) -> dict[str, Any] | None:
        """Rows, bytes, files and the last change of a table; None when it was never written."""
        if not self.ready(table):
            return None
        found = self.spark.sql(f"DESCRIBE DETAIL {self.name(table)}").first()
        assert found is not None
        rows = self.spark.table(self.name(table)).count()  # from the log's statistics, no file is read
        return {
            "rows": rows,
            "bytes": found["sizeInBytes"],
            "files": found["numFiles"],
            "last_change": calendar.utc(found["lastModified"]),
        }

    def _create(self, table: Table) -> None:
        """Makes the table where there is none; called before each write."""
        self._rows.pop(table.full_name, None)
        self._require_space()
        if self.ready(table):
            return
        if self.conf.root and not session.remove_unborn(self.spark, self.location(table)):
            raise UserError(f"{table.full_name}: {self.location(table)} holds files that are no table: move them away")
        columns = ", ".join(
            f"`{c.name}` {c.type.simpleString()}{' NOT NULL' if c.required else ''} COMMENT {sql.text(c.comment)}"
            for c in table.columns
        )
        checks = {f"delta.constraints.{name}": check for name, check in table.checks}
        feed = {_CHANGE_FEED: "true"} if table.keeps_changes else {}
        # else a MERGE writes every file with a corrected row anew, together in a few: soon all of the table, each night
        vectors = {"delta.enableDeletionVectors": "true"} if table.version else {}
        made = {guard.VERSION_PROPERTY: str(CONTRACT_VERSION), MADE: uuid.uuid4().hex}
        properties = {**made, **feed, **vectors, **checks}
        partitions = f" PARTITIONED BY ({', '.join(table.partitioned_by)})" if table.partitioned_by else ""
        place = ""
        if self.conf.catalog:
            schema = self.name(table).rpartition(".")[0]
            self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            place = f" LOCATION {sql.text(self.location(table))}" if self.conf.root else ""
        self.spark.sql(
            f"CREATE TABLE IF NOT EXISTS {self.name(table)} ({columns}) USING delta{partitions}{place}"
            f" COMMENT {sql.text(table.grain)}"
            f" TBLPROPERTIES ({', '.join(f'{sql.text(k)} = {sql.text(v)}' for k, v in properties.items())})"
        )
        self._checked.add(table.full_name)  # as it was just made

    def _merge(
        self, table: Table, rows: DataFrame, matched: str = "", within: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        """One row a key in `rows`: a MERGE with two new rows of one key would insert both.

        Args:
            matched: the clause for a key that is there, of `old` and `new`; without one its row stays.
            within: see `put`.
        """
        self._create(table)
        started = time.monotonic()
        required = {c.name for c in table.columns if c.required}
        same_key = " AND ".join(f"old.`{k}` {'=' if k in required else '<=>'} new.`{k}`" for k in table.key)
        same_key += "".join(f" AND {sql.is_value(f'old.{sql.name(c)}', value)}" for c, value in within.items())
        view = f"_memberlake_{table.schema}_{table.name}"
        rows.createOrReplaceTempView(view)
        try:
            rows.sparkSession.sql(
                f"MERGE INTO {self.name(table)} AS old USING {view} AS new ON {same_key}"
                f" {matched} WHEN NOT MATCHED THEN INSERT *"
            )
        finally:
            rows.sparkSession.catalog.dropTempView(view)
        self._count(table, started)

    def _properties(self, table: Table) -> dict[str, str] | None:
        """The table's properties, None when there is no table. (DESCRIBE DETAIL takes ten times as long.)"""
        name = self.name(table)
        if self.conf.catalog and not self.spark.catalog.tableExists(name):
            # a local catalog forgets its tables at exit; their files are still there
            if not self.conf.root or self._shown(f"delta.{sql.name(self.location(table))}") is None:
                return None
            self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {name.rpartition('.')[0]}")
            self.spark.sql(f"CREATE TABLE {name} USING delta LOCATION {sql.text(self.location(table))}")
        return self._shown(name)

    def _shown(self, name: str) -> dict[str, str] | None:
        try:
            listed = self.spark.sql(f"SHOW TBLPROPERTIES {name}").collect()  # a row a property: a handful
            return {row["key"]: row["value"] for row in listed}
        except AnalysisException as error:
            if error.getCondition() in _NOT_THERE:
                return None
            raise

    def _writer(self, table: Table, frame: DataFrame) -> DataFrameWriterV2:
        return conform(frame, table).writeTo(self.name(table)).option("userMetadata", self._mark)

    def _count(self, table: Table, started: float) -> None:
        """Adds what the last commit wrote, by Delta's own count, and logs it."""
        if table in _BOOKS:
            return
        commit = self._last(table)
        # no row in the place of none makes no commit: the last one is of another write then
        is_of_others = commit["operation"] == "WRITE" and commit["userMetadata"] != self._mark
        is_new = not is_of_others and commit["version"] != self._counted.get(table.full_name)
        self._counted[table.full_name] = commit["version"]
        metrics = commit["operationMetrics"] if is_new else {}
        merged = ("numTargetRowsInserted", "numTargetRowsUpdated")
        rows = sum(int(metrics.get(name, 0)) for name in (merged if merged[0] in metrics else ("numOutputRows",)))
        self.written[table.full_name] += rows
        log.info("wrote %s: %s rows, %.1f s", table.full_name, f"{rows:,}", time.monotonic() - started)

    def _require_space(self) -> None:
        root = local_path(self.conf.root)
        if root is None:
            return
        there = next(p for p in (root, *root.parents) if p.exists())
        free = shutil.disk_usage(there).free // 2**20
        if free < self.conf.min_free_mb:
            raise UserError(
                f"no space for the lake: {there} has {free} MB free, lake.min_free_mb asks for {self.conf.min_free_mb}"
            )


def _is_without_log(place: Path) -> bool:
    """True when there is something, but no commit of Delta. A table that is just being made has its commit first."""
    if not place.is_dir():
        return place.exists()
    return any(p.name[0] not in "._" for p in place.iterdir()) and not any((place / "_delta_log").glob("[0-9]*"))
