"""The lake, as jobs see it: its tables, what of them a job has seen, and the day that its own stand at."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from datetime import date
from functools import reduce

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from memberlake.conf import LakeConf
from memberlake.lake.contract import Table
from memberlake.lake.delta import MADE, DeltaTables
from memberlake.tables.ops import CUTOFFS, WATERMARKS


class Lake(DeltaTables):
    """Delta tables, and the books of the jobs that write them.

    Attributes:
        rebuild: incremental jobs are to start from nothing.
        if_needed: jobs are to do only what is due, and to wait for what is missing.
    """

    def __init__(self, spark: SparkSession, conf: LakeConf, *, rebuild: bool = False) -> None:
        super().__init__(spark, conf)
        self.rebuild = rebuild
        self.if_needed = False
        self._forgotten: set[str] = set()

    @contextlib.contextmanager
    def since_last(self, job: str, *tables: Table, rules: object = "") -> Iterator[dict[Table, DataFrame | None]]:
        """For each table the rows that changed since this block last ended well for the job; None means all rows.

        What the block was given counts as seen when it ends without an exception; a crash gives it the same again, so
        it must be repeatable. Rules that differ from those of the last time make everything new, as `rebuild` does.

        Args:
            rules: settings that the outcome depends on; compared by their text.
        """
        by = {table: self._by(rules, table) for table in tables}
        seen = {} if self.rebuild else self._seen(job, by)
        versions = {table: self.version(table) for table in tables}
        yield {t: self.changes(t, seen[t.full_name], versions[t]) if t.full_name in seen else None for t in tables}
        now = {t.full_name: -1 if v is None else v for t, v in versions.items()}
        if now == seen and job not in self._forgotten:
            return
        self._forgotten.discard(job)
        rows = [{"job": job, "table": t.full_name, "version": now[t.full_name], "rules": by[t]} for t in tables]
        self.replace(WATERMARKS, reduce(DataFrame.unionAll, [self.row(WATERMARKS, row) for row in rows]), job=job)

    def has_seen(self, job: str, table: Table, rules: object) -> bool:
        """Whether the job's last block of `since_last`, by these rules, was given all that the table holds now."""
        return self._seen(job, {table: self._by(rules, table)}).get(table.full_name) == self.version(table)

    def goes_by(self, job: str, rules: object) -> bool:
        """Whether the job's last block of `since_last` went by these rules."""
        return any(row["rules"].startswith(_digest(rules)) for row in self._watermarks(job))

    def _seen(self, job: str, by: Mapping[Table, str]) -> dict[str, int]:
        now = {table.full_name: digest for table, digest in by.items()}

        def is_same(row: Row) -> bool:
            """The same table by the same rules; or the first in its place."""
            was, is_ = row["rules"], now.get(row["table"], "")
            return bool(was == is_ or (row["version"] < 0 and is_.startswith(was)))

        return {row["table"]: row["version"] for row in self._watermarks(job) if is_same(row)}

    def _watermarks(self, job: str) -> list[Row]:
        return self.read(WATERMARKS).where(F.col("job") == F.lit(job)).collect()  # a row a table

    def _by(self, rules: object, table: Table) -> str:
        """By what a table was taken in: the rules; and which table it was, for one that is made again counts anew."""
        made = (self._properties(table) or {}).get(MADE, "")
        return f"{_digest(rules)} {made}".rstrip()

    def forget(self, job: str) -> None:
        """The job has seen nothing, until the block of `since_last` around this call ends well.

        For a job that writes several tables that must fit each other: a crash between two of them makes everything new.
        """
        self.replace(WATERMARKS, self.read(WATERMARKS).limit(0), job=job)
        self._forgotten.add(job)

    def stands_at(self, job: str) -> date | None:
        """The as_of of the tables of a job that are brought from one day to the next; None when its last run failed."""
        held = self.read(CUTOFFS).where(F.col("job") == F.lit(job)).first()
        return held["as_of"] if held else None

    @contextlib.contextmanager
    def brought_to(self, job: str, as_of: date) -> Iterator[date | None]:
        """The as_of that the job's tables stand at, when its last run ended well; None means that they are to be
        written anew. After the block they stand at as_of.

        For tables that have no as_of of their own, and are brought from one day to the next.
        """
        held = self.stands_at(job)
        self.replace(CUTOFFS, self.read(CUTOFFS).limit(0), job=job)  # should the block fail, nobody knows
        yield None if self.rebuild else held
        self.set_at(job, as_of)

    def set_at(self, job: str, as_of: date) -> None:
        """From now on the job's tables stand at as_of."""
        self.replace(CUTOFFS, self.row(CUTOFFS, {"job": job, "as_of": as_of}), job=job)


def _digest(rules: object) -> str:
    return hashlib.sha256(repr(rules).encode()).hexdigest()[:16]
