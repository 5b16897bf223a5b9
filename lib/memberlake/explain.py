"""What a job does on a lake, read from the plans of a run that leaves the lake as it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from memberlake import plans
from memberlake.conf import Conf
from memberlake.errors import NotYet, UserError
from memberlake.jobs import Job
from memberlake.lake import session
from memberlake.lake.asof import AsOfCheck
from memberlake.lake.rehearsal import rehearsal
from memberlake.lake.store import Lake
from memberlake.plans import Join, Plan, Scan, Shuffle, Window
from memberlake.tables import BY_NAME

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Read:
    """One scan of a table: what it takes of what the table holds. All are None where the lake cannot tell.

    A table of the job's own that it reads back holds, here, what this run wrote. `rows` are of files, those that are
    marked as replaced among them: so there may be more than `of_rows`, which the table holds.
    """

    table: str
    files: int | None
    of_files: int | None
    bytes: int | None
    of_bytes: int | None
    rows: int | None
    of_rows: int | None


@dataclass(frozen=True)
class Explained:
    """The plan of a job, its scans named by table."""

    job: str
    as_of: date
    reads: list[Read]
    shuffles: list[Shuffle]
    windows: list[Window]
    joins: list[Join]
    warnings: list[str]


def job(lake: Lake, conf: Conf, job: Job, as_of: date) -> Explained:
    """Runs the job for the day, with its writes going to a folder that is removed, and says what Spark did.

    Raises:
        UserError: there is nothing to read.
    """
    if not any(lake.ready(table) for table in job.reads):
        wanted = ", ".join(table.full_name for table in job.reads)
        raise UserError(f"there is nothing to explain {job.name} on, the lake has no {wanted}: ingest first")
    AsOfCheck.of(lake, as_of, conf.business_timezone).require_data(job.reads)
    with rehearsal(lake) as tried:
        with session.watched(lake.spark) as graphs:
            try:
                job.run(tried, _kept_to_itself(conf), as_of)
            except NotYet as error:
                log.warning("%s ended early: %s", job.name, error)
        plan = plans.analysed(graphs)
        names = [table.full_name for table in job.reads] + [_table(scan, lake) for scan in plan.scans]
        held = {name: tried.detail(BY_NAME[name]) or {} for name in dict.fromkeys(names) if name in BY_NAME}
    return Explained(job.name, as_of, _reads(plan, lake, held), plan.shuffles, plan.windows, plan.joins, plan.warnings)


def _kept_to_itself(conf: Conf) -> Conf:
    """Pages and models that are tried go into the rehearsal's own folder, and no alert is sent."""
    webhook = conf.alerts.webhook.model_copy(update={"url": None})
    return conf.model_copy(
        update={
            "report": conf.report.model_copy(update={"folder": None}),
            "mlflow": conf.mlflow.model_copy(update={"tracking_uri": None, "registry_uri": None}),
            "alerts": conf.alerts.model_copy(update={"webhook": webhook}),
        }
    )


def _reads(plan: Plan, lake: Lake, held: Mapping[str, Mapping[str, Any]]) -> list[Read]:
    scanned = [(_table(scan, lake), scan) for scan in plan.scans]
    # answered from a table's log alone, or not needed with these settings
    idle = [(name, Scan(name, 0, 0, 0)) for name in held if name not in {table for table, _ in scanned}]
    return [_read(name, scan, held.get(name, {})) for name, scan in (*scanned, *idle)]


def _read(name: str, scan: Scan, of: Mapping[str, Any]) -> Read:
    whole = of.get("files")
    size = of.get("bytes") if scan.files == whole else scan.bytes  # Spark's own figure is rounded
    return Read(name, scan.files, whole, size, of.get("bytes"), scan.rows, of.get("rows"))


def _table(scan: Scan, lake: Lake) -> str:
    """The table of a scan: of a folder <root>/silver/orders, or of a name catalog.prefix_silver.orders."""
    parts = scan.place.rstrip("/").split("/") if "/" in scan.place else scan.place.replace("`", "").split(".")
    name = ".".join(parts[-2:]).removeprefix(lake.conf.schema_prefix)
    return name if name in BY_NAME else scan.place
