"""The night after one new day, against counting everything from nothing: every job, in the nightly order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cases.run import AS_OF, Case, Run, Told, answer
from memberlake import calendar, jobs, runner
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.made import write
from memberlake.tables.gold.kpi import KPI
from memberlake.tables.silver import CAMPAIGN_COSTS, EVENTS, ORDERS

MADE = write.tables(())
NEXT = AS_OF + timedelta(days=1)
EVER = date(1970, 1, 1)
ONE_VISIT_OF = 3  # is taken: so there are 2.5 events an order


def nightly_made(run: Run) -> None:
    """Every table of a made brand."""
    run.make_lake(MADE, "nightly_made")


def nightly_new_day(run: Run) -> None:
    """The jobs of a lake that had everything but the last day, and all of whose jobs had run the night before."""
    lake = _filled(run, "nightly_new_day", EVER, AS_OF)
    run.told["first"] = sum(_run(run, lake, AS_OF).values())
    before = lake.written.copy()
    _take(run, lake, NEXT, NEXT)
    run.told["new"] = {t.name: (lake.written - before)[t.full_name] for t in (ORDERS, EVENTS)}
    if not all(run.told["new"].values()):
        raise RuntimeError(f"{NEXT} is no day of the made calendar: the night would have nothing new")
    run.told["jobs"] = run.timed(lambda: _run(run, lake, NEXT))
    _tell(run, lake)


def nightly_full(run: Run) -> None:
    """The jobs of a lake with the same rows that none has ever run on."""
    lake = _filled(run, "nightly_full", EVER, NEXT)
    run.told["jobs"] = run.timed(lambda: _run(run, lake, NEXT))
    _tell(run, lake)


def _filled(run: Run, name: str, first: date, last: date) -> Lake:
    run.fresh(name)
    lake = run.lake(name)
    lake.if_needed = True  # as nightly does
    _take(run, lake, first, last)
    return lake


def _take(run: Run, lake: Lake, first: date, last: date) -> None:
    """Takes the rows of the days into the lake; tables without days come with the first."""
    zone = run.rules().business_timezone
    for table in MADE:
        rows = run.lake("nightly_made").read(table)
        if table is EVENTS:
            rows = rows.where(F.pmod(F.xxhash64("session_id"), F.lit(ONE_VISIT_OF)) == 0)
        day = _day(table, zone)
        if day is None and first > EVER:
            continue
        lake.append(table, rows if day is None else rows.where(day.between(first, last)))


def _day(table: Table, zone: str) -> Column | None:
    if table is CAMPAIGN_COSTS:
        return F.col("cost_date")
    return calendar.business_date(F.col(table.happened_at), zone) if table.happened_at else None


def _run(run: Run, lake: Lake, as_of: date) -> Mapping[str, float]:
    every = [job for job in jobs.every() if job.is_dated]
    rules = run.rules().model_copy(update={"lake": lake.conf})
    outcomes = list(runner.run_day(lake, rules, every, as_of))
    if failed := [o for o in outcomes if o.state != "done"]:
        raise RuntimeError("; ".join(f"{o.job} {o.state}: {o.error}" for o in failed))
    return {o.job: o.seconds for o in outcomes}


def _tell(run: Run, lake: Lake) -> None:
    found: DataFrame = lake.read(KPI).withColumn("value", F.round("value", 6))
    run.told["rows"] = found.count()
    run.told["answer"] = answer(found.select(*KPI.key, "value", "is_complete"))


def _spent(ours: Mapping[int, Told]) -> Sequence[str]:
    return [
        f"{orders:,} orders, seconds a job after the new day with {told['new']['orders']:,} orders and "
        f"{told['new']['events']:,} events: "
        + ", ".join(f"{job} {seconds:.1f}" for job, seconds in told["jobs"].items())
        + f". The night before, which had nothing yet, took {told['first']:.1f} seconds."
        for orders, told in ours.items()
        if "new" in told
    ]


CASES = {
    "nightly": Case(
        "The night after one new day",
        "at most 10 % of the full computation",
        data=[nightly_made],
        sides=[nightly_new_day, nightly_full],
        same=[nightly_full],
        notes=_spent,
        scales=(2e5, 2e6),
        is_long=True,  # three whole nights a scale
    ),
}
