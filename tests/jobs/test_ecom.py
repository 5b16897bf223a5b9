"""The facts that must come out of the shop's clickstream, in a lake without orders."""

from __future__ import annotations

from datetime import date, datetime, timezone

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.conftest import PROJECT, configured

from memberlake import jobs, runner
from memberlake.ingest import source as sources
from memberlake.ingest.take import Ingest
from memberlake.lake.store import Lake
from memberlake.tables.gold.activity import ACTIVE_COUNTS, ACTIVITY_DAYS, RETENTION, RFE_SCORES
from memberlake.tables.gold.kpi import KPI
from memberlake.tables.gold.value import SCORE_BINS
from memberlake.tables.silver import EVENTS

pytestmark = pytest.mark.lake

D = date(2024, 4, 30)  # a Tuesday
LAST = date(2024, 6, 29)


@pytest.fixture(scope="module")
def ecom(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    conf = configured("business_timezone=UTC", "kpi.dimensions=[]", lake=str(tmp_path_factory.mktemp("ecom") / "lake"))
    lake = Lake(spark, conf.lake)
    source = sources.find("ecom_clickstream")
    now = datetime.now(timezone.utc)
    ingest = Ingest(lake, conf, source, "ecom_clickstream", str(PROJECT / str(source.landing)), now)
    assert [load.error for load in jobs.find("ingest").run(ingest)] == [None]
    jobs.find("activity").run(lake, conf, LAST)
    jobs.find("rfe").run(lake, conf, D)
    jobs.find("kpi").run(lake, conf, LAST)
    return lake


def active(lake: Lake, window: str, dimension: str = "all") -> dict[date, int]:
    rows = lake.read(ACTIVE_COUNTS).where((F.col("window") == window) & (F.col("dimension") == dimension))
    return {r.period_end: r.active for r in rows.collect()}


def test_repeated_rows_are_one_event(ecom: Lake) -> None:
    events = ecom.read(EVENTS)
    found = events.agg(F.count("*"), F.count_distinct("visitor_id"), F.count_distinct("session_id")).first()
    assert found is not None
    assert tuple(found) == (31_106 - 30, 600, 3_605)


def test_monthly_actives(ecom: Lake) -> None:
    assert [n for _, n in sorted(active(ecom, "month").items())] == [63, 169, 309, 453, 468, 462]


def test_actives_of_a_day_and_up_to_it(ecom: Lake) -> None:
    assert active(ecom, "day")[D] == 38
    assert active(ecom, "rolling_7")[D] == 199
    assert active(ecom, "week")[date(2024, 5, 5)] > 75  # 75 of them until the Tuesday
    since_monday = ecom.read(ACTIVITY_DAYS).where(F.col("active_on").between(date(2024, 4, 29), D))
    assert since_monday.select("subject_id").distinct().count() == 75


def test_only_the_running_periods_are_not_complete(ecom: Lake) -> None:
    running = ecom.read(ACTIVE_COUNTS).where(~F.col("is_complete") & (F.col("dimension") == "all")).collect()
    assert {(r.window, r.period_end) for r in running} == {("week", date(2024, 6, 30)), ("month", date(2024, 6, 30))}


def test_the_same_facts_as_metrics(ecom: Lake) -> None:
    """Visits are the file's sessions: 3,605, none over midnight. April has 30 days, so up to its last one as many were
    there as in the month."""
    stored = ecom.read(KPI).where("dimension = 'all' AND metric IN ('active_subjects', 'stickiness', 'visits')")
    found = {(r.metric, r.period, r.period_start): r for r in stored.collect()}
    months = [date(2024, m, 1) for m in range(1, 7)]
    assert [found["active_subjects", "month", m].value for m in months] == [63, 169, 309, 453, 468, 462]
    assert [found["visits", "month", m].value for m in months] == [92, 251, 497, 844, 1_007, 914]
    assert sum(r.value for (metric, period, _), r in found.items() if (metric, period) == ("visits", "day")) == 3_605
    assert [found[metric, "day", D].value for metric in ("active_subjects", "visits")] == [38, 38]
    assert [found[metric, "week", date(2024, 4, 29)].value for metric in ("active_subjects", "visits")] == [201, 242]
    assert (found["stickiness", "day", D].numerator, found["stickiness", "day", D].denominator) == (38, 453)


def test_every_user_is_in_one_cohort(ecom: Lake) -> None:
    cohorts = ecom.read(RETENTION).where(F.col("offset") == 0).groupBy("grain").agg(F.sum("subjects").alias("n"))
    assert {r.grain: r.n for r in cohorts.collect()} == {"week": 600, "month": 600}


def test_scores_of_visits(ecom: Lake) -> None:
    """As many as were there within 90 days; their sessions are their visits, at most one a day in this data."""
    scores = ecom.read(RFE_SCORES)
    in_look_back = ecom.read(ACTIVITY_DAYS).where(F.col("active_on").between(date(2024, 2, 1), D))
    assert scores.count() == in_look_back.select("subject_id").distinct().count()
    assert scores.agg(F.sum("frequency")).collect()[0][0] == in_look_back.count()
    bins = ecom.read(SCORE_BINS).groupBy("model", "measure").agg(F.sum("subjects").alias("n")).collect()
    expected = {("rfe", measure): scores.count() for measure in ("recency_days", "frequency", "engagement")}
    assert {(r.model, r.measure): r.n for r in bins} == expected
    assert scores.where("is_member").isEmpty()


def test_the_latest_day_of_a_lake_without_orders_is_that_of_the_last_event(ecom: Lake) -> None:
    assert runner.last_day(ecom, "UTC") == LAST
