"""What a job's plan is said to do, on plans that Spark ran; and that no job brings all rows to one task."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from tests.conftest import configured
from tests.jobs.orders import Order, orders

from memberlake import cli, explain, jobs, plans
from memberlake.conf import Conf
from memberlake.errors import NotYet, UserError
from memberlake.jobs import Job
from memberlake.lake import session
from memberlake.lake.contract import Column, Table
from memberlake.lake.rehearsal import rehearsal
from memberlake.lake.store import Lake
from memberlake.tables import silver
from memberlake.tables.gold.value import RFM_SCORES, SCORE_BINS
from memberlake.tables.ops import REJECTS
from memberlake.tables.silver import ORDERS

pytestmark = pytest.mark.lake

D = date(2026, 11, 20)


@pytest.fixture(autouse=True)
def as_on_a_cluster(spark: SparkSession) -> Iterator[None]:
    """With the suite's one partition, rows would meet in one task whatever a job does."""
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "4")
    yield
    spark.conf.set("spark.sql.shuffle.partitions", str(before))


def some_rows(spark: SparkSession, table: Table, count: int = 40) -> DataFrame:
    """Rows that fit any contract: keys without repetition, a few values in the other columns, all before D."""

    def value(column: Column) -> object:
        kind = column.type.simpleString()
        n = F.col("id")
        if column.allowed:
            made = F.get(F.array(*map(F.lit, column.allowed)), (n % len(column.allowed)).cast("int"))
        elif column.name == "status":
            made = F.lit("paid")
        elif kind == "string":
            number = n if column.name in table.key[:1] else n % 7
            made = F.concat(F.lit(column.name), number.cast("string"))
        elif kind == "timestamp":
            made = F.timestamp_seconds(F.unix_timestamp(F.lit(D)) - n * 3600)
        elif kind == "date":
            made = F.date_sub(F.lit(D), (n % 5).cast("int"))
        elif kind == "boolean":
            made = n % 2 == 0
        elif kind.startswith(("array", "map")):
            made = F.lit(None)
        else:
            made = n % 5 + 1
        return made.cast(column.type).alias(column.name)

    return spark.range(count).select(*[value(column) for column in table.columns])


def fill(lake: Lake, *tables: Table) -> None:
    for table in tables:
        lake.append(table, some_rows(lake.spark, table))


def files(lake: Lake) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path(str(lake.conf.root)).rglob("*") if path.is_file()}


def fake(run: Callable[[Lake, Conf, date], None]) -> Job:
    module = ModuleType("fake")
    module.__dict__.update(READS=(ORDERS,), WRITES=(), run=run)
    return Job("fake", "", module)


def test_rfm_is_explained_and_the_lake_is_as_it_was(lake: Lake, rules: Conf) -> None:
    fill(lake, ORDERS, ORDERS)
    jobs.find("rfm").run(lake, rules, date(2026, 11, 18))
    before = files(lake)
    found = explain.job(lake, rules, jobs.find("rfm"), D)
    assert files(lake) == before
    reads = {read.table: read for read in found.reads}
    size = lake.detail(ORDERS)
    assert size is not None
    placed = reads["silver.orders"]
    assert (placed.of_files, placed.of_bytes, placed.of_rows) == (size["files"], size["bytes"], size["rows"])
    assert (placed.files, placed.rows) == (placed.of_files, 80)
    assert reads["silver.products"].rows == 0  # by_category is off
    assert [s for s in found.shuffles if s.by.endswith("member_id") and s.partitions == 4 and s.rows]
    assert {w.partition_by for w in found.windows} >= {"scope", "scope, measure", "scope, measure, bin"}
    assert {join.kind for join in found.joins} == {"broadcast"}
    assert found.warnings == []


def test_no_job_brings_all_rows_to_one_task_or_multiplies_rows(lake: Lake) -> None:
    """Every job in its order, so that each reads what those before it wrote; the plans are those that ran."""
    conf = configured("rfm.by_category=true", lake=str(lake.conf.root))
    fill(lake, *silver.TABLES)
    faults = {}
    for job in jobs.every():
        if job.is_dated:
            # two days are too short for a model; what ran until that was seen counts
            with session.watched(lake.spark) as graphs, contextlib.suppress(NotYet):
                job.run(lake, conf, D)
            plan = plans.analysed(graphs)
            assert any(scan.rows for scan in plan.scans), f"{job.name} has read nothing: the check would be empty"
            faults[job.name] = plan.warnings
    assert faults
    assert not any(faults.values()), faults


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("ranked", "a window without PARTITION BY (order by net_amount) takes all rows in one task"),
        ("pairs", "a nested loop join of rows that grow on both sides"),
        ("pairs of two large tables", "a Cartesian join of rows that grow on both sides"),
        ("one file", "all rows meet in one task, for the result"),
        ("all in a list", "all rows meet in one task, for ObjectHashAggregate"),
    ],
)
def test_a_job_that_will_not_scale_is_warned_of(lake: Lake, rules: Conf, bad: str, said: str) -> None:
    def run(lake: Lake, _: Conf, __: date) -> None:
        placed = lake.read(ORDERS).select("order_id", "net_amount")
        named = placed.toDF("other", "amount")
        frames = {
            "ranked": lambda: placed.withColumn("rank", F.row_number().over(Window.orderBy("net_amount"))),
            "pairs": lambda: placed.crossJoin(named),
            "pairs of two large tables": lambda: placed.crossJoin(named),
            "one file": lambda: placed.repartition(1),
            "all in a list": lambda: placed.agg(F.collect_list("order_id").alias("ids")),
        }
        frames[bad]().write.format("noop").mode("overwrite").save()

    fill(lake, ORDERS)
    if "large" in bad:
        lake.spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    try:
        (warning,) = explain.job(lake, rules, fake(run), D).warnings
        assert warning.startswith(said)
    finally:
        lake.spark.conf.unset("spark.sql.autoBroadcastJoinThreshold")


