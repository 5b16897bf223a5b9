"""What the commands do, once their options are read (cli.py)."""

from __future__ import annotations

import contextlib
import difflib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import click
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from memberlake import calendar, conf, console, jobs, runner
from memberlake.conf import Conf, Layer, local_path
from memberlake.errors import UserError, cause
from memberlake.explain import job as explain_job
from memberlake.ingest import source as sources
from memberlake.ingest.source import Source
from memberlake.ingest.take import Ingest, Taken
from memberlake.lake import session, sql
from memberlake.lake.asof import AsOfCheck
from memberlake.lake.contract import Table
from memberlake.lake.lock import only_writer
from memberlake.lake.store import Lake
from memberlake.made import write as made
from memberlake.made.world import World
from memberlake.runner import Outcome
from memberlake.tables import ALL, BY_NAME
from memberlake.tables.gold.kpi import ALERTS
from memberlake.tables.ops import RUNS

log = logging.getLogger(__name__)


class Given(NamedTuple):
    """The options that every command with a lake has."""

    files: tuple[str, ...]
    sets: tuple[str, ...]
    lake: str | None
    landing: str | None = None

    def configuration(self, settings: Layer | None = None) -> Conf:
        return conf.load(self.files, self.sets, self.lake, self.landing, settings)


class Days(NamedTuple):
    """The days to run for, as given."""

    as_of: str | None
    first: str | None
    last: str | None

    def listed(self, zone: str) -> list[date]:
        """The dates; none for `latest`, which only the lake knows.

        Raises:
            UserError: a date that is none, or options that contradict each other.
        """
        if self.as_of is not None and (self.first is not None or self.last is not None):
            raise UserError("give --as-of or --from/--to, not both")
        if self.last is not None and self.first is None:
            raise UserError("--to needs --from")
        if self.as_of == "latest":
            return []
        if self.first is None:
            if self.as_of is None or self.as_of == "yesterday":
                return [calendar.yesterday(zone)]
            return [_date(self.as_of, "--as-of")]
        first = _date(self.first, "--from")
        last = calendar.yesterday(zone) if self.last is None else _date(self.last, "--to")
        if last < first:
            raise UserError(f"--from {first} is after --to {last}")
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]


class Declared(NamedTuple):
    """A source under the name that it was asked for by, and its settings as a layer of the configuration."""

    name: str
    source: Source
    settings: Layer


def opened(given: Given) -> Lake:
    """The lake of a command that only looks."""
    rules = given.configuration()
    _require_lake(rules)
    return reached(Lake(session.start(), rules.lake))


def reached(lake: Lake) -> Lake:
    """The lake, once Spark has looked at its place, where that is a catalog or on no disk of this machine.

    Raises:
        UserError: Spark knows no such file system or catalog, or is not let in.
    """
    if lake.conf.catalog or local_path(lake.conf.root) is None:
        try:
            lake.ready(RUNS)
        except (PySparkException, Py4JJavaError) as error:
            place = lake.conf.catalog or lake.conf.root
            raise UserError(f"the lake {place} cannot be opened: {cause(error)}") from None
    return lake


def models(what: str, version: str | None, given: Given) -> None:
    """Lists the churn models, compares their tests, or makes one champion."""
    from memberlake.churn.registry import Registry  # what no other command needs

    rules = given.configuration()
    if not rules.mlflow.tracking_uri:
        _require_lake(rules)
    registry = Registry(rules.mlflow, rules.lake, rules.churn.foretells)
    if version is not None:
        now = registry.promote(version)
        console.out.print(f"{now.name} version {now.version} (trained as of {now.trained_as_of}) is champion")
        return
    versions = registry.versions()
    if what == "list":
        rows = [
            (v.version, "champion" if v.is_champion else "", v.trained_as_of, v.tags["model"], v.tags["reason"])
            for v in versions
        ]
        console.grid(rows, "version", "", "trained as of", "model", "why it was promoted, or not", title=registry.name)
        return
    found = [registry.measures(v) for v in versions]  # as many as there are models
    names = sorted({name for measures in found for name in measures})
    headers = [f"{v.version} {'(champion)' if v.is_champion else ''}".strip() for v in versions]
    console.grid([(name, *[m.get(name) for m in found]) for name in names], "measure", *headers, title=registry.name)


