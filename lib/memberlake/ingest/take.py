"""A batch of landing files into its silver table, repeatable at any point."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from memberlake.conf import Conf, local_path
from memberlake.errors import UserError
from memberlake.ingest import files, rows
from memberlake.ingest.files import BROKEN, FILE, RawFiles
from memberlake.ingest.source import Load, Source
from memberlake.lake import session, sql
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.lake.stream import take_new_files
from memberlake.tables.ops import REJECTS

log = logging.getLogger(__name__)


@dataclass
class Taken:
    """What one load took.

    Attributes:
        repeated: rows that were not newer than what the table had, or other rows read with them, of the same key.
    """

    table: str
    files: int = 0
    read: int = 0
    rejected: int = 0
    repeated: int = 0
    written: int = 0
    seconds: float = 0.0
    error: str | None = None
    rules: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Ingest:
    """One run of ingest: a source's files in a landing folder into a lake.

    Attributes:
        name: of the source; the checkpoints lie below it.
        landing: folder or URI.
        taken_at: UTC instant of the run.
    """

    lake: Lake
    conf: Conf
    source: Source
    name: str
    landing: str
    taken_at: datetime

    def run(self) -> Iterator[Taken]:
        """Takes the new files of every load. Tables go side by side, the loads of one table one after the other."""
        by_table: dict[str, list[tuple[str, Load]]] = defaultdict(list)
        for name, load in self.source.loads.items():
            by_table[load.table].append((name, load))
        with ThreadPoolExecutor(self.conf.ingest.tables_at_once) as pool:
            for taken in pool.map(lambda loads: [self._load(*load) for load in loads], by_table.values()):
                yield from taken

    def _load(self, name: str, load: Load) -> Taken:
        """Takes the new files of a load, a batch after the other. Its error is in the result, not raised."""
        taken = Taken(load.table)
        started = time.monotonic()
        folder, pattern = load.folder_and_pattern
        place = f"{self.landing}/{folder}".rstrip("/")
        ledger = f"{self.lake.conf.checkpoint_root}/ingest/{self.name}/{name}"
        try:
            self._require_table(load.contract, ledger)
            if local := local_path(place):
                if misnamed := files.misnamed(local, pattern):
                    raise UserError(
                        f"{_shortened(misnamed)}: Spark reads no file whose name has a colon or is not in UTF-8: "
                        f"rename it"
                    )
                if empty := files.empty(local, pattern):
                    raise UserError(f"{_shortened([str(path) for path in empty])}: without content; fill or remove it")
            self._require_readable_defaults(load)
            take_new_files(
                self.lake.spark,
                place,
                pattern,
                ledger,
                self.conf.ingest.max_files_per_batch,
                lambda spark, paths: self._batch(spark, load, paths, taken),
            )
        except UserError as error:
            taken.error = str(error)
        taken.seconds = time.monotonic() - started
        return taken

    def _require_table(self, table: Table, ledger: str) -> None:
        """A table that is gone would be filled by new files alone, since the old ones count as taken."""
        if not self.lake.ready(table) and any(map(str.isdigit, session.listed(self.lake.spark, f"{ledger}/commits"))):
            raise UserError(
                f"{table.full_name} is gone, and files that were taken into it are not taken again: restore it, or "
                f"delete {ledger}, the record of these files, and all that are still in the landing folder fill it anew"
            )

    def _require_readable_defaults(self, load: Load) -> None:
        """A default that its column cannot hold would be NULL in every row."""
        columns = [column for column in load.contract.columns if column.name in load.defaults]
        held = [rows.default(load, column, self.source.time_zone).isNotNull() for column in columns]
        is_held = self.lake.spark.range(1).select(*held).collect()[0] if columns else ()  # one row
        if bad := [c for c, is_readable in zip(columns, is_held, strict=True) if not is_readable]:
            told = [f"{c.name}: {load.defaults[c.name]} is not a readable {c.type.simpleString()}" for c in bad]
            raise UserError(f"the defaults of {load.table} in the source do not fit: {'; '.join(told)}")

    def _batch(self, spark: SparkSession, load: Load, paths: list[str], taken: Taken) -> None:
        if not paths:  # all were removed; what is marked as done has its table
            self.lake.append(load.contract, self.lake.read(load.contract).limit(0))
            return
        states = files.states(paths)
        judged = reduce(
            DataFrame.unionByName,
            [self._judged(spark, load, group) for group in files.read(spark, paths, self.source.csv)],
        )
        with self.lake.kept(judged) as judged:
            try:
                counts = judged.groupBy(rows.FAULTS).count().collect()  # a row for each combination of rules, a handful
            except (PySparkException, Py4JJavaError) as error:
                told = _of_a_line(error, paths) or files.unreadable(error) or _of_a_value(error, load, paths)
                raise told or error from None
            if changed := [path for path, state in files.states(paths).items() if state and state != states[path]]:
                raise UserError(
                    f"{_shortened(changed)}: changed while it was read; nothing of the batch was written. "
                    f"Run this again when it is whole"
                )
            rules = Counter({row[rows.FAULTS]: row["count"] for row in counts if row[rows.FAULTS]})
            read, rejected = sum(row["count"] for row in counts), sum(rules.values())
            if rejected > self.conf.ingest.max_reject_ratio * read:
                raise UserError(
                    f"{load.table}: {rejected:,} of {read:,} rows break the contract, more than "
                    f"ingest.max_reject_ratio {self.conf.ingest.max_reject_ratio} allows; nothing of them was written. "
                    f"{_most_common(rules)}. Files: {_shortened(paths)}. Mend or move them, or raise the ratio"
                )
            before = self.lake.written[load.contract.full_name]
            self.lake.upsert(load.contract, rows.only_good(judged))
            written = self.lake.written[load.contract.full_name] - before
            if rejected:
                self.lake.add_new(REJECTS, rows.as_rejects(judged, load.contract, self.taken_at))
        taken.files += len(paths)
        taken.read += read
        taken.rejected += rejected
        taken.written += written
        taken.repeated += read - rejected - written
        taken.rules = dict(Counter(taken.rules) + rules)

    def _judged(self, spark: SparkSession, load: Load, group: RawFiles) -> DataFrame:
        where = _shortened(group.paths)
        try:
            raw = self._queried(spark, load, group) if load.query else group.rows
            if absent := rows.absent_columns(raw.columns, load):
                if doubled := sorted(rows.doubled_columns(group.columns) & {*load.contract.column_names}):
                    raise UserError(f"{where}: {_doubled(doubled)}. Nothing of the batch was written")
                raise UserError(
                    f"{where}: no column {', '.join(absent)}, which silver.{load.table} requires; it has "
                    f"{', '.join(group.columns)}. Nothing of the batch was written"
                )
            if unused := rows.unused_columns(group.columns, load):
                log.warning("%s: not in the contract, left in the file: %s", where, ", ".join(unused))
            allowed = {"status": self.conf.orders.statuses} if load.table == "orders" else {}
            return rows.judged(raw, load, self.source.time_zone, self.taken_at, allowed)
        except AnalysisException as error:
            said = str(error).strip().splitlines()[0]
            if str(error.getCondition()).startswith("UNRESOLVED_COLUMN"):
                unknown = (error.getMessageParameters() or {}).get("objectName", "")
                name = unknown.rpartition(".")[2].strip("`")
                is_doubled = name.casefold() in rows.doubled_columns(group.columns)
                said = _doubled([name]) if is_doubled else f"no column {unknown}; it has {', '.join(group.columns)}"
            raise UserError(f"{where}: the mapping of {load.table} does not fit: {said}") from None

    def _queried(self, spark: SparkSession, load: Load, group: RawFiles) -> DataFrame:
        """The load's query over the batch. Broken lines have no cells for it and go past it, to be rejected."""
        is_broken = _is_broken(group)
        group.rows.where(~is_broken).drop(BROKEN).createOrReplaceTempView("input")
        for name, file in self.source.lookups.items():
            folder, _, pattern = file.rpartition("/")
            found = files.listed(spark, f"{self.landing}/{folder}".rstrip("/"), pattern)
            if not found:
                raise UserError(f"{self.landing}/{file}, which {load.table} needs, is not there")
            looked_up = files.read(spark, found, self.source.csv)
            if any(not part.rows.where(_is_broken(part)).isEmpty() for part in looked_up):
                raise UserError(
                    f"{self.landing}/{file}, which {load.table} needs, has lines that cannot be split into cells: "
                    f"mend it; nothing of the batch was written"
                )
            reduce(DataFrame.unionByName, [part.rows for part in looked_up]).createOrReplaceTempView(name)
        result = spark.sql(str(load.query))
        if FILE not in result.columns:
            result = result.withColumn(FILE, F.lit(", ".join(group.paths)))
        broken = group.rows.where(is_broken).select(FILE, BROKEN)
        return result.unionByName(broken, allowMissingColumns=True)


