"""A lake to try a job on: it reads the real tables and writes to copies that share their files."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

from memberlake.errors import UserError
from memberlake.lake import session
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake


class Rehearsal(Lake):
    """What a job writes goes below a folder of its own, and is what it then reads; the lake itself is not touched.

    A table that is written is first cloned there, by its log alone, so that replace, append and merge plan and run as
    they would on the lake.
    """

    def __init__(self, lake: Lake, folder: str) -> None:
        own_place = {"root": folder, "catalog": None, "checkpoints": None}
        super().__init__(lake.spark, lake.conf.model_copy(update=own_place))
        self._lake = lake
        self._own: set[str] = set()

    def name(self, table: Table) -> str:
        return super().name(table) if table.full_name in self._own else self._lake.name(table)

    def ready(self, table: Table) -> bool:
        return super().ready(table) if table.full_name in self._own else self._lake.ready(table)

    def _create(self, table: Table) -> None:
        if table.full_name not in self._own:
            held = self._lake.name(table) if self._lake.ready(table) else None
            self._own.add(table.full_name)
            if held:
                self.spark.sql(f"CREATE TABLE {self.name(table)} SHALLOW CLONE {held}")
        super()._create(table)

    def _keep_changes(self, table: Table) -> None:
        """It would be the lake's own table."""

    def _count(self, table: Table, started: float) -> None:
        """Nothing was written that anyone should hear of."""


@contextlib.contextmanager
def rehearsal(lake: Lake) -> Iterator[Rehearsal]:
    """A rehearsal in a folder of the lake, where every executor can reach it; the folder is removed at the end.

    Raises:
        UserError: the lake cannot be written to.
    """
    place = lake.conf.root or lake.conf.checkpoints
    folder = f"{place}/_explain-{uuid.uuid4().hex}"
    if why := session.make(lake.spark, folder):
        raise UserError(f"a job is explained in a folder of the lake, and {folder} cannot be made: {why}")
    try:
        yield Rehearsal(lake, folder)
    finally:
        session.remove(lake.spark, folder)