def explain(job: jobs.Job, as_of: str | None, as_json: bool, given: Given) -> None:
    """Shows what the job's plan for a day does on the lake."""
    rules = given.configuration()
    days = Days(as_of, None, None).listed(rules.business_timezone)
    lake = opened(given)
    day = days[0] if days else runner.last_day(lake, rules.business_timezone)
    try:
        explained = explain_job(lake, rules, job, day)
    except UserError:
        raise
    except Exception as error:
        console.tell(f"{job.name} as of {day} failed: {runner.message(error)}")
        sys.exit(1)
    console.explained(explained, as_json=as_json)


def tables(name: str | None, given: Given) -> None:
    """Lists all tables with what is in them, or shows the contract of one."""
    asked = None if name is None else table(name)
    lake = opened(given)
    if asked:
        console.contract(asked, lake)
        return
    rows = []
    for each in console.progress(ALL, "tables", len(ALL)):
        found = lake.detail(each) or {"rows": None, "bytes": None, "last_change": None}
        megabytes = None if found["bytes"] is None else round(found["bytes"] / 1e6, 1)
        rows.append((each.full_name, each.grain, found["rows"], megabytes, found["last_change"]))
    console.grid(rows, "table", "one row is", "rows", "MB", "last change (UTC)")


def show(name: str, where: str | None, limit: int, form: str, given: Given) -> None:
    """Prints rows of a table. Args: limit: 0 is all."""
    asked = table(name)
    frame = opened(given).read(asked)
    try:
        condition = F.lit(True) if where is None else sql.expression(where)
        frame = frame.where(condition).orderBy(*asked.key)
        console.rows(frame.limit(limit) if limit else frame, form)
    except (PySparkException, Py4JJavaError) as error:  # some only when it meets a row, as a cast of what is no number
        of = name if where is None else f"--where {where}"
        raise UserError(f"{of}: {cause(error)}") from None


def alerts(with_closed: bool, exit_code: bool, form: str, given: Given) -> None:
    """Prints the alerts; with exit_code ends with 3 when one is open."""
    found = opened(given).read(ALERTS)
    is_open = F.col("state") == "open"
    shown = ["severity", "raised_on", "as_of", "rule", "subject_id", "message", "notify", "state"]
    listed = (found if with_closed else found.where(is_open)).orderBy("raised_on", "alert_id")
    console.rows(listed.select(*(ALERTS.column_names if form == "json" else shown)), form)
    if exit_code and not found.where(is_open).isEmpty():
        sys.exit(3)


def generate(scale: str, out: str | None, form: str, names: Sequence[str], given: Given) -> None:
    """Makes up a brand: files below the folder `out`, or without one the tables of the lake."""
    rules = given.configuration()
    asked, orders = made.tables(names), made.scale(scale)
    place = None if out is None else made.new_folder(out)
    with contextlib.ExitStack() as stack:
        lake = None if place else reached(stack.enter_context(only_writer(rules.lake, "memberlake generate")))
        world = World(session.start(), rules.made, orders, rules.business_timezone)
        written = made.into_lake(world, lake, asked) if lake else made.into_files(world, str(place), form, asked)
        try:
            steps = list(console.progress(written, "generate", made.steps(asked, to_files=lake is None)))
        except (PySparkException, Py4JJavaError) as error:
            console.tell(f"generate failed: {runner.message(error)}")
            sys.exit(2 if runner.is_full(error) else 1)
    rows = [(w.table, w.rows, round(w.seconds, 1), round(w.rows / w.seconds)) for w in steps]
    console.grid(rows, "table", "rows", "seconds", "rows a second")


def _require_lake(rules: Conf) -> None:
    """Stops before Spark starts when there is no lake, where that can be seen."""
    root = local_path(rules.lake.root)
    if root and not any((root / table.schema).is_dir() for table in ALL):
        raise UserError(f"there is no lake at {root}: fill one with `memberlake ingest --source NAME --lake {root}`")


