"""Coupons: a day of 100 thousand events against a history that grows, and what the day would cost otherwise.

Scales are vouchers, 200 thousand a month: the history grows in length, and the day is always the last. Each side starts
from a copy of the lake as the night before has left it. Beyond 20 million vouchers the history is not folded, which
takes hours: it is that of 20 million, with the months that the day does not touch there several times.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cases.run import Case, Run, Told, answer
from memberlake import jobs
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.tables.gold.coupons import (
    COUPON_CHANNELS,
    COUPON_COHORTS,
    COUPON_DAYS,
    COUPON_FUNNEL,
    COUPON_LIABILITY,
    COUPON_RUNS,
    VOUCHERS,
)
from memberlake.tables.ops import WATERMARKS
from memberlake.tables.silver import CAMPAIGNS, COUPON_CAMPAIGNS, COUPON_EVENTS, COUPONS

BEFORE, DAY = date(2025, 11, 30), date(2025, 12, 1)
A_MONTH, OF_THE_DAY = 200_000, 100_000
TOUCHED = "updated_at >= TIMESTAMP '2025-12-01' OR valid_to = TIMESTAMP '2025-12-01'"  # vouchers of the day
UTC = ("business_timezone=UTC",)
LAKE = "coupons_lake"
FOLDED = 20_000_000  # vouchers of the longest history that the job itself makes
OLD = "201001", "202507"  # months without a voucher that the day touches
COPIED = (
    *(COUPONS, COUPON_CAMPAIGNS, COUPON_EVENTS, VOUCHERS),
    *(COUPON_DAYS, COUPON_RUNS, COUPON_FUNNEL, COUPON_CHANNELS, COUPON_COHORTS, COUPON_LIABILITY),
)


def coupons_history(run: Run) -> None:
    """Vouchers issued evenly over their months, half of them claimed, a tenth redeemed; and the job's first run, which
    is what is measured."""
    run.fresh(LAKE)
    if run.orders > FOLDED:
        run.timed(lambda: _lengthen(run))
        return
    lake = run.lake(LAKE)
    months = max(run.orders // A_MONTH, 1)
    _offer(lake, lake.spark.range(months))
    issued = f"{_month(f'{months - 1} - id DIV {A_MONTH}')} AS month"  # events come in the order of time
    vouchers = lake.spark.range(run.orders).selectExpr("id AS v", issued, "id % 28 AS day", "true AS is_issued")
    lake.append(COUPON_EVENTS, _events(vouchers, ("issued", "claimed", "redeemed")))
    run.timed(lambda: jobs.find("coupons").run(lake, run.rules(LAKE, UTC), BEFORE))
    run.told["rows"] = lake.read(VOUCHERS).count()


def _lengthen(run: Run) -> None:
    """The history of FOLDED, which is there already, and its old months again under other ids."""
    folded = run.folder.parent / str(FOLDED) / LAKE
    if not folded.exists():
        raise RuntimeError(f"the history of {FOLDED:,} vouchers comes first: --orders {FOLDED} --orders {run.orders}")
    shutil.copytree(folded, run.folder / LAKE, copy_function=_link)
    lake = run.lake(LAKE)
    for table in COPIED:
        rows = lake.read(table)
        named = F.col("coupon_run_id" if table is COUPON_LIABILITY else "coupon_id")
        old = rows.where(F.substring(named, 2, 6).between(*OLD))
        for n in range(1, run.orders // FOLDED):
            ids = [c for c in ("event_id", "coupon_id", "voucher_id", "coupon_run_id") if c in rows.columns]
            renamed = {c: F.concat(F.lit(f"{n}"), c) for c in ids}
            if table is VOUCHERS:
                renamed["holder"] = F.replace("holder", F.lit(":"), F.lit(f":{n}"))
            lake.append(table, old.withColumns(renamed))
    held = lake.read(WATERMARKS).collect()
    versions = {table.full_name: lake.version(table) for table in COPIED}
    seen = [row.asDict() | {"version": versions.get(row.table, row.version)} for row in held]
    for row in seen:
        lake.put(WATERMARKS, lake.row(WATERMARKS, row))


def coupons_memberlake(run: Run) -> None:
    """The day, folded: events, what falls due, campaigns, runs, funnel, liability."""
    _day(run, rebuild=False)


def coupons_rebuild(run: Run) -> None:
    """The same from all events."""
    _day(run, rebuild=True)


def coupons_merge(run: Run) -> None:
    """The table of vouchers alone: the day's rows, already folded, by a plain MERGE on the voucher's id."""
    folded = run.lake(coupons_memberlake.__name__).read(VOUCHERS).where(TOUCHED).localCheckpoint()
    lake = _copy(run, coupons_merge.__name__)
    run.timed(lambda: lake.put(VOUCHERS, folded))
    run.told["rows"] = lake.written[VOUCHERS.full_name]
    run.told["answer"] = answer(lake.read(VOUCHERS).drop("history"))


def _day(run: Run, *, rebuild: bool) -> None:
    name = coupons_rebuild.__name__ if rebuild else coupons_memberlake.__name__
    lake = _copy(run, name, rebuild=rebuild)
    files = {*lake.read(VOUCHERS).inputFiles()}
    run.told["vouchers"] = lake.read(VOUCHERS).count()
    run.timed(lambda: jobs.find("coupons").run(lake, run.rules(name, UTC), DAY))
    left = files & {*lake.read(VOUCHERS).inputFiles()}
    run.told |= {"files": len(files), "files replaced": len(files) - len(left)}
    run.told["rows"] = lake.written[VOUCHERS.full_name]
    run.told["answer"] = answer(lake.read(VOUCHERS).drop("history"))


def _copy(run: Run, name: str, *, rebuild: bool = False) -> Lake:
    """A lake as the night before has left it, and the events of the day: older vouchers of the last month are redeemed,
    and those of a new campaign are issued."""
    shutil.copytree(run.folder / LAKE, Path(run.fresh(name)), copy_function=_link)
    lake = Lake(run.spark, run.rules(name).lake, rebuild=rebuild)
    _offer(lake, lake.spark.range(-1, 0))
    folded = min(run.orders, FOLDED)
    of_day = lake.spark.range(OF_THE_DAY).selectExpr(
        f"IF(id % 2 = 0, {folded - A_MONTH} + id + 1, {folded} + id) AS v",
        "IF(id % 2 = 0, DATE '2025-11-01', DATE '2025-12-01') AS month",
        "IF(id % 2 = 0, 30, 0) AS day",
        "id % 2 = 1 AS is_issued",
    )
    lake.append(COUPON_EVENTS, _events(of_day, ("issued", "redeemed")))
    return lake


def _link(source: str, target: str) -> None:
    """Parquet files are never changed: only the rest is copied."""
    (os.link if source.endswith(".parquet") else shutil.copy)(source, target)


def _month(back: str) -> str:
    return f"add_months(DATE '2025-11-01', -CAST({back} AS INT))"


def _offer(lake: Lake, months: DataFrame) -> None:
    """A campaign and ten coupons for each of the months, counted back; each coupon ends a day later."""
    month, name = f"{_month('id')} AS month", "date_format(month, 'yyyyMM')"
    campaigns = months.selectExpr(month).selectExpr(
        f"concat('P', {name}) AS campaign_id", "month AS starts_on", "last_day(month) AS ends_on"
    )
    coupons = months.selectExpr(month, "explode(sequence(0, 9)) AS n").selectExpr(
        f"concat('K', {name}, '-', n) AS coupon_id",
        f"concat('P', {name}) AS campaign_id",
        "CAST(month AS TIMESTAMP) AS valid_from_version",
        "CAST(date_add(add_months(month, 2), n) AS TIMESTAMP) AS valid_to",
        "10 AS face_value",
    )
    lake.append(CAMPAIGNS, _filled(CAMPAIGNS, campaigns))
    lake.append(COUPONS, _filled(COUPONS, coupons.withColumn("campaign_id", F.lit(None))))
    lake.append(COUPON_CAMPAIGNS, _filled(COUPON_CAMPAIGNS, coupons))


def _events(vouchers: DataFrame, kinds: Sequence[str]) -> DataFrame:
    """Events of vouchers by number `v`, first day and whether they are issued now. One in five names no campaign."""
    rows = vouchers.selectExpr("*", f"explode(array({', '.join(map(repr, kinds))})) AS event_type").where(
        "CASE event_type WHEN 'issued' THEN is_issued WHEN 'claimed' THEN v % 2 = 0"
        " ELSE v % 10 = 0 AND is_issued OR NOT is_issued END"
    )
    day = "CAST(date_add(month, CAST(day AS INT)) AS TIMESTAMP)"
    return _filled(
        COUPON_EVENTS,
        rows.selectExpr(
            "concat('E', v, event_type) AS event_id",
            "concat('K', date_format(month, 'yyyyMM'), '-', v % 10) AS coupon_id",
            "concat('V', lpad(v, 10, '0')) AS voucher_id",
            "concat('M', v % 1000003) AS member_id",
            "event_type",
            f"{day} + INTERVAL 1 HOUR AS occurred_at",
            "IF(v % 5 = 0, NULL, concat('P', date_format(month, 'yyyyMM'))) AS campaign_id",
            "IF(event_type = 'redeemed', 10, NULL) AS amount",
            f"{day} + INTERVAL 2 HOUR AS received_at",
        ),
    )


def _filled(table: Table, rows: DataFrame) -> DataFrame:
    def value(name: str) -> Column:
        return F.col(name) if name in rows.columns else F.lit(None)

    return rows.select(*[value(c.name).cast(c.type).alias(c.name) for c in table.columns])


def _notes(ours: Mapping[int, Told]) -> Sequence[str]:
    if len(ours) == 1:
        return []
    first, last = (ours[n]["read"] for n in (min(ours), max(ours)))
    notes = [f"Bytes read grow {last / first:.2f} times."]
    if max(ours) > FOLDED:
        notes.append(f"Beyond {FOLDED:,} the old months are there several times under other ids, and were not folded.")
    return notes


CASES = {
    "coupons": Case(
        "A day of coupon events",
        "100 thousand events against a history of vouchers (the scale) that grows in length: from 2 to 20 (100) "
        "million the day's time grows by at most 1.3 times, and bytes read likewise",
        data=(coupons_history,),  # all from nothing: what a rebuild costs
        sides=(coupons_memberlake, coupons_merge),
        same=(coupons_merge,),
        notes=_notes,
        also=("vouchers", "files", "files replaced"),
        is_long=True,
        scales=(2e6, FOLDED, 1e8),
    ),
    "coupons_rebuild": Case(
        "A day of coupon events, and all from nothing",
        "the same answer",
        data=(coupons_history,),
        sides=(coupons_memberlake, coupons_rebuild),
        same=(coupons_rebuild,),
        is_long=True,
        scales=(2e6,),  # of 20 million it takes a third of an hour
    ),
}
