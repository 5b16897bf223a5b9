"""Running jobs: the record in ops.runs, the order, what a failure stops."""

from __future__ import annotations

import contextlib
import logging
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timezone

from pyspark.sql import functions as F

import memberlake
from memberlake import calendar
from memberlake.conf import Conf
from memberlake.errors import NotYet, UserError
from memberlake.jobs import Job
from memberlake.lake import session
from memberlake.lake.asof import AsOfCheck
from memberlake.lake.store import Lake
from memberlake.tables.ops import RUNS
from memberlake.tables.silver import EVENTS, ORDERS

log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What a run of a job did."""

    job: str
    as_of: date | None
    state: str = "running"
    rows_read: int = 0
    rows_written: int = 0
    seconds: float = 0.0
    written: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    is_users: bool = False
    has_stopped: bool = False  # Spark has, so nothing can be run after it
    made: str | None = None  # a file to open, from a job that makes one


def run_day(lake: Lake, conf: Conf, jobs: Iterable[Job], as_of: date, stale: Iterable[str] = ()) -> Iterator[Outcome]:
    """Runs jobs for a day, in the order given. A failed job stops only those that wait for what it should have written
    and has not, and write tables of their own.

    Args:
        stale: names of tables that a failure before this left as they were.
    """
    left = set(stale)
    check = AsOfCheck.of(lake, as_of, conf.business_timezone)
    for job in jobs:
        missing = sorted(left & {table.full_name for table in job.waits_for})
        if missing and job.writes:  # one that writes no table only shows what there is, failures too
            error = f"{', '.join(missing)} could not be brought up to date"
            outcome = Outcome(job.name, as_of, state="skipped", error=error)
        else:
            with recorded(lake, conf, job.name, as_of) as outcome:
                check.require_data(job.reads)
                outcome.rows_read = sum(lake.rows(table) for table in job.reads if lake.ready(table))
                outcome.made = job.run(lake, conf, as_of)
        if outcome.state != "done":
            left |= {table.full_name for table in job.writes} - set(outcome.written)
        yield outcome
        if outcome.has_stopped:
            return


@contextlib.contextmanager
def recorded(lake: Lake, conf: Conf, job: str, as_of: date | None) -> Iterator[Outcome]:
    """Keeps the record of a run in ops.runs. A failure within the block ends it, and stands in the outcome."""
    outcome = Outcome(job, as_of)
    before = lake.written.copy()
    run_id, started_at, started = uuid.uuid4().hex, datetime.now(timezone.utc), time.monotonic()

    def record(ended_at: datetime | None) -> None:
        row = {
            "run_id": run_id,
            "job": job,
            "as_of": as_of,
            "started_at": started_at,
            "ended_at": ended_at,
            "state": outcome.state,
            "rows_read": outcome.rows_read,
            "rows_written": outcome.rows_written,
            "config_hash": conf.digest,
            "code_version": memberlake.__version__,
            "error": outcome.error,
        }
        frame = lake.row(RUNS, row)
        if ended_at:
            lake.replace(RUNS, frame, run_id=run_id)
        else:
            lake.append(RUNS, frame)

    try:
        record(None)
    except Exception as error:
        if is_full(error):
            raise UserError(message(error)) from error
        raise
    try:
        yield outcome
        outcome.state = "failed" if outcome.error else "done"
    except UserError as error:
        if isinstance(error, NotYet) and lake.if_needed:
            outcome.state = "done"
            log.warning("%s: %s", job, error)
        else:
            outcome.state, outcome.error, outcome.is_users = "failed", str(error), True
    except Exception as error:
        outcome.state, outcome.error = "failed", message(error)
        outcome.is_users = is_full(error)
        log.debug("%s failed", job, exc_info=True)
    if outcome.error and session.has_stopped(lake.spark):
        outcome.error = "Spark has stopped, killed or out of memory: give the same command again"
        outcome.has_stopped, outcome.is_users = True, False
    outcome.seconds = time.monotonic() - started
    outcome.written = dict(lake.written - before)  # without tables that no row was written to
    outcome.rows_written = sum(outcome.written.values())
    if outcome.has_stopped:  # the record of the run is ended by the next command
        return
    try:
        record(datetime.now(timezone.utc))
    except Exception as error:  # what the run did stands; that it could not be recorded is reported
        said = f"the run could not be recorded: {message(error)}"
        outcome.error = f"{outcome.error}; {said}" if outcome.error else said
        outcome.state, outcome.is_users = "failed", is_full(error)


def last_day(lake: Lake, zone: str) -> date:
    """The last business date with an order; in a lake without orders, with an event.

    Raises:
        UserError: there is neither.
    """
    for table in (ORDERS, EVENTS):
        instant = F.col(str(table.happened_at))
        found = lake.read(table).agg(F.max(calendar.business_date(instant, zone))).first()
        if found and found[0]:
            last: date = found[0]
            return last
    raise UserError("--as-of latest is the last day with an order or event, and the lake has neither: ingest first")


def last_run_day(lake: Lake) -> date:
    """The latest day that a job has run for.

    Raises:
        UserError: none has.
    """
    found = lake.read(RUNS).where("state = 'done'").agg(F.max("as_of")).first()
    if found is None or found[0] is None:
        raise UserError("no job has run on this lake yet: run `memberlake nightly --as-of latest` with the same --lake")
    last: date = found[0]
    return last


def is_full(error: Exception) -> bool:
    return "No space left on device" in str(error)


def message(error: Exception) -> str:
    """An error in a few lines: what Spark says first, without its stack."""
    text = str(error).strip() or type(error).__name__
    if is_full(error):
        return "no space left on the device of the lake or of Spark's scratch folder: free some and run again"
    if re.search(r"SQLSTATE: (22|23|KD000)", text):  # of a value, a constraint or a line: quoted, and maybe a member's
        condition = re.search(r"\[[A-Z0-9_.]+\]", text)
        return f"{type(error).__name__}: {condition[0] if condition else ''} a value cannot be computed with"
    name = type(error).__name__
    if java := re.match(r"An error occurred while calling \S+\s*: (?:\w+\.)*(\w+): ", text):  # in py4j's words
        name, text = java[1], text[java.end() :]
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
    return f"{name}: {' '.join(lines[:3])[:600]}"