def test_what_the_plan_itself_limits_is_not_warned_of(lake: Lake, rules: Conf) -> None:
    def run(lake: Lake, _: Conf, as_of: date) -> None:
        placed = lake.read(ORDERS)
        totals = placed.agg(F.max("net_amount").alias("most"), F.countDistinct("member_id").alias("members"))
        days = lake.spark.sql(f"SELECT explode(sequence(DATE'{as_of}' - 6, DATE'{as_of}')) AS day")
        counted = placed.crossJoin(totals).crossJoin(days).groupBy("day").agg(F.max("members"))
        counted.write.format("noop").mode("overwrite").save()
        placed.orderBy("net_amount").limit(3).select(F.row_number().over(Window.orderBy("net_amount"))).collect()

    fill(lake, ORDERS)
    found = explain.job(lake, rules, fake(run), D)
    assert [join.kind for join in found.joins] == ["nested loop", "nested loop"]
    assert found.warnings == []


def test_a_merge_into_orders_is_free_of_it(lake: Lake) -> None:
    fill(lake, ORDERS)
    later = [Order("order_id1", "m", "2026-11-20 04:00", "9.00"), Order("new", "m", "2026-11-20 04:00", "9.00")]
    with session.watched(lake.spark) as graphs:
        lake.upsert(ORDERS, orders(lake.spark, later, updated="2026-11-21 00:00"))
    found = plans.analysed(graphs)
    assert lake.read(ORDERS).count() == 41
    files = {"path", "filePath = dvFilePath"}  # each with the rows in it that are marked
    assert {join.on for join in found.joins} - files == {"order_id"}
    assert [scan.files for scan in found.scans if scan.rows]
    assert found.warnings == []


def test_ingest_is_free_of_it(lake: Lake, tmp_path: Path) -> None:
    """Two files, so that the second is merged; its one bad row goes to the rejects."""
    folder = tmp_path / "landing" / "orders"
    folder.mkdir(parents=True)
    header = "order_id,member_id,ordered_at,status,gross_amount,net_amount,updated_at\n"
    row = "{},m1,2026-03-01T10:00:00+08:00,{},100.00,90.00,2026-03-0{}T10:00:00+08:00\n"
    ingest = ("ingest", "--source", "contracts", "--landing", folder.parent, "--lake", lake.conf.root)
    found = []
    batches = ((row.format("a", "paid", 1),), [*(row.format(n, "paid", 2) for n in "abcdefg"), row.format("h", "?", 2)])
    for n, batch in enumerate(batches):
        (folder / f"{n}.csv").write_text(header + "".join(batch))
        with session.watched(lake.spark) as graphs:
            result = CliRunner().invoke(cli.main, [str(a) for a in ingest])
        assert result.exit_code == 0, result.output
        found.append(plans.analysed(graphs))
    assert lake.read(ORDERS).count() == 7
    assert lake.read(REJECTS).count() == 1
    assert any("order_id" in join.on for join in found[1].joins)
    assert [plan.warnings for plan in found] == [[], []]


def test_a_rehearsal_reads_what_it_wrote_and_leaves_nothing(lake: Lake) -> None:
    spark = lake.spark
    fill(lake, ORDERS)
    before = files(lake)
    with rehearsal(lake) as tried:
        placed = [Order("new", "m", "2026-11-20 04:00", "9.00")]
        tried.upsert(ORDERS, orders(spark, placed))
        tried.add_new(ORDERS, orders(spark, placed))
        assert tried.read(ORDERS).count() == 41
        assert lake.read(ORDERS).count() == 40
        assert tried.read(RFM_SCORES).isEmpty()
        tried.replace(SCORE_BINS, tried.read(SCORE_BINS), as_of=D, model="rfm")
        assert tried.ready(SCORE_BINS)
        assert not lake.ready(SCORE_BINS)
        assert files(lake) != before
    assert files(lake) == before
    assert sorted(path.name for path in Path(str(lake.conf.root)).iterdir()) == ["silver"]


def test_a_job_that_fails_leaves_the_lake_as_it_was(lake: Lake, rules: Conf) -> None:
    def run(lake: Lake, _: Conf, as_of: date) -> None:
        jobs.find("rfm").run(lake, rules, as_of)
        raise ZeroDivisionError

    fill(lake, ORDERS)
    before = files(lake)
    with pytest.raises(ZeroDivisionError):
        explain.job(lake, rules, fake(run), D)
    assert files(lake) == before


def test_a_lake_that_cannot_be_written_to_is_told_in_a_line(lake: Lake) -> None:
    root = Path(str(lake.conf.root))
    root.touch()  # no folder can be made below a file, by root neither
    with pytest.raises(UserError, match=rf"{root}/_explain-\w+ cannot be made: "), rehearsal(lake) as tried:
        tried.append(ORDERS, some_rows(lake.spark, ORDERS))


def test_a_lake_without_data_has_nothing_to_explain(lake: Lake, rules: Conf) -> None:
    with pytest.raises(UserError, match=r"nothing to explain rfm on, the lake has no silver\.orders"):
        explain.job(lake, rules, jobs.find("rfm"), D)