def ingest(job: jobs.Job, name: str, as_json: bool, given: Given) -> None:
    """Takes the new files of a source, and ends with the summary."""
    declared = _declared(name)
    rules = given.configuration(declared.settings)
    _landing(declared.source, given, rules)  # a missing folder is refused before Spark starts
    with _writing(rules, given, declared.settings) as lake:
        outcome, taken = _take(job, lake, rules, declared, given)
    _close(taken, [outcome], lake, as_json)


def run(
    found: Sequence[jobs.Job],
    asked: Days,
    as_json: bool,
    given: Given,
    names: Sequence[str] = (),
    *,
    rebuild: bool = False,
    if_needed: bool = False,
) -> None:
    """Takes the new files of the sources named, then runs the jobs for each day, and ends with the summary.

    Args:
        rebuild: incremental jobs start from nothing on the first day.
        if_needed: jobs do only what is due, and what they lack is no failure.
    """
    declared = [_declared(name) for name in names]
    settings = declared[0].settings if declared else None
    rules = given.configuration(settings)
    dates = asked.listed(rules.business_timezone)
    for each in declared:
        _landing(each.source, given, rules)
    if not declared:
        _require_lake(rules)
    outcomes: list[Outcome] = []
    taken: list[Taken] = []
    stale: set[str] = set()
    with _writing(rules, given, settings) as lake:
        for each in declared:
            outcome, loads = _take(jobs.find("ingest"), lake, rules, each, given)
            outcomes.append(outcome)
            taken += loads
            fresh = {load.table for load in loads if not load.error} - {load.table for load in loads if load.error}
            stale |= {load.contract.full_name for load in each.source.loads.values() if load.table not in fresh}
            if outcome.has_stopped:
                break
        if not any(outcome.has_stopped for outcome in outcomes):
            lake.rebuild, lake.if_needed = rebuild, if_needed
            days = _run_days(lake, rules, found, dates, stale)
            outcomes += console.progress(days, "jobs", len(found) * max(len(dates), 1))
    _close(taken, outcomes, lake, as_json)


def _run_days(
    lake: Lake, rules: Conf, found: Sequence[jobs.Job], dates: Sequence[date], stale: set[str]
) -> Iterator[Outcome]:
    """Args: dates: without any, the last day of the lake's data."""
    try:
        days = dates or [runner.last_day(lake, rules.business_timezone)]
        for day in (days[0], days[-1]) if len(days) > 1 else ():  # else each day between would fail by itself
            check = AsOfCheck.of(lake, day, rules.business_timezone)
            check.require_data({table for job in found for table in job.reads})
    except UserError:
        if stale:  # the ingest that failed has more to say
            return
        raise
    for day in days:
        for outcome in runner.run_day(lake, rules, found, day, stale):
            yield outcome
            if outcome.has_stopped:
                return
        lake.rebuild = False


def report(as_of: str | None, folder: str | None, as_json: bool, given: Given) -> None:
    """Runs the job `report`, for the latest day that any job has run for unless another is given."""
    if folder is not None:
        given = given._replace(sets=(*given.sets, f"report.folder={json.dumps(conf.absolute(folder))}"))
    day = str(runner.last_run_day(opened(given))) if as_of is None else as_of
    run([jobs.find("report")], Days(day, None, None), as_json, given)


@contextlib.contextmanager
def _writing(rules: Conf, given: Given, settings: Layer | None) -> Iterator[Lake]:
    """The lake of a command that writes: no other does meanwhile."""
    with only_writer(rules.lake, click.get_current_context().command_path) as lake:
        if given.configuration(settings) != rules:  # the command that was waited for has made the lake, and lake.yaml
            raise UserError(f"the settings of {rules.lake.root} changed while this command waited: run it again")
        yield reached(lake)


