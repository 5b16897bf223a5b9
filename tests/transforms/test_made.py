"""The made brand: the same rows however they are computed, and lives, campaigns and dirt as they are declared."""

from __future__ import annotations

import dataclasses

import pytest
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.conftest import configured

from memberlake import calendar
from memberlake.conf import Conf
from memberlake.lake.contract import Table
from memberlake.made import dirt, life, marketing, shopping, visits, write
from memberlake.made.world import World
from memberlake.tables import silver

SCALE = 20_000


@pytest.fixture(scope="module")
def world(spark: SparkSession, rules: Conf) -> World:
    return World(spark, rules.made, SCALE, rules.business_timezone, partitions=2)


@pytest.fixture(scope="module")
def orders(world: World) -> DataFrame:
    return write.clean(world, silver.ORDERS).cache()


@pytest.mark.parametrize("table", write.MADE, ids=lambda t: t.name)
def test_rows_do_not_depend_on_partitions(world: World, table: Table) -> None:
    small = dataclasses.replace(world, orders=2000)
    assert digest(write.clean(small, table)) == digest(write.clean(dataclasses.replace(small, partitions=7), table))


@pytest.mark.parametrize("name", write.TRUTH)
def test_the_truth_does_not_depend_on_partitions(world: World, name: str) -> None:
    small, make = dataclasses.replace(world, orders=2000), write.TRUTH[name]
    assert digest(make(small)) == digest(make(dataclasses.replace(small, partitions=7)))


def test_rows_depend_on_the_seed(world: World, orders: DataFrame) -> None:
    another = dataclasses.replace(world, conf=configured("made.seed=2").made)
    assert digest(write.clean(another, silver.ORDERS)) != digest(orders)


@pytest.mark.parametrize("table", write.MADE, ids=lambda t: t.name)
def test_keys_are_unique_and_required_cells_are_there(world: World, table: Table) -> None:
    rows = write.clean(dataclasses.replace(world, orders=2000), table)
    missing = [F.count_if(F.col(c.name).isNull()).alias(c.name) for c in table.columns if c.required]
    found = rows.agg(F.count_distinct(*table.key).alias("keys"), F.count(F.lit(1)).alias("rows"), *missing).first()
    assert found is not None
    assert found["keys"] == found["rows"] > 0
    assert not any(found.asDict()[c.name] for c in table.columns if c.required)


def test_the_scale_is_about_the_number_of_orders(orders: DataFrame) -> None:
    assert orders.count() == pytest.approx(SCALE, rel=0.1)


def test_money_adds_up_to_the_lines(world: World, orders: DataFrame) -> None:
    lines = write.clean(world, silver.ORDER_LINES).groupBy("order_id").agg(F.sum("amount").alias("lines"))
    wrong = orders.join(lines, "order_id", "full").where(
        "gross_amount IS DISTINCT FROM lines OR net_amount <> gross_amount - discount_amount - refunded_amount"
        " OR net_amount < 0 OR updated_at <= ordered_at"
    )
    assert wrong.isEmpty()


def test_a_lost_member_buys_nothing_until_they_return(world: World, orders: DataFrame) -> None:
    day = calendar.business_date(F.col("ordered_at"), world.zone)
    # a campaign may move someone within its two weeks, into the first days of being lost
    by_rhythm = orders.where("coupon_id IS NULL").select("member_id", day.alias("day"))
    lost = life.lost(world)
    assert lost.where("returned_on IS NOT NULL").count() > 10
    assert by_rhythm.join(lost, "member_id").where("day >= is_lost_on AND day < returned_on").isEmpty()
    assert by_rhythm.join(lost, "member_id").where("day >= is_lost_on AND returned_on IS NULL").isEmpty()
    assert not by_rhythm.join(lost, "member_id").where("day >= returned_on").isEmpty()


def test_a_campaign_moves_those_it_reached_and_not_those_held_out(world: World) -> None:
    bought = shopping.purchases(world).select("i", F.col("day").alias("bought_on")).distinct()
    reached = marketing.outreach(world)
    after = (reached.i == bought.i) & bought.bought_on.between(reached.day + 1, reached.day + 13)
    contacts = reached.select("*", F.monotonically_increasing_id().alias("contact")).alias("reached")
    buyers = contacts.join(bought, after, "left").groupBy("contact", "is_control").agg(F.count("bought_on").alias("n"))
    rates = {r["is_control"]: r["rate"] for r in buyers.groupBy("is_control").agg(F.avg("n").alias("rate")).collect()}
    assert rates[False] > rates[True] + 0.05
    assert reached.where("is_control AND responds").isEmpty()


def test_what_one_table_tells_the_others_tell_too(world: World, orders: DataFrame) -> None:
    redeemed = write.clean(world, silver.COUPON_EVENTS).where("event_type = 'redeemed'")
    assert redeemed.count() == orders.where("voucher_id IS NOT NULL").count() > 100
    pairs = redeemed.join(orders, ["order_id", "voucher_id", "coupon_id", "member_id"])
    assert pairs.count() == redeemed.count()
    contacts = write.clean(world, silver.CAMPAIGN_CONTACTS)
    answers = write.clean(world, silver.CAMPAIGN_RESPONSES)
    assert answers.join(contacts, "contact_id", "left_anti").isEmpty()
    assert marketing.vouchers(world).join(redeemed, "voucher_id", "right").where("is_hidden IS NULL").isEmpty()


