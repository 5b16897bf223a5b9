"""Made files through ingest: dirt goes to the rejects, and silver is the clean rows."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F
from tests.conftest import configured

from memberlake.errors import UserError
from memberlake.ingest import source
from memberlake.ingest.take import Ingest
from memberlake.lake.store import Lake
from memberlake.made import dirt, write
from memberlake.made.world import World
from memberlake.tables.ops import REJECTS
from memberlake.tables.silver import COUPON_EVENTS, ORDERS

pytestmark = pytest.mark.lake

TABLES = (ORDERS, COUPON_EVENTS)


def test_ingest_of_made_files_ends_in_the_clean_rows(lake: Lake, tmp_path: Path) -> None:
    rules = configured("made.shares.broken=0.05", lake=str(lake.conf.root))
    world = World(lake.spark, rules.made, 1000, rules.business_timezone)
    written = {w.table: w.rows for w in write.into_files(world, str(tmp_path / "made"), "csv.gz", TABLES)}
    assert written["orders"] == write.clean(world, ORDERS).count()

    contracts = source.find("contracts")
    now = datetime(2026, 11, 20, tzinfo=timezone.utc)
    taken = list(Ingest(lake, rules, contracts, "contracts", str(tmp_path / "made" / "landing"), now).run())

    assert not any(load.error for load in taken)
    for table in TABLES:
        assert_df_equality(
            lake.read(table),
            write.clean(world, table),
            ignore_row_order=True,
            ignore_nullable=True,
            ignore_metadata=True,
        )
    told = lake.spark.read.parquet(str(tmp_path / "made" / "truth" / "dirt"))
    twice = lake.spark.read.parquet(str(tmp_path / "made" / "truth" / "duplicates" / "*"))
    counted = told.where(F.col("why").isin(*dirt.DUPLICATES)).withColumn("table", F.concat(F.lit("silver."), "table"))
    assert_df_equality(
        twice.groupBy("table", "why").agg(F.count(F.lit(1)).cast("int").alias("rows")),
        counted.select("table", "why", F.col("rows").cast("int")),
        ignore_row_order=True,
        ignore_nullable=True,
    )
    keys = twice.where(f"table = '{ORDERS.full_name}'").select(F.get_json_object("key", "$.order_id").alias("order_id"))
    assert keys.join(lake.read(ORDERS), on="order_id", how="left_anti").isEmpty()
    broken = {
        (r["table"], r["n"])
        for r in told.where(F.col("why").isin(*dirt.BREACHES)).groupBy("table").agg(F.sum("rows").alias("n")).collect()
    }
    rejected = {
        (r["table"].removeprefix("silver."), r["count"]) for r in lake.read(REJECTS).groupBy("table").count().collect()
    }
    assert rejected == broken
    assert len(broken) == len(TABLES)


def test_made_rows_go_into_an_empty_lake_only(lake: Lake) -> None:
    rules = configured(lake=str(lake.conf.root))
    world = World(lake.spark, rules.made, 1000, rules.business_timezone)
    (written,) = write.into_lake(world, lake, (ORDERS,))
    assert written.rows == lake.read(ORDERS).count() > 0
    with pytest.raises(UserError, match=r"silver\.orders has rows already"):
        list(write.into_lake(world, lake, (ORDERS,)))
