"""The rfm job on a real lake: what it writes, that it may run again, at any time and in any order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from chispa import assert_df_equality
from click.testing import CliRunner
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from tests.conftest import configured
from tests.jobs.orders import Order, orders, rows

from memberlake import cli, jobs, scoring
from memberlake.conf import Conf
from memberlake.lake.store import Lake
from memberlake.orders import only_within
from memberlake.tables.gold.value import RFM_SCORES, SCORE_BINS
from memberlake.tables.silver import ORDER_LINES, ORDERS, PRODUCTS
from memberlake.value import rfm

pytestmark = pytest.mark.lake

D = date(2026, 11, 20)
LATER = date(2026, 11, 25)
CONF = configured("rfm.tiles=2", "rfm.look_back_days=10")  # business time zone Asia/Shanghai: UTC+8

OF_THE_DAY = [
    Order("first minutes of the look-back", "once", "2026-11-10 16:30", "10.00"),
    Order("before the look-back", "once", "2026-11-10 15:30", "500.00"),
    Order("two days before", "often", "2026-11-18 04:00", "30.00"),
    Order("refunded in part", "often", "2026-11-20 15:59", "12.50", refunded_amount="7.50"),
    Order("refunded in full", "often", "2026-11-20 12:00", "0.00", refunded_amount="99.00"),
    Order("cancelled", "only cancelled", "2026-11-20 12:00", "99.00", status="cancelled"),
    Order("of a guest", None, "2026-11-20 12:00", "1000.00"),
    Order("day after", "tomorrow's", "2026-11-20 16:00", "70.00"),
]
OF_LATER_DAYS = [
    Order("more", "once", "2026-11-24 04:00", "40.00"),
    Order("new", "new", "2026-11-25 04:00", "5.00"),
]


def run(lake: Lake, as_of: date, conf: Conf = CONF) -> None:
    jobs.find("rfm").run(lake, conf, as_of)


def scores(lake: Lake, as_of: date = D) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, lake.read(RFM_SCORES).where(F.col("as_of") == F.lit(as_of)).collect()))


def test_scores_and_bins(lake: Lake) -> None:
    lake.append(ORDERS, orders(lake.spark, OF_THE_DAY))
    run(lake, D)
    expected = lake.spark.createDataFrame(
        [
            (D, "all", "once", 9, 1, Decimal("10.00"), 1, 1, 1, "111", 3, None, 2, "general_retain"),
            (D, "all", "often", 0, 2, Decimal("42.50"), 2, 2, 2, "222", 6, None, 1, "important_value"),
        ],
        RFM_SCORES.struct,
    )
    assert_df_equality(lake.read(RFM_SCORES), expected, ignore_row_order=True, ignore_nullable=True)
    bins = lake.spark.createDataFrame(
        [
            (D, "rfm", "all", "recency_days", 1, 1, 9.0, 9.0),
            (D, "rfm", "all", "recency_days", 2, 1, 0.0, 0.0),
            (D, "rfm", "all", "frequency", 1, 1, 1.0, 1.0),
            (D, "rfm", "all", "frequency", 2, 1, 2.0, 2.0),
            (D, "rfm", "all", "monetary", 1, 1, 10.0, 10.0),
            (D, "rfm", "all", "monetary", 2, 1, 42.5, 42.5),
        ],
        SCORE_BINS.struct,
    )
    assert_df_equality(lake.read(SCORE_BINS), bins, ignore_row_order=True, ignore_nullable=True)


def test_a_day_gives_the_same_rows_whenever_it_is_run(lake: Lake) -> None:
    """Run on the day; and again after later orders came in and later days were run."""
    lake.append(ORDERS, orders(lake.spark, OF_THE_DAY))
    run(lake, D)
    of_the_day = scores(lake)
    assert {row[2] for row in of_the_day} == {"once", "often"}

    lake.append(ORDERS, orders(lake.spark, OF_LATER_DAYS))
    run(lake, LATER)
    of_later = scores(lake, LATER)
    assert {row[2] for row in of_later} == {"once", "often", "new", "tomorrow's"}
    run(lake, D)  # a backfill, in any order
    assert scores(lake) == of_the_day
    assert scores(lake, LATER) == of_later


def test_a_buyer_whose_orders_are_cancelled_later_is_gone_after_a_rerun(lake: Lake) -> None:
    lake.append(ORDERS, orders(lake.spark, [Order("o1", "m", "2026-11-20 04:00", "10.00")]))
    run(lake, D)
    assert len(scores(lake)) == 1
    cancelled = [Order("o1", "m", "2026-11-20 04:00", "10.00", status="cancelled")]
    lake.upsert(ORDERS, orders(lake.spark, cancelled, updated="2026-11-20 05:00"))
    run(lake, D)  # nobody is left: the slice becomes empty
    assert scores(lake) == []
    assert lake.read(SCORE_BINS).isEmpty()


def test_a_lake_without_tables_gives_empty_results(lake: Lake) -> None:
    run(lake, D, configured("rfm.by_category=true"))
    assert lake.ready(RFM_SCORES)
    assert lake.ready(SCORE_BINS)
    assert scores(lake) == []


def test_scores_by_category(lake: Lake) -> None:
    spark = lake.spark
    placed = [
        Order("o1", "a", "2026-11-20 04:00", "30.00"),
        Order("o2", "b", "2026-11-19 04:00", "7.00"),
        Order("o3", "c", "2026-11-18 04:00", "1.00"),  # of an unknown product
    ]
    lines = [("o1", 1, "red", "20.00"), ("o1", 2, "rye", "10.00"), ("o2", 1, "red", "7.00"), ("o3", 1, "?", "1.00")]
    lake.append(ORDERS, orders(spark, placed))
    lake.append(ORDER_LINES, rows(spark, ORDER_LINES, (line(*of) for of in lines)))
    products = [{"product_id": "red", "category": "wine"}, {"product_id": "rye", "category": "bread"}]
    lake.append(PRODUCTS, rows(spark, PRODUCTS, products))
    run(lake, D, configured("rfm.tiles=2", "rfm.by_category=true"))
    found = lake.read(RFM_SCORES).select("scope", "member_id", "monetary", "m_score", "rank")
    expected = spark.createDataFrame(
        [
            ("all", "a", Decimal("30.00"), 2, 1),
            ("all", "b", Decimal("7.00"), 1, 2),
            ("all", "c", Decimal("1.00"), 1, 2),
            ("wine", "a", Decimal("20.00"), 2, 1),
            ("wine", "b", Decimal("7.00"), 1, 2),
            ("bread", "a", Decimal("10.00"), 1, 1),
        ],
        "scope string, member_id string, monetary decimal(18,2), m_score int, rank bigint",
    )
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True, ignore_metadata=True)


def line(order_id: str, line_no: int, product_id: str, amount: str) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "line_no": line_no,
        "product_id": product_id,
        "quantity": Decimal("1"),
        "amount": Decimal(amount),
    }


@pytest.fixture
def buyers(lake: Lake) -> Iterator[DataFrame]:
    """Kept, as the job does it: else the scope, a literal, is folded into the plan and no window has a partition."""
    lake.append(ORDERS, orders(lake.spark, OF_THE_DAY))
    placed = lake.read(ORDERS).transform(only_within, D, 10, CONF.business_timezone)
    with lake.kept(rfm.measure(placed.transform(rfm.with_scope_all), D, "sum")) as kept:
        yield kept


def test_scoring_never_brings_all_members_to_one_task(buyers: DataFrame) -> None:
    scored = rfm.score(buyers, rfm.cuts(buyers, CONF.rfm), CONF.rfm)
    combinations = rfm.combinations(scored, CONF.rfm)
    assert plan_faults(scoring.named(scored, combinations, rfm.measures({}))) == []


@pytest.mark.parametrize(
    ("bad", "faults"),
    [
        ("rank", ["rows meet in one task", "rows of members meet in a window"]),
        ("by scope", ["rows of members meet in a window"]),
        ("pairs", ["members are joined with members"]),
    ],
)
def test_the_look_at_the_plan_sees_what_it_is_for(buyers: DataFrame, bad: str, faults: list[str]) -> None:
    frames = {
        "rank": lambda: buyers.withColumn("rank", F.rank().over(Window.orderBy("monetary"))),
        "by scope": lambda: buyers.withColumn("rank", F.rank().over(Window.partitionBy("scope").orderBy("monetary"))),
        "pairs": lambda: buyers.alias("a").join(buyers.alias("b"), F.expr("a.monetary < b.monetary"), "left"),
    }
    assert plan_faults(frames[bad]()) == faults


def plan_faults(frame: DataFrame) -> list[str]:
    """What does not scale in the physical plan.

    - An exchange to a single partition, anywhere.
    - A window that does not run over groups: what feeds it, below sorts and exchanges and other windows, must be an
      aggregation, and not the one by member that makes the rows to score.
    - A product of rows, or a join that is not a broadcast of a small side.
    """
    plan = physical_plan(frame)
    faults = set()
    for n, operator in enumerate(plan):
        if "SinglePartition" in operator:
            faults.add("rows meet in one task")
        if operator.startswith(("CartesianProduct", "BroadcastNestedLoopJoin", "SortMergeJoin", "ShuffledHashJoin")):
            faults.add("members are joined with members")
        if operator.startswith("Window ") and not is_fed_by_groups(plan[n + 1 :]):
            faults.add("rows of members meet in a window")
    return sorted(faults)


def is_fed_by_groups(below: list[str]) -> bool:
    passed = ("Sort ", "Exchange ", "Project ", "Filter ", "Window ", "WindowGroupLimit ")
    feeder = next(operator for operator in below if not operator.startswith(passed))
    keys = re.match(r"\w*Aggregate\(keys?=\[(.*?)\], functions", feeder)
    return keys is not None and "member_id" not in keys[1]


def physical_plan(frame: DataFrame) -> list[str]:
    """The operators, one a line, planned as on a cluster: with one partition every exchange looks like any other."""
    spark = frame.sparkSession
    settings = {"spark.sql.shuffle.partitions": "8", "spark.sql.adaptive.enabled": "false"}
    before = {key: str(spark.conf.get(key)) for key in settings}
    try:
        for key, value in settings.items():
            spark.conf.set(key, value)
        tree = frame._jdf.queryExecution().executedPlan().toString()  # type: ignore[operator]
    finally:
        for key, value in before.items():
            spark.conf.set(key, value)
    return [re.sub(r"^[\s:+-]*(?:\*\(\d+\) )?", "", line) for line in str(tree).splitlines()]


@pytest.mark.parametrize(("flags", "has_stack"), [([], False), (["-v"], True), (["-q"], False)])
def test_the_stack_of_a_failed_job_is_logged_when_asked_for(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, flags: list[str], has_stack: bool
) -> None:
    def fails(*_: Any) -> None:
        raise ZeroDivisionError("of no use")

    lake.append(ORDERS, orders(lake.spark, OF_THE_DAY))
    monkeypatch.setattr(jobs.Job, "run", fails)
    arguments = ["run", "rfm", "--as-of", str(D), "--lake", str(lake.conf.root), *flags]
    ended = CliRunner().invoke(cli.main, arguments)
    assert ended.exit_code == 1
    assert "ZeroDivisionError: of no use" in ended.stderr
    assert ("in fails" in ended.stderr) is has_stack
