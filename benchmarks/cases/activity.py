"""Cases on made events of a year: all windows of all dates, the job from nothing, the next day, and late events.

A scale's number is that of events here; there is a subject for 25 of them. Six visitors of ten are members on every
event, one is named on half of its events, three stay strangers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

import deltalake
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cases.run import Case, Run, Told, answer, sink
from memberlake import jobs
from memberlake.activity import counts
from memberlake.tables.gold.activity import ACTIVE_COUNTS, ACTIVITY_DAYS
from memberlake.tables.silver import EVENTS

FIRST, LAST, LAKE = date(2025, 1, 1), date(2025, 12, 31), "activity_lake"
DAYS = (LAST - FIRST).days + 1
WINDOWS = (7, 28, 30)
COUNTED = ("window", "period_end", "active")
LIFECYCLE = ("window", "period_end", *counts.LIFECYCLE)


def generate_events(run: Run) -> None:
    """A year of events, in the order of time, straight into a lake."""
    run.fresh(LAKE)
    lake = run.lake(LAKE)
    run.timed(lambda: lake.append(EVENTS, _events(run, 0, run.orders, FIRST, DAYS)))
    run.told["rows"] = lake.read(EVENTS).count()


def activity_job(run: Run) -> None:
    """The job from nothing: identity, active days, counts with lifecycle by all, kind and channel, retention; and then
    one day more, and one day with one event in a hundred of it late by up to 30 days."""
    lake, rules = run.lake(LAKE), run.rules(LAKE)
    job = jobs.find("activity")
    run.timed(lambda: job.run(lake, rules, LAST))
    run.told["rows"] = lake.read(ACTIVITY_DAYS).count()
    of_all = lake.read(ACTIVE_COUNTS).where(_is_asked())
    run.told |= {"answer": answer(of_all.select(*COUNTED)), "answer_lifecycle": answer(of_all.select(*LIFECYCLE))}
    daily = run.orders // DAYS
    day = LAST + timedelta(days=1)
    lake.append(EVENTS, _events(run, run.orders, daily, day, 1))
    run.told["next_day"] = _seconds(lambda: job.run(lake, rules, day))
    day += timedelta(days=1)
    lake.append(EVENTS, _events(run, run.orders + daily, daily - daily // 100, day, 1))
    lake.append(EVENTS, _events(run, run.orders + 2 * daily, daily // 100, day - timedelta(days=30), 30))
    run.told["late_day"] = _seconds(lambda: job.run(lake, rules, day))


def activity_duckdb(run: Run) -> None:
    """The windows of all dates and subjects in DuckDB, from the same Parquet files: no dimensions, no other tables.

    Of the events that the job began with: what came on its later days is in the files, too.
    """
    files = sorted(str(path) for path in (run.folder / LAKE / "silver" / "events").glob("*.parquet"))
    limit = f"TIMESTAMP '{LAST}' + INTERVAL 1 DAY - INTERVAL 8 HOUR"
    days = f"""
        seen AS (SELECT * REPLACE (occurred_at::TIMESTAMP AS occurred_at) FROM read_parquet({files})
                 WHERE occurred_at::TIMESTAMP < {limit} AND event_id::BIGINT < {run.orders}),
        named AS (SELECT visitor_id, min(member_id) AS member FROM seen WHERE member_id IS NOT NULL GROUP BY ALL),
        days AS (SELECT DISTINCT coalesce(s.member_id, n.member, s.visitor_id) AS subject,
                        (s.occurred_at + INTERVAL 8 HOUR)::DATE AS day
                 FROM seen s LEFT JOIN named n USING (visitor_id))"""
    _count_in_duckdb(run, days)


def windows_duckdb(run: Run) -> None:
    """The same windows and lifecycle in DuckDB, from the Parquet files of gold.activity_days."""
    files = deltalake.DeltaTable(str(run.folder / LAKE / "gold" / "activity_days")).file_uris()
    days = f"""
        days AS (SELECT subject_id AS subject, active_on AS day
                 FROM read_parquet({sorted(files)}, hive_partitioning = true, hive_types = {{'active_on': DATE}})
                 WHERE active_on <= DATE '{LAST}' AND NOT is_robot)"""
    _count_in_duckdb(run, days)


def _count_in_duckdb(run: Run, days: str) -> None:
    """As the project counts: days linked with those before and after, and those that agree counted together.

    Args:
        days: SQL that names `days`, of a subject and a day.
    """
    database, target = run.duckdb(), run.fresh("duckdb_activity") / "counts.parquet"
    target.parent.mkdir()
    database.execute("""
        CREATE MACRO start_of(grain, day) AS date_trunc(grain, day)::DATE;
        CREATE MACRO next_of(grain, day) AS (day + CASE grain WHEN 'day' THEN INTERVAL 1 DAY
            WHEN 'week' THEN INTERVAL 7 DAY ELSE INTERVAL 1 MONTH END)::DATE""")

    def count() -> None:
        database.execute(f"""COPY (
            WITH {days},
            linked AS (SELECT day, lag(day) OVER w AS before, lead(day) OVER w IS NULL AS is_last,
                              first_value(day) OVER w AS first_on
                       FROM days WINDOW w AS (PARTITION BY subject ORDER BY day)),
            alike AS (SELECT day, before, is_last, start_of('week', first_on) = start_of('week', day) AS new_week,
                             start_of('month', first_on) = start_of('month', day) AS new_month, count(*) AS n
                      FROM linked GROUP BY ALL),
            rolling AS (SELECT unnest({list(WINDOWS)})::INTEGER AS w),
            opened AS (SELECT w, greatest(day, before + w) AS due, n FROM alike, rolling
                       UNION ALL SELECT w, day + w, -n FROM alike, rolling
                       UNION ALL SELECT w, unnest(range(DATE '{FIRST}', DATE '{LAST}' + 1, INTERVAL 1 DAY))::DATE, 0
                                 FROM rolling),
            daily AS (SELECT w, due, sum(n) AS n FROM opened WHERE due <= DATE '{LAST}' GROUP BY ALL),
            grains AS (SELECT unnest(['day', 'week', 'month']) AS grain),
            periods AS (SELECT grain, n, is_last, start_of(grain, day) AS here, start_of(grain, before) AS earlier,
                               CASE grain WHEN 'day' THEN before IS NULL WHEN 'week' THEN new_week
                               ELSE new_month END AS is_new FROM alike, grains),
            entries AS (SELECT grain, here AS due, n AS active, if(is_new, n, 0) AS new,
                               if(NOT is_new AND next_of(grain, earlier) = here, n, 0) AS retained,
                               if(NOT is_new AND next_of(grain, earlier) < here, n, 0) AS resurrected, 0 AS dormant
                        FROM periods WHERE earlier IS NULL OR earlier < here
                        UNION ALL SELECT grain, next_of(grain, earlier), 0, 0, 0, 0, n
                                  FROM periods WHERE next_of(grain, earlier) < here
                        UNION ALL SELECT grain, next_of(grain, here), 0, 0, 0, 0, n FROM periods WHERE is_last)
            SELECT 'rolling_' || w AS "window", due AS period_end,
                   (sum(n) OVER (PARTITION BY w ORDER BY due))::BIGINT AS active,
                   NULL::BIGINT AS new, NULL::BIGINT AS retained, NULL::BIGINT AS resurrected, NULL::BIGINT AS dormant
            FROM daily
            UNION ALL
            SELECT grain, (next_of(grain, due) - INTERVAL 1 DAY)::DATE, sum(active)::BIGINT, sum(new)::BIGINT,
                   sum(retained)::BIGINT, sum(resurrected)::BIGINT, sum(dormant)::BIGINT
            FROM entries WHERE due <= DATE '{LAST}' GROUP BY ALL
        ) TO '{target}' (FORMAT parquet)""")

    run.timed(count)
    run.told["again s"] = _seconds(count)
    _tell(run, run.spark.read.parquet(str(target)))


def windows_memberlake(run: Run) -> None:
    """From gold.activity_days: all windows, with the lifecycle, of all subjects."""

    def counted() -> DataFrame:
        return counts.per_window(counts.changes(_days(run), WINDOWS, ["all"]).persist(), WINDOWS, LAST)

    run.timed(lambda: sink(counted()))
    run.spark.catalog.clearCache()
    run.told["again s"] = _seconds(lambda: sink(counted()))
    _tell(run, counted())


def windows_explode(run: Run) -> None:
    """The usual way: each active day once for every window that holds it, the subjects of a window once each."""

    def counted() -> DataFrame:
        day = F.col("active_on")
        spans = [F.array(F.struct(F.lit(g).alias("window"), end.alias("period_end"))) for g, end in _calendar().items()]
        spans += [_holding(day, w) for w in WINDOWS]
        alike = [span.cast("array<struct<window: string, period_end: date>>") for span in spans]
        exploded = _days(run).select("subject_id", F.explode(F.concat(*alike)).alias("of")).select("subject_id", "of.*")
        once = exploded.groupBy("window", "period_end", "subject_id").agg(F.lit(1))
        return _until(once.groupBy("window", "period_end").agg(F.count(F.lit(1)).alias("active")))

    run.timed(lambda: sink(counted()))
    _tell(run, counted())


def windows_distinct(run: Run) -> None:
    """A COUNT DISTINCT a window: the days joined with the dates whose window holds them."""

    def counted() -> DataFrame:
        days = _days(run)
        distinct = F.count_distinct("subject_id").alias("active")
        found = [
            days.groupBy(end.alias("period_end")).agg(distinct).withColumn("window", F.lit(g))
            for g, end in _calendar().items()
        ]
        dates = run.spark.range(DAYS).select(F.date_add(F.lit(FIRST), F.col("id").cast("int")).alias("period_end"))
        for w in WINDOWS:
            holds = F.col("active_on").between(F.date_add("period_end", 1 - w), F.col("period_end"))
            joined = days.join(F.broadcast(dates), on=holds, how="inner")
            found.append(joined.groupBy("period_end").agg(distinct).withColumn("window", F.lit(f"rolling_{w}")))
        rows = found[0]
        for other in found[1:]:
            rows = rows.unionByName(other)
        return _until(rows)

    run.timed(lambda: sink(counted()))
    _tell(run, counted())


def _events(run: Run, first_id: int, count: int, first_on: date, days: int) -> DataFrame:
    """`count` events spread evenly over the days; half of the visitors come rarely, a tenth nearly every day."""
    subjects = max(run.orders // 25, 10)
    draw = F.pmod(F.xxhash64("id", F.lit(1)), F.lit(1_000_000)) / 1_000_000
    visitor = F.floor(draw * draw * subjects)
    share = (F.col("id") - first_id) / count
    at = F.lit(str(first_on)).cast("timestamp") + F.make_dt_interval(secs=F.round(share * days * 86_400))
    kind = F.pmod(visitor, F.lit(10))
    named = (kind < 6) | ((kind == 6) & (F.pmod(F.xxhash64("id", F.lit(2)), F.lit(2)) == 0))
    said = {
        "event_id": F.col("id").cast("string"),
        "visitor_id": F.concat(F.lit("v"), visitor),
        "member_id": F.when(named, F.concat(F.lit("m"), visitor)),
        "session_id": None,
        "event_type": F.lit("page_view"),
        "occurred_at": at - F.expr("INTERVAL 8 HOURS"),
        "channel": F.when(F.pmod(F.xxhash64("id", F.lit(3)), F.lit(3)) == 0, "app").otherwise("web"),
        "object_id": None,
        "received_at": at,
    }
    rows = run.spark.range(first_id, first_id + count)
    return rows.select(*[F.lit(said[c.name]).cast(c.type).alias(c.name) for c in EVENTS.columns])


def _days(run: Run) -> DataFrame:
    """The year's, as the job wrote them."""
    return run.lake(LAKE).read(ACTIVITY_DAYS).where(F.col("active_on") <= F.lit(LAST))


