"""ingest: new landing files of a source into silver; each file once, each bad row into ops.rejects."""

from collections.abc import Iterator

from memberlake import cli
from memberlake.ingest.take import Ingest, Taken
from memberlake.tables import silver
from memberlake.tables.ops import REJECTS

READS = ()
WRITES = (*silver.TABLES, REJECTS)


def run(ingest: Ingest) -> Iterator[Taken]:
    return ingest.run()


if __name__ == "__main__":
    cli.main_job(run)
