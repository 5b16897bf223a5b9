"""The facts that must come out of Complete Journey, a real year of a grocer, taken in by ingest's own code."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from memberlake import calendar, jobs
from memberlake.conf import Conf, Layer, load, project_home
from memberlake.ingest import source as sources
from memberlake.ingest.source import Package
from memberlake.ingest.take import Ingest
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.tables import ops, silver
from memberlake.tables.gold.activity import ACTIVE_COUNTS
from memberlake.tables.gold.coupons import COUPON_MAPPING_REVIEW, COUPON_RUNS, VOUCHERS
from memberlake.tables.gold.kpi import KPI
from memberlake.tables.gold.value import ABC_CLASSES, RFM_SCORES, SCORE_BINS

pytestmark = pytest.mark.lake

AS_OF = date(2017, 9, 30)
ZONE = "America/New_York"


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Conf:
    lake = str(tmp_path_factory.mktemp("complete_journey") / "lake")
    source = sources.find("complete_journey", project_home())
    rules = ("rfm.look_back_days=180", "abc.look_back_days=180", "kpi.dimensions=[channel]")
    return load(sets=rules, lake=lake, settings=Layer("source complete_journey", source.settings))


@pytest.fixture(scope="module")
def full(spark: SparkSession, conf: Conf) -> Lake:
    """The lake with everything that the source has; takes minutes."""
    source = sources.find("complete_journey", project_home())
    assert isinstance(source.landing, Package)
    lake = Lake(spark, conf.lake)
    now = datetime.now(timezone.utc)
    ingest = Ingest(lake, conf, source, "complete_journey", str(source.landing.path()), now)
    taken = list(jobs.find("ingest").run(ingest))
    assert [load.error for load in taken if load.error] == []
    jobs.find("rfm").run(lake, conf, AS_OF)
    return lake


@pytest.fixture(scope="module")
def visits(full: Lake) -> DataFrame:
    """One row a household and business date with a visit."""
    events = full.read(silver.EVENTS).where(F.col("event_type") == "visit")
    on = calendar.business_date(F.col("occurred_at"), ZONE).alias("visited_on")
    return events.select("member_id", on).distinct().persist()


@pytest.fixture
def rows(full: Lake) -> Callable[[Table], int]:
    return lambda table: full.read(table).count()


def test_every_row_of_the_source_landed(rows: Callable[[Table], int]) -> None:
    assert {table.name: rows(table) for table in (*silver.TABLES, ops.REJECTS)} == {
        "members": 2_469,
        "orders": 155_848,
        "order_lines": 1_469_307,
        "products": 92_331,
        "events": 155_848,
        "campaigns": 27,
        "campaign_contacts": 6_589,
        "campaign_responses": 0,
        "campaign_costs": 0,
        "coupons": 1_197,  # a coupon is defined anew by each of its campaigns
        "coupon_campaigns": 1_197,
        "coupon_campaign_overrides": 0,
        "coupon_events": 50_238 + 2_102,  # issued by campaigns of type B and C, and redeemed
        "rejects": 0,
    }


def test_coupons_and_their_campaigns(full: Lake) -> None:
    links = full.read(silver.COUPON_CAMPAIGNS).groupBy("coupon_id").count()
    per_coupon = {r["count"]: r["coupons"] for r in links.groupBy("count").agg(F.count("*").alias("coupons")).collect()}
    assert per_coupon == {1: 981 - 151, 2: 104, 3: 33, 4: 10, 5: 4}


def test_redemptions(full: Lake) -> None:
    events = full.read(silver.COUPON_EVENTS)
    redeemed = events.where(F.col("event_type") == "redeemed")
    on = calendar.business_date(F.col("occurred_at"), ZONE)
    physical = redeemed.select("member_id", "coupon_id", on).distinct()
    assert redeemed.count() == 2_102
    assert physical.count() == 2_089
    assert {r.event_type for r in events.select("event_type").distinct().collect()} == {"issued", "redeemed"}


def vouchers_of(events: DataFrame, full: Lake, conf: Conf, root: Path) -> Lake:
    """A lake with vouchers folded from the events; the full one stays without."""
    lake = Lake(full.spark, conf.lake.model_copy(update={"root": str(root)}))
    for table in (silver.COUPONS, silver.COUPON_CAMPAIGNS, silver.CAMPAIGNS, silver.CAMPAIGN_CONTACTS):
        lake.append(table, full.read(table))
    lake.append(silver.COUPON_EVENTS, events)
    jobs.find("coupons").run(lake, conf, date(2018, 3, 31))
    return lake


def test_campaigns_hidden_from_the_redemptions_are_found_again(full: Lake, conf: Conf, tmp_path: Path) -> None:
    """2,076 of 2,089 redemptions, none of them wrong; 13 were made while two campaigns fit, and are left to review."""
    events = full.read(silver.COUPON_EVENTS)
    redeemed = events.where(F.col("event_type") == "redeemed")
    hidden = F.when(F.col("event_type") != "redeemed", F.col("campaign_id"))
    lake = vouchers_of(events.withColumn("campaign_id", hidden), full, conf, tmp_path / "hidden")

    vouchers = lake.read(VOUCHERS)
    truth = redeemed.groupBy("coupon_id", "member_id", F.col("occurred_at").alias("redeemed_at")).agg(
        F.collect_set("campaign_id").alias("recorded")
    )
    found = vouchers.join(truth, on=["coupon_id", "member_id", "redeemed_at"], how="inner")
    is_right = F.array_contains("recorded", F.col("campaign_id"))
    counts = found.agg(F.count("*"), F.count("campaign_id"), F.count_if(is_right), F.count_if(~is_right)).first()
    assert counts is not None
    assert tuple(counts) == (2_089, 2_076, 2_076, 0)
    review = lake.read(COUPON_MAPPING_REVIEW).where("in_window AND in_audience").groupBy("voucher_id").count()
    assert [r["count"] for r in review.collect()] == [2] * 13
    assert vouchers.where(F.col("redeemed_at").isNotNull()).count() == 2_089


def test_redemptions_as_recorded(full: Lake, conf: Conf, tmp_path: Path) -> None:
    """13 are recorded once for each of two open campaigns: a voucher each, flagged; and nothing is claimed here."""
    lake = vouchers_of(full.read(silver.COUPON_EVENTS), full, conf, tmp_path / "recorded")
    redeemed = lake.read(VOUCHERS).where("status = 'redeemed'")
    flags = redeemed.select(F.explode("flags").alias("flag")).groupBy("flag").count()
    unrecorded = redeemed.where("issued_at IS NULL").count()
    assert {r.flag: r["count"] for r in flags.collect()} == {"several_campaigns": 13, "issue_unrecorded": unrecorded}
    assert {r.method: r["count"] for r in redeemed.groupBy("method").count().collect()} == {"recorded": 2_089}
    assert lake.read(COUPON_RUNS).agg(F.sum("redeemed")).collect()[0][0] == 2_089


def test_a_redemption_is_on_a_day_with_a_basket(full: Lake, visits: DataFrame) -> None:
    """All 1,107 household-days; a wrong time zone gives 984, 180 or 327."""
    redeemed = full.read(silver.COUPON_EVENTS).where(F.col("event_type") == "redeemed")
    on = calendar.business_date(F.col("occurred_at"), ZONE).alias("visited_on")
    days = redeemed.select("member_id", on).distinct()
    assert days.count() == 1_107
    assert days.join(visits, on=["member_id", "visited_on"], how="left_semi").count() == 1_107


def test_the_year_has_twelve_months_and_no_christmas(visits: DataFrame) -> None:
    """A wrong time zone makes a thirteenth month."""
    monthly = visits.groupBy(F.trunc("visited_on", "month").alias("month")).agg(F.countDistinct("member_id").alias("n"))
    active = [1983, 1948, 2025, 2007, 2075, 2026, 2077, 2034, 2028, 2051, 2061, 2062]
    assert {r.month: r.n for r in monthly.collect()} == {date(2017, m, 1): n for m, n in enumerate(active, 1)}
    assert visits.where(F.col("visited_on") == F.lit(date(2017, 12, 25))).isEmpty()


@pytest.mark.parametrize(("days", "active"), [(1, 375), (7, 1_324), (30, 2_028)])
def test_active_households_up_to_the_day(visits: DataFrame, days: int, active: int) -> None:
    within = visits.where(F.col("visited_on").between(AS_OF - timedelta(days=days - 1), AS_OF))
    assert within.select("member_id").distinct().count() == active


def test_activity_of_the_year(full: Lake, conf: Conf) -> None:
    """The same figures as above, now by the job: months of the year, and windows that end with a day."""
    jobs.find("activity").run(full, conf, date(2017, 12, 31))
    rows = full.read(ACTIVE_COUNTS).where(F.col("dimension") == "all").collect()
    found = {(r.window, r.period_end): r.active for r in rows}
    months = [n for (window, _), n in sorted(found.items()) if window == "month"]
    assert months == [1983, 1948, 2025, 2007, 2075, 2026, 2077, 2034, 2028, 2051, 2061, 2062]
    assert [found[window, AS_OF] for window in ("day", "rolling_7", "rolling_30")] == [375, 1_324, 2_028]
    assert found["day", date(2017, 12, 25)] == 0
    of_members = full.read(ACTIVE_COUNTS).where("window = 'month' AND dimension_value = 'member'")
    assert of_members.orderBy(F.desc("period_end")).collect()[0].registered == 2_469


def test_how_long_households_stay_away(full: Lake) -> None:
    orders = full.read(silver.ORDERS).select("member_id", calendar.business_date(F.col("ordered_at"), ZONE).alias("on"))
    last = orders.where(F.col("on") <= F.lit(AS_OF)).groupBy("member_id").agg(F.max("on").alias("last"))
    away = [F.count_if(F.col("last") <= AS_OF - timedelta(days=d)).alias(f"d{d}") for d in (14, 30, 60, 90)]
    found = last.agg(F.count("*").alias("seen"), *away).first()
    assert found is not None
    assert tuple(found) == (2_446, 731, 418, 217, 132)


def test_amounts_of_the_year(full: Lake) -> None:
    orders = full.read(silver.ORDERS)
    with_coupon = F.col("coupon_amount") > 0
    found = orders.agg(
        F.sum("net_amount"),
        F.count_if(with_coupon),
        F.sum(F.when(with_coupon, F.col("net_amount"))),
        F.count_if(F.col("net_amount") == 0),
        F.count_if(F.col("gross_amount") - F.col("discount_amount") != F.col("net_amount")),
    ).first()
    assert found is not None
    assert tuple(found) == (Decimal("4596039.58"), 9_827, Decimal("672524.75"), 478, 0)
    lines = full.read(silver.ORDER_LINES).groupBy("order_id").agg(F.sum("amount").alias("of_lines"))
    differs = orders.join(lines, on="order_id", how="full").where("NOT net_amount <=> of_lines")
    assert differs.isEmpty()


def test_products_sold_and_not_listed(full: Lake) -> None:
    unknown = full.read(silver.ORDER_LINES).join(full.read(silver.PRODUCTS), on="product_id", how="left_anti")
    assert tuple(unknown.agg(F.countDistinct("product_id"), F.count("*")).collect()[0]) == (17, 4_836)


def test_households_sent_and_redeeming(full: Lake) -> None:
    contacts = full.read(silver.CAMPAIGN_CONTACTS).select("campaign_id", "member_id").distinct()
    redeemed = full.read(silver.COUPON_EVENTS).where(F.col("event_type") == "redeemed")
    pairs = redeemed.select("campaign_id", "member_id").distinct()
    assert (contacts.count(), contacts.select("member_id").distinct().count()) == (6_589, 1_559)
    assert (pairs.count(), pairs.select("member_id").distinct().count()) == (792, 410)
    sent = {r.campaign_id: r["count"] for r in contacts.groupBy("campaign_id").count().collect()}
    came = {r.campaign_id: r["count"] for r in pairs.groupBy("campaign_id").count().collect()}
    assert {c: (sent[c], came[c]) for c in ("8", "13", "18")} == {
        "8": (1_076, 158),
        "13": (1_077, 196),
        "18": (1_133, 214),
    }


def test_members_without_demographics_have_no_attributes(full: Lake) -> None:
    members = full.read(silver.MEMBERS)
    assert members.where(F.size("attributes") == 0).count() == 1_668
    assert members.where("attributes IS NULL").isEmpty()


def test_rfm(full: Lake) -> None:
    scores = full.read(RFM_SCORES).where(F.col("as_of") == F.lit(AS_OF))
    totals = scores.agg(F.count("*"), F.sum("recency_days"), F.sum("frequency"), F.sum("monetary")).first()
    assert totals is not None
    assert tuple(totals) == (2_416, 40_567, 77_847, Decimal("2252452.63"))
    bins = full.read(SCORE_BINS).where((F.col("as_of") == F.lit(AS_OF)) & (F.col("measure") == "recency_days"))
    sizes = {r.score: r.subjects for r in bins.collect()}
    assert sizes == {1: 488, 2: 512, 3: 598, 4: 443, 5: 375}
    codes = {r.score_code: r["count"] for r in scores.groupBy("score_code").count().collect()}
    assert (codes["555"], codes["111"]) == (116, 241)
    assert scores.where("scope <> 'all'").isEmpty()


def test_rfm_of_another_day_leaves_this_one(full: Lake, conf: Conf) -> None:
    """Nothing of the last quarter is seen on 30 September, and a run in January changes nothing of it."""
    before = full.read(RFM_SCORES).where(F.col("as_of") == F.lit(AS_OF)).collect()
    jobs.find("rfm").run(full, conf, date(2017, 12, 31))
    after = full.read(RFM_SCORES).where(F.col("as_of") == F.lit(AS_OF)).collect()
    assert sorted(before) == sorted(after)


def test_abc(full: Lake, conf: Conf) -> None:
    jobs.find("abc_classes").run(full, conf, AS_OF)
    sizes = full.read(ABC_CLASSES).groupBy("class").count().collect()
    assert {r["class"]: r["count"] for r in sizes} == {"A": 988, "B": 634, "C": 794}


def test_metrics_of_the_year(full: Lake, conf: Conf) -> None:
    """Coupons by order and amount, who bought in each month and ever, and the parts of revenue's change."""
    for job in ("activity", "kpi"):
        jobs.find(job).run(full, conf, date(2017, 12, 31))
    stored = full.read(KPI).where((F.col("dimension") == "all") & (F.col("period_start") >= F.lit(date(2017, 1, 1))))
    names = ("coupon_order_ratio", "coupon_amount_ratio", "ordering_members", "active_subjects", "purchasing_members")
    asked = stored.where(F.col("metric").isin(*names) | F.col("metric").startswith("revenue"))
    found = {(r.period, r.metric, r.period_start): r for r in asked.collect()}
    months = [date(2017, m, 1) for m in range(1, 13)]

    def year(period: str, metric: str, part: str) -> float:
        return float(sum(round(100 * getattr(r, part)) for k, r in found.items() if k[:2] == (period, metric)) / 100)

    for period in ("day", "month"):
        ratios = [("coupon_order_ratio", "numerator"), ("coupon_order_ratio", "denominator")]
        ratios += [("coupon_amount_ratio", "numerator"), ("coupon_amount_ratio", "denominator")]
        assert [year(period, *ratio) for ratio in ratios] == [9_827, 155_848, 672_524.75, 4_596_039.58]
    buyers = [1983, 1948, 2025, 2007, 2075, 2026, 2077, 2034, 2028, 2051, 2061, 2062]
    for metric in ("ordering_members", "active_subjects"):  # every basket is a visit
        assert [found["month", metric, m].value for m in months] == buyers
    assert found["day", "purchasing_members", AS_OF].value == 2_446
    assert found["day", "ordering_members", AS_OF].value == 375
    assert found["day", "revenue", date(2017, 12, 25)].value == 0
    for before, month in itertools.pairwise(months):
        change = found["month", "revenue", month].value - found["month", "revenue", before].value
        parts = ("members", "frequency", "order_value", "guests")
        assert sum(found["month", f"revenue_change_{p}", month].value for p in parts) == pytest.approx(change)
    running = [r for k, r in found.items() if not r.is_complete]
    assert {r.period for r in running} == set()  # 31 December is a Sunday