def test_orders_tell_of_a_campaign_by_mark_by_voucher_or_by_code(world: World, orders: DataFrame) -> None:
    day = calendar.business_date(F.col("ordered_at"), world.zone)
    code = F.replace("campaign_id", F.lit("P"), F.lit("CODE"))
    starts = write.clean(world, silver.CAMPAIGNS).withColumn("promo_code", code)
    coded = orders.where("promo_code IS NOT NULL").withColumn("day", day)
    assert coded.join(starts, "promo_code").where("day BETWEEN starts_on AND ends_on").count() == coded.count() > 100
    assert coded.where("discount_amount = 0 OR voucher_id IS NOT NULL OR marked_channel IS NOT NULL").isEmpty()
    by_campaign = orders.where("voucher_id IS NOT NULL")
    marked = by_campaign.where("marked_channel IS NOT NULL").count() / by_campaign.count()
    assert marked == pytest.approx(world.conf.shares.marked, abs=0.05)
    assert orders.where("voucher_id IS NULL AND (marked_channel IS NOT NULL OR campaign_id IS NOT NULL)").isEmpty()


def test_clicks_without_an_order_may_leave_a_lead(world: World) -> None:
    answers = write.clean(world, silver.CAMPAIGN_RESPONSES).groupBy("response_type").count()
    found = {r["response_type"]: r["count"] for r in answers.collect()}
    assert found.keys() == {"click", "lead", "conversion"}
    assert found["lead"] / (found["lead"] + found["click"]) == pytest.approx(world.conf.shares.leads, abs=0.08)


def test_coupons_are_used_again_and_some_vouchers_keep_their_campaign_to_themselves(world: World) -> None:
    truth = marketing.vouchers(world)
    uses = truth.groupBy("coupon_id").agg(F.count_distinct("campaign_id").alias("campaigns"))
    assert {r["campaigns"] for r in uses.collect()} == {1, 2}
    hidden = write.clean(world, silver.COUPON_EVENTS).where("campaign_id IS NULL").select("voucher_id").distinct()
    assert hidden.count() == truth.where("is_hidden").count()
    assert share(truth, "is_hidden") == pytest.approx(world.conf.shares.unlinked, abs=0.02)


def test_visitors_become_members_and_robots_stand_out(world: World) -> None:
    events = write.clean(world, silver.EVENTS)
    known = events.where("member_id IS NOT NULL").select("visitor_id").distinct()
    before = events.where("member_id IS NULL").join(known, "visitor_id", "left_semi")
    assert before.select("visitor_id").distinct().count() > world.members / 2
    busiest = events.groupBy("visitor_id").agg(F.count_distinct("session_id").alias("visits")).where("visits >= 2000")
    assert {r["visitor_id"] for r in busiest.collect()} == {r["visitor_id"] for r in visits.robots(world).collect()}
    late = F.col("received_at") > F.col("occurred_at") + F.expr("INTERVAL 1 DAY")
    assert share(events, late) == pytest.approx(world.conf.shares.late, abs=0.005)


def test_seasons(world: World, orders: DataFrame) -> None:
    day = calendar.business_date(F.col("ordered_at"), world.zone)
    by_weekday = {r["d"]: r["count"] for r in orders.groupBy(F.weekday(day).alias("d")).count().collect()}
    assert min(by_weekday[5], by_weekday[6]) > max(by_weekday[d] for d in range(4))
    by_month = {r["m"]: r["count"] for r in orders.groupBy(F.month(day).alias("m")).count().collect()}
    assert by_month[11] > 1.1 * by_month[8]  # of planned purchases 1.0 and 0.8 happen


def test_few_members_buy_much(orders: DataFrame) -> None:
    bought = orders.where("member_id IS NOT NULL").groupBy("member_id").count()
    each = sorted((r["count"] for r in bought.collect()), reverse=True)
    assert sum(each[: len(each) // 5]) > 0.4 * sum(each)
    assert share(orders, F.col("member_id").isNull()) == pytest.approx(0.03, abs=0.005)  # guests


def test_some_clocks_are_wrong(world: World) -> None:
    right = dataclasses.replace(world, conf=configured("made.shares.wrong_clock=0").made)
    told, true = (write.clean(w, silver.COUPON_EVENTS).select("event_id", "occurred_at") for w in (world, right))
    both = told.join(true.withColumnRenamed("occurred_at", "true_at"), on="event_id", how="inner")
    # of 73 possible hours one is 0
    assert share(both, F.col("occurred_at") != F.col("true_at")) == pytest.approx(0.01 * 72 / 73, abs=0.003)


def test_dirt_in_its_shares(world: World, orders: DataFrame) -> None:
    dirty = dirt.of(orders, silver.ORDERS, world)
    assert dirty is not None
    found = {r["why"]: r["count"] / orders.count() for r in dirty.groupBy("why").count().collect()}
    shares = world.conf.shares
    expected = dict.fromkeys(dirt.BREACHES, shares.broken / 2)
    expected |= {"repeated": shares.repeated, "outdated": shares.outdated}
    assert found == pytest.approx(expected, abs=0.005)


def digest(rows: DataFrame) -> tuple[int, int, int]:
    """Equal for equal rows in any order."""
    plain = [F.to_json(f.name) if f.dataType.typeName() == "map" else F.col(f.name) for f in rows.schema.fields]
    each = F.xxhash64(*plain)
    count, total, mixed = rows.agg(F.count(F.lit(1)), F.sum(each.cast("decimal(38,0)")), F.bit_xor(each)).collect()[0]
    return count, int(total), mixed


def share(rows: DataFrame, condition: str | Column) -> float:
    (found,) = rows.agg(F.avg((F.col(condition) if isinstance(condition, str) else condition).cast("int"))).collect()
    return float(found[0])
