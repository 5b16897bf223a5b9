"""The same job where tables are names in a catalog: with files below lake.root, and managed by the catalog."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.conftest import configured
from tests.jobs.orders import Order, orders

from memberlake import cli, jobs
from memberlake.conf import LakeConf
from memberlake.errors import UserError
from memberlake.lake.store import Lake
from memberlake.tables.gold.value import RFM_SCORES, SCORE_BINS
from memberlake.tables.ops import CUTOFFS, RUNS, WATERMARKS
from memberlake.tables.silver import COUPON_CAMPAIGNS, ORDERS

pytestmark = pytest.mark.lake

D = date(2026, 11, 20)
PREFIX = "catalog_test_"


@pytest.fixture(params=["external", "managed"])
def place(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> Iterator[LakeConf]:
    where = [
        f"lake.root={tmp_path / 'lake' if request.param == 'external' else 'null'}",
        f"lake.checkpoints={tmp_path / 'checkpoints'}",
    ]
    yield configured("lake.catalog=spark_catalog", f"lake.schema_prefix={PREFIX}", *where, lake=None).lake
    for schema in ("silver", "gold", "ops"):
        spark.sql(f"DROP SCHEMA IF EXISTS {PREFIX}{schema} CASCADE")


def filled(spark: SparkSession, place: LakeConf) -> Lake:
    lake = Lake(spark, place)
    placed = [
        Order("o1", "a", "2026-11-20 04:00", "10.00"),
        Order("o2", "b", "2026-11-18 04:00", "20.00"),
        Order("after the day", "c", "2026-11-21 04:00", "30.00"),
    ]
    lake.upsert(ORDERS, orders(spark, placed[:2]))
    lake.upsert(ORDERS, orders(spark, placed))  # a MERGE
    jobs.find("rfm").run(lake, configured("rfm.tiles=2"), D)
    return lake


def codes(lake: Lake) -> dict[str, str]:
    return {row.member_id: row.score_code for row in lake.read(RFM_SCORES).collect()}


def test_the_job_runs_on_names_of_a_catalog(spark: SparkSession, place: LakeConf) -> None:
    lake = filled(spark, place)
    assert lake.name(RFM_SCORES) == f"`spark_catalog`.`{PREFIX}gold`.`rfm_scores`"
    by_name = spark.table(f"spark_catalog.{PREFIX}gold.rfm_scores")
    assert {row.member_id: row.score_code for row in by_name.collect()} == {"a": "211", "b": "112"}
    again = Lake(spark, place)  # finds the tables as their contracts say, partitions and constraints too
    jobs.find("rfm").run(again, configured("rfm.tiles=2"), D)
    assert codes(again) == {"a": "211", "b": "112"}
    assert again.read(SCORE_BINS).where(F.col("measure") == "monetary").count() == 2
    detail = again.detail(RFM_SCORES)
    assert detail is not None
    assert detail["rows"] == 2

    # where the files are
    described = spark.sql(f"DESCRIBE DETAIL {lake.name(RFM_SCORES)}").first()
    assert described is not None
    location = described["location"].removeprefix("file:")
    if place.root:
        assert location == f"{place.root}/gold/rfm_scores"
    else:
        assert location.startswith(str(spark.conf.get("spark.sql.warehouse.dir")).removeprefix("file:"))


def test_a_changed_table_is_refused(spark: SparkSession, place: LakeConf) -> None:
    lake = Lake(spark, place)
    lake.append(ORDERS, orders(spark, []))
    spark.sql(f"ALTER TABLE {lake.name(ORDERS)} ADD COLUMN extra INT")
    with pytest.raises(UserError, match="column extra is not in the contract"):
        Lake(spark, place).read(ORDERS)


@pytest.mark.parametrize("place", ["external"], indirect=True)  # the files of managed tables are the catalog's
def test_tables_that_a_local_catalog_forgot_are_found_by_their_files(spark: SparkSession, place: LakeConf) -> None:
    lake = filled(spark, place)
    for table in (ORDERS, RFM_SCORES, SCORE_BINS):
        spark.sql(f"DROP TABLE {lake.name(table)}")
    spark.sql(f"DROP SCHEMA {PREFIX}silver")
    later = Lake(spark, place)
    assert codes(later) == {"a": "211", "b": "112"}
    jobs.find("rfm").run(later, configured("rfm.tiles=2"), date(2026, 11, 21))
    assert later.read(RFM_SCORES).count() == 2 + 3


@pytest.mark.parametrize("place", ["managed"], indirect=True)
def test_ingest_makes_the_books_that_jobs_side_by_side_share(
    spark: SparkSession, place: LakeConf, tmp_path: Path
) -> None:
    file = tmp_path / "landing" / "coupon_campaigns" / "a.csv"
    file.parent.mkdir(parents=True)
    file.write_text("coupon_id,campaign_id\nc1,k1\n")
    settings = [f"--set=lake.{name}={json.dumps(value)}" for name, value in place.model_dump().items()]
    options = ["ingest", "--source=contracts", f"--landing={tmp_path / 'landing'}", *settings]
    result = CliRunner().invoke(cli.main, options)
    assert result.exit_code == 0, result.output
    assert all(Lake(spark, place).ready(table) for table in (COUPON_CAMPAIGNS, RUNS, WATERMARKS, CUTOFFS))
