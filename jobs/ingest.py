"""ingest: new landing files of a source into silver; each file once, each bad row into ops.rejects."""

from collections.abc import Iterable

from memberlake import cli
from memberlake.ingest.source import Load
from memberlake.ingest.take import Ingest, Taken
from memberlake.tables import silver
from memberlake.tables.ops import REJECTS

READS = ()
WRITES = (*silver.TABLES, REJECTS)


def run(ingest: Ingest, loads: Iterable[tuple[str, Load]]) -> list[Taken]:
    return [ingest.run(name, load) for name, load in loads]


if __name__ == "__main__":
    cli.main_ingest(run)
