"""Layouts of gold.vouchers: writing the rows of one day, and finding the vouchers of the day's coupons after it.

Each side lays out the table as the night before has left it in its own way, which is not measured, and writes the rows
that the job has folded on the day. The scale is the number of vouchers, as in coupons.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cases.coupons import LAKE, TOUCHED, coupons_history, coupons_memberlake
from cases.run import Case, Run, answer
from memberlake.coupons.place import Place
from memberlake.lake.contract import conform
from memberlake.tables.gold.coupons import VOUCHERS

Write = Callable[[str, DataFrame, Place], None]


def layout_months(run: Run) -> None:
    """As it is: a partition a month, ordered by coupon; the files of the day's coupons and months are written anew."""

    def write(path: str, rows: DataFrame, place: Place) -> None:
        held = run.spark.read.format("delta").load(path)
        others = place.of(held).join(rows, on=[*VOUCHERS.key], how="left_anti")
        whole = rows.unionByName(others).repartitionByRange("issued_month", "coupon_id")
        whole.writeTo(f"delta.`{path}`").overwrite(_among(place))

    _measure(run, layout_months.__name__, write)


def layout_merge(run: Run) -> None:
    """A partition a month; MERGE with the day's coupons and months as literals."""
    _measure(run, layout_merge.__name__, _merge)


def layout_vectors(run: Run) -> None:
    """The same with deletion vectors: what is replaced stays in its file, marked."""
    _measure(run, layout_vectors.__name__, _merge, has_vectors=True)


def layout_clustered(run: Run) -> None:
    """Liquid clustering by month and coupon, MERGE, then OPTIMIZE: its state of one night."""

    def write(path: str, rows: DataFrame, place: Place) -> None:
        _merge(path, rows, place)
        DeltaTable.forPath(run.spark, path).optimize().executeCompaction()

    _measure(run, layout_clustered.__name__, write, is_clustered=True)


def _measure(run: Run, name: str, write: Write, *, is_clustered: bool = False, has_vectors: bool = False) -> None:
    path = str(run.fresh(name))
    before = run.lake(LAKE).read(VOUCHERS)
    after = run.lake(coupons_memberlake.__name__).read(VOUCHERS)
    of_day = after.where(TOUCHED).localCheckpoint()
    place = Place().plus(of_day.select("coupon_id", "issued_month").distinct().collect())  # a row a coupon and month
    table = DeltaTable.create(run.spark).location(path).addColumns(VOUCHERS.struct)
    table = table.property("delta.enableChangeDataFeed", "true")  # as the table has
    table = table.property("delta.enableDeletionVectors", str(has_vectors).lower())
    table = table.clusterBy("issued_month", "coupon_id") if is_clustered else table.partitionedBy("issued_month")
    table.execute()
    conform(before.repartitionByRange("issued_month", "coupon_id"), VOUCHERS).writeTo(f"delta.`{path}`").append()
    if is_clustered:
        DeltaTable.forPath(run.spark, path).optimize().executeCompaction()
    files = _files(run, path)
    run.timed(lambda: write(path, of_day, place))
    read = run.spark.read.format("delta").load(path)
    started = time.monotonic()
    place.of(read).select(F.sum(F.size("history"))).collect()  # one row
    run.told |= {
        "look-up s": time.monotonic() - started,
        "files": len(files),
        "files replaced": len(files - _files(run, path)),
        "files after": len(_files(run, path)),
        "rows": of_day.count(),
        "answer": answer(read.select(*[c for c in VOUCHERS.column_names if c not in ("history", "confidence")])),
    }


def _merge(path: str, rows: DataFrame, place: Place) -> None:
    same = " AND ".join(f"old.{key} = new.{key}" for key in VOUCHERS.key)
    literals = {
        "coupon_id": ", ".join(f"'{coupon}'" for coupon in sorted(place.coupons or ())),
        "issued_month": ", ".join(f"DATE'{month}'" for month in sorted(place.months)),
    }
    within = " AND ".join(f"old.{column} IN ({values})" for column, values in literals.items())
    target = DeltaTable.forPath(rows.sparkSession, path).alias("old")
    target.merge(rows.alias("new"), f"{same} AND {within}").whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()


def _among(place: Place) -> Column:
    listed = F.col("coupon_id").isin(*sorted(place.coupons or ()))
    return listed & F.col("issued_month").isin(*sorted(place.months))


def _files(run: Run, path: str) -> set[str]:
    return {*run.spark.read.format("delta").load(path).inputFiles()}


CASES = {
    "layout": Case(
        "How gold.vouchers is laid out",
        "none was set; the choice is in docs/decisions/018",
        data=(coupons_history, coupons_memberlake),
        sides=(layout_months, layout_merge, layout_vectors, layout_clustered),
        same=(layout_merge, layout_vectors, layout_clustered),
        also=("files", "files replaced", "files after", "look-up s"),
        is_long=True,
        scales=(2e6,),
    )
}