def _calendar() -> dict[str, Column]:
    day = F.col("active_on")
    return {"day": day, "week": F.date_add(F.trunc(day, "week"), 6), "month": F.last_day(day)}


def _holding(day: Column, width: int) -> Column:
    """The rolling windows of a width that hold a day."""
    named = F.lit(f"rolling_{width}").alias("window")
    return F.transform(
        F.sequence(day, F.date_add(day, width - 1)), lambda end: F.struct(named, end.alias("period_end"))
    )


def _until(rows: DataFrame) -> DataFrame:
    """Rolling windows that end in the year; weeks and months that begin in it."""
    return rows.where((F.col("period_end") <= F.lit(LAST)) | ~F.col("window").startswith("rolling"))


def _is_asked() -> Column:
    return F.col("dimension") == "all"


def _tell(run: Run, rows: DataFrame) -> None:
    run.told["rows"] = rows.count()
    run.told["answer"] = answer(rows.select(*COUNTED))
    if {*LIFECYCLE} <= {*rows.columns}:
        run.told["answer_lifecycle"] = answer(rows.select(*LIFECYCLE))


def _seconds(work: Callable[[], None]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _days_more(ours: Mapping[int, Told]) -> Sequence[str]:
    def line(events: int, told: Told) -> str:
        parts = [(told["next_day"], "one more day"), (told["late_day"], "one with 1 % late events over 30 days")]
        said = ", ".join(f"{what}: {s:.1f} s, {s / told['seconds']:.0%} of the full run" for s, what in parts)
        return f"{events:,} events: {said}."

    return [line(events, told) for events, told in ours.items()]


CASES = {
    "activity": Case(
        "Activity: the job from a year's events (scale: events)",
        "within 3x of DuckDB; one more day at most 5 % of it",
        data=[generate_events],
        sides=[activity_job, activity_duckdb],
        same=[activity_duckdb],
        notes=_days_more,
        scales=(2e6, 1e7),
        is_long=True,
    ),
    "activity_windows": Case(
        "Activity: all windows of all dates from the active days (scale: events)",
        "at least 5x the exploding version, within 3x of DuckDB",
        data=[generate_events, activity_job],
        sides=[windows_memberlake, windows_duckdb, windows_explode, windows_distinct],
        same=[windows_duckdb, windows_explode, windows_distinct],
        also=["again s"],
        scales=(2e6, 5e7),
        patience=240,  # exploding makes 65 rows of each day
        is_long=True,
    ),
}