def _take(job: jobs.Job, lake: Lake, rules: Conf, declared: Declared, given: Given) -> tuple[Outcome, list[Taken]]:
    name, source, settings = declared
    taken: list[Taken] = []
    with runner.recorded(lake, rules, "ingest", None) as outcome:
        conf.remember(settings, rules.lake)
        if local_path(rules.lake.root) is None:  # without a lock, so jobs may run side by side; ingest is their first
            lake.open_books()
        landing = _landing(source, given, rules)
        if (folder := local_path(landing)) and (given.landing is not None or source.landing is None):
            _warn_of_files_left(folder, name, source)  # a source's own folder is known to hold more than its loads take
        now = datetime.now(timezone.utc)
        takes = Ingest(lake, rules, source, Path(name).stem, landing, now)
        taken.extend(console.progress(job.run(takes), f"ingest {name}", len(source.loads)))
        outcome.rows_read = sum(load.read for load in taken)
        errors = [load.error for load in taken if load.error]
        outcome.error, outcome.is_users = "; ".join(errors) or None, bool(errors)
    return outcome, taken


def _landing(source: Source, given: Given, rules: Conf) -> str:
    """Where the files are: --landing, else the source's own place, else the configuration's.

    Raises:
        UserError: nowhere, or a folder that can't be read or has no file.
    """
    own = source.landing.path() if source.landing and not isinstance(source.landing, str) else source.landing
    if isinstance(own, str) and (conf.project_home() / own).is_dir():  # shipped with the project
        own = conf.project_home() / own
    place = conf.absolute(given.landing or (str(own) if own else None) or rules.landing)
    if place is None:
        raise UserError("say where the files are: --landing DIR, or `landing` in the configuration")
    folder = local_path(place)
    if folder is None:
        return place
    if not folder.is_dir():
        raise UserError(f"there is no landing folder {folder}")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UserError(f"the landing folder {folder} cannot be read: its permissions forbid it")
    if not any(files for _, _, files in os.walk(folder)):
        raise UserError(f"the landing folder {folder} is empty: put files into {folder}/<table>/")
    return place


def _warn_of_files_left(folder: Path, name: str, source: Source) -> None:
    """Warns of files that no load takes: folders and names that are written wrong were passed over in silence."""
    loads = [load.folder_and_pattern for load in source.loads.values()]
    loads += [(file.rpartition("/")[0], file.rpartition("/")[2]) for file in source.lookups.values()]
    loads = [(place, re.sub("{.*?}", "*", pattern)) for place, pattern in loads]  # {a,b}: near enough
    left = []
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if path.suffix == ".crc" or any(part[0] in "._" for part in inside.parts) or not path.is_file():
            continue
        if not any(inside.is_relative_to(place) and fnmatch(path.name, pattern) for place, pattern in loads):
            left.append(str(inside))
    if left:
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        log.warning("%s: no load of %s takes %s%s", folder, name, ", ".join(sorted(left)[:3]), more)


def _close(taken: Sequence[Taken], outcomes: Sequence[Outcome], lake: Lake, as_json: bool) -> None:
    """The summary on stdout, the errors on stderr, and the exit code."""
    place = str(lake.conf.root or lake.conf.catalog)
    console.summary(taken, outcomes, place, as_json=as_json)
    failed = [o for o in outcomes if o.state != "done"]
    for o in failed:
        day = f" as of {o.as_of}" if o.as_of else ""
        console.tell(f"{o.job}{day} {o.state}: {o.error}")
    if failed:
        sys.exit(2 if all(o.is_users or o.state == "skipped" for o in failed) else 1)


def _declared(name: str) -> Declared:
    source = sources.find(name)
    return Declared(name, source, Layer(f"source {name}", source.settings))


def table(name: str) -> Table:
    """The table of that name, or a UserError that names the one that was meant, or all."""
    if name not in BY_NAME:
        bare = [full for full in BY_NAME if full.partition(".")[2] == name]
        close = bare or difflib.get_close_matches(name, BY_NAME, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(BY_NAME)}"
        raise UserError(f"there is no table {name}; {hint}")
    return BY_NAME[name]


def _date(text: str, option: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option} {text} is no date: write it as 2026-11-20") from None
    if not 1970 <= day.year < 3000:  # near the ends of the calendar there is no day before, or after
        raise UserError(f"{option} {text} is no day of a lake: it allows the years 1970 to 2999")
    return day
