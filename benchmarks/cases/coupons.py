"""Coupons: a day of 100 thousand events against a history that grows, and what the day would cost otherwise.

The history grows in length: 200 thousand vouchers a month, and the day is always the last. Scales are vouchers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cases.run import Case, Run, Told, answer
from memberlake import jobs
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.tables.gold.coupons import VOUCHERS
from memberlake.tables.silver import CAMPAIGNS, COUPON_CAMPAIGNS, COUPON_EVENTS, COUPONS

BEFORE, DAY = date(2025, 11, 30), date(2025, 12, 1)
A_MONTH, OF_THE_DAY = 200_000, 100_000
UTC = ("business_timezone=UTC",)


def coupons_history(run: Run) -> None:
    """Vouchers issued evenly over their months, half of them claimed, a tenth redeemed; and the job's first run."""
    run.fresh("coupons")
    lake = run.lake("coupons")
    months = lake.spark.range(max(run.orders // A_MONTH, 1)).selectExpr("id", f"{_month('id')} AS month")
    name = "date_format(month, 'yyyyMM')"
    campaigns = months.selectExpr(
        f"concat('P', {name}) AS campaign_id", "month AS starts_on", "last_day(month) AS ends_on"
    )
    coupons = months.selectExpr("*", "explode(sequence(0, 9)) AS n").selectExpr(
        f"concat('K', {name}, '-', n) AS coupon_id",
        f"concat('P', {name}) AS campaign_id",
        "CAST(month AS TIMESTAMP) AS valid_from_version",
        "CAST(add_months(month, 2) AS TIMESTAMP) AS valid_to",
        "10 AS face_value",
    )
    vouchers = lake.spark.range(run.orders).selectExpr(
        "id AS v", f"{_month(f'id DIV {A_MONTH}')} AS month", "id % 28 AS day", "true AS is_issued"
    )
    for table, rows in ((CAMPAIGNS, campaigns), (COUPONS, coupons), (COUPON_CAMPAIGNS, coupons)):
        lake.append(table, _filled(table, rows))
    lake.append(COUPON_EVENTS, _events(vouchers, ("issued", "claimed", "redeemed")))
    run.timed(lambda: jobs.find("coupons").run(lake, run.rules("coupons", UTC), BEFORE))
    run.told["rows"] = lake.read(VOUCHERS).count()
    # the day: new vouchers of the last month, and claims of some of its older ones
    of_day = lake.spark.range(OF_THE_DAY).selectExpr(
        "IF(id % 2 = 0, id DIV 2, id + 1000000000) AS v",
        "DATE '2025-11-01' AS month",
        "30 AS day",
        "id % 2 = 1 AS is_issued",
    )
    lake.append(COUPON_EVENTS, _events(of_day, ("issued", "redeemed")))


def coupons_memberlake(run: Run) -> None:
    """The day, folded: events, campaigns, runs, funnel, liability."""
    _day(run, rebuild=False)


def coupons_rebuild(run: Run) -> None:
    """The same from all events."""
    _day(run, rebuild=True)


def coupons_merge(run: Run) -> None:
    """The table of vouchers alone: the day's rows, already folded, by a plain MERGE that looks at every file."""
    lake = run.lake("coupons")
    touched = lake.read(VOUCHERS).where("updated_at >= TIMESTAMP '2025-12-01'").localCheckpoint()
    copy = Lake(lake.spark, run.rules("coupons_merged").lake)
    run.fresh("coupons_merged")
    copy.append(VOUCHERS, lake.read(VOUCHERS))
    run.timed(lambda: copy.put(VOUCHERS, touched))
    run.told["rows"] = touched.count()


def _day(run: Run, rebuild: bool) -> None:
    lake = Lake(run.spark, run.rules("coupons", UTC).lake, rebuild=rebuild)
    files = {row.path for row in lake.read(VOUCHERS).select(F.input_file_name().alias("path")).distinct().collect()}
    run.timed(lambda: jobs.find("coupons").run(lake, run.rules("coupons", UTC), DAY))
    now = {row.path for row in lake.read(VOUCHERS).select(F.input_file_name().alias("path")).distinct().collect()}
    run.told |= {"files": len(files), "files_replaced": len(files - now), "rows": lake.written["gold.vouchers"]}
    run.told["answer"] = answer(lake.read(VOUCHERS).drop("history"))


def _month(n: str) -> str:
    return f"add_months(DATE '2025-11-01', -CAST({n} AS INT))"


def _events(vouchers: DataFrame, kinds: Sequence[str]) -> DataFrame:
    """Events of vouchers by number `v`, first day and whether they are issued now."""
    rows = vouchers.selectExpr("*", f"explode(array({', '.join(map(repr, kinds))})) AS event_type").where(
        "CASE event_type WHEN 'issued' THEN is_issued WHEN 'claimed' THEN v % 2 = 0"
        " ELSE v % 10 = 0 OR NOT is_issued END"
    )
    return _filled(
        COUPON_EVENTS,
        rows.selectExpr(
            "concat('E', v, event_type) AS event_id",
            "concat('K', date_format(month, 'yyyyMM'), '-', v % 10) AS coupon_id",
            "concat('V', date_format(month, 'yyyyMM'), '-', v) AS voucher_id",
            "concat('M', v % 1000003) AS member_id",
            "event_type",
            "CAST(date_add(month, CAST(day AS INT)) AS TIMESTAMP) + INTERVAL 1 HOUR AS occurred_at",
            "IF(v % 5 = 0, NULL, concat('P', date_format(month, 'yyyyMM'))) AS campaign_id",
            "IF(event_type = 'redeemed', 10, NULL) AS amount",
            "CAST(date_add(month, CAST(day AS INT)) AS TIMESTAMP) + INTERVAL 2 HOUR AS received_at",
        ),
    )


def _filled(table: Table, rows: DataFrame) -> DataFrame:
    def value(name: str) -> Column:
        return F.col(name) if name in rows.columns else F.lit(None)

    return rows.select(*[value(c.name).cast(c.type).alias(c.name) for c in table.columns])


def _notes(ours: Mapping[int, Told]) -> Sequence[str]:
    files = (f"{n:,}: {told['files_replaced']} of {told['files']}" for n, told in ours.items() if "files" in told)
    return (f"Files of gold.vouchers that the day replaced, by vouchers of the history: {'; '.join(files)}.",)


CASES = {
    "coupons": Case(
        "A day of coupon events",
        "100 thousand events against a history of vouchers that grows in length. The scale is vouchers.",
        data=(coupons_history,),
        sides=(coupons_memberlake, coupons_rebuild, coupons_merge),
        same=(coupons_rebuild,),
        notes=_notes,
    )
}