def _is_broken(group: RawFiles) -> Column:
    # Spark does not read the broken lines of a file without any of its cells: the length, always true, names one
    a_cell = F.length(F.concat_ws("", F.col(sql.name(group.columns[0])).cast("string"))) >= 0
    return F.col(BROKEN).isNotNull() & a_cell


def _of_a_line(error: Exception, paths: list[str]) -> UserError | None:
    """What to tell when a line is beyond the limits of Spark's parser, without the line; None for another reason."""
    if not re.search("MALFORMED_CSV_RECORD|TextParsingException", str(error)):
        return None
    return UserError(
        f"{_shortened(paths)}: a line has more cells, or more in a cell, than csv.maxColumns or csv.maxCharsPerColumn "
        f"of the source allows; nothing of the batch was written"
    )


def _of_a_value(error: Exception, load: Load, paths: list[str]) -> UserError | None:
    """What to tell when the source's own SQL ended on a value, without the value; None for another reason."""
    if not isinstance(error, PySparkException) or not (load.query or load.columns):
        return None
    if not str(error.getSqlState()).startswith("22"):  # SQL's class of data exceptions
        return None
    return UserError(
        f"{_shortened(paths)}: the mapping of {load.table} ends on a value that it cannot take "
        f"({error.getCondition()}); nothing of the batch was written. Read such cells with try_cast or try_to_date and "
        f"keep what they cannot read, coalesce(string(try_to_date(c, 'dd/MM/yyyy')), c): then the row is rejected"
    )


def _doubled(names: list[str]) -> str:
    return f"the column {', '.join(names)} stands twice in the header"


def _most_common(rules: Counter[str]) -> str:
    return "Most often: " + ", ".join(f"{rule} ({count:,})" for rule, count in rules.most_common(3))


def _shortened(paths: list[str]) -> str:
    named = [files.readable(path) for path in paths[:3]]
    return ", ".join(named) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
