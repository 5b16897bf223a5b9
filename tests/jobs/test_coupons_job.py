"""The coupons job on a real lake: any arrival ends in what a plain model says; corrections, dates and bad input."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from chispa import assert_df_equality
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.conftest import configured
from tests.jobs import coupon_model as model
from tests.jobs.coupon_rows import Event, campaign, contacts, coupon, events, links, override
from tests.jobs.orders import Order, orders, utc

from memberlake import jobs
from memberlake.conf import Conf
from memberlake.coupons import state
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.tables.gold.coupons import (
    COUPON_FUNNEL,
    COUPON_LIABILITY,
    COUPON_MAPPING_QUALITY,
    COUPON_MAPPING_REVIEW,
    COUPON_RUNS,
    TABLES,
    VOUCHERS,
)
from memberlake.tables.silver import COUPON_CAMPAIGNS, COUPON_EVENTS, ORDERS
from memberlake.tables.silver import COUPONS as COUPON_MASTER

pytestmark = pytest.mark.lake

CONF = configured()  # business time zone Asia/Shanghai: UTC+8
SEED = 20261124
SAME = ("status", "redeemed_amount", "campaign_id", "method", "evidence", "first_on")
COUPONS = {"K1": "2026-11-20 04:00", "K2": "2026-12-10", "K3": None}


def run(lake: Lake, as_of: date, conf: Conf = CONF) -> None:
    jobs.find("coupons").run(lake, conf, as_of)


def rows(lake: Lake, table: Table, key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row.asDict() for row in lake.read(table).collect()}


def random_event(chance: random.Random, n: int) -> Event:
    number = chance.randrange(14)
    at = utc("2026-11-01") + timedelta(hours=chance.randrange(24 * 50))
    return Event(
        f"e{n}",
        f"K{number % 3 + 1}",
        f"V{number}",
        chance.choice((*model.RANK, "issued", "redeemed", "redeemed")),
        at.isoformat()[:19],
        member_id=chance.choice(["m1", "m1", "m2", None]),
        amount=chance.choice(["10.00", "12.50", "-1.00", None]),
        order_id=chance.choice(["o1", None, None]),
        campaign_id=chance.choice(["P1", "P2", None, None, None, None]),
        received=(at + timedelta(days=chance.randrange(9))).isoformat()[:19],
    )


def corrected(chance: random.Random, event: Event) -> Event:
    later = utc(str(event.received)) + timedelta(days=1)
    other = random_event(chance, 0)
    return other._replace(event_id=event.event_id, received=later.isoformat()[:19])


def same_as_model(lake: Lake, world: model.World, as_of: date) -> None:
    expected = model.vouchers(world, as_of)
    runs, confidence = model.run_of(expected, 30), model.confidence(expected)
    found = rows(lake, VOUCHERS, "voucher_id")
    assert found.keys() == expected.keys()
    for voucher_id, v in expected.items():
        row = found[voucher_id]
        said = {
            **{
                name: v[name] for name in ("status", "redeemed_amount", "campaign_id", "method", "evidence", "first_on")
            },
            "redeemed_at": v["redeemed_at"] and v["redeemed_at"].replace(tzinfo=None),
            "coupon_run_id": runs[voucher_id],
            "confidence": confidence.get(str(v["evidence"])),
            "flags": v["flags"],
            "history": [e.event_id for e in v["events"]],
        }
        got = {name: row[name] for name in said}
        got["flags"] = {*row["flags"]} - {"negative_amount", "several_campaigns"}
        got["history"] = [e["event_id"] for e in row["history"]]
        said["history"].sort()
        got["history"].sort()
        assert got == said, voucher_id
    steps = ("issued", "claimed", "redeemed", "returned", "voided", "expired", "redeemed_amount")
    funnel = {(r.coupon_run_id, r.business_date): [r[s] for s in steps] for r in lake.read(COUPON_FUNNEL).collect()}
    assert funnel == model.funnel(expected, runs)
    owed = lake.read(COUPON_LIABILITY).where(F.col("as_of") == F.lit(as_of)).collect()
    assert {r.coupon_run_id: (r.open_vouchers, r.expired_vouchers) for r in owed} == model.liability(expected, runs)
    undecided = {v for v, state in expected.items() if state["campaign_id"] is None}
    assert {r.voucher_id for r in lake.read(COUPON_MAPPING_REVIEW).collect()} == undecided


def set_up(lake: Lake, world: model.World) -> None:
    for coupon_id, valid_to in COUPONS.items():
        coupon(lake, coupon_id, valid_to)
    world.valid_to = {c: v for c, v in COUPONS.items() if v}


def test_any_arrival_ends_in_what_the_model_says(lake: Lake) -> None:
    """Batches in random order with repeats and corrections, a run after each; campaigns and lists come in between."""
    chance, world = random.Random(SEED), model.World()
    set_up(lake, world)
    all_events = [random_event(chance, n) for n in range(60)]
    all_events += [corrected(chance, e) for e in chance.sample(all_events, 8)]
    chance.shuffle(all_events)
    as_of = date(2026, 11, 10)
    for step in range(3):
        batch = all_events[step * 23 : (step + 1) * 23] + chance.sample(all_events[: (step + 1) * 23], 3)
        events(lake, *dict.fromkeys(batch))
        world.take(batch)
        if step == 0:
            campaign(lake, "P1", date(2026, 11, 1), date(2026, 11, 20), "K1")
            campaign(lake, "P2", date(2026, 11, 10), date(2026, 12, 5), "K1")
            campaign(lake, "P3", date(2026, 11, 25), date(2026, 12, 15))
            world.links = {("K1", "P1"), ("K1", "P2")}
            world.windows = {
                "P1": (date(2026, 11, 1), date(2026, 11, 20)),
                "P2": (date(2026, 11, 10), date(2026, 12, 5)),
                "P3": (date(2026, 11, 25), date(2026, 12, 15)),
            }
        if step == 1:
            contacts(lake, "P2", "2026-11-09", "m2")
            contacts(lake, "P1", "2026-12-09", "m2")
            world.contacts = {("P2", "2026-11-09", "m2"), ("P1", "2026-12-09", "m2")}
        run(lake, as_of)
        same_as_model(lake, world, as_of)
        as_of += timedelta(days=chance.randrange(25))
    run(lake, date(2026, 11, 15))  # back
    same_as_model(lake, world, date(2026, 11, 15))

    rebuilt = Lake(lake.spark, lake.conf, rebuild=True)
    before = {t: lake.read(t).collect() for t in TABLES if t.name != "coupon_alerts"}
    run(rebuilt, date(2026, 11, 15))
    for table, held in before.items():
        assert sorted(map(str, rebuilt.read(table).collect())) == sorted(map(str, held)), table.name


@pytest.fixture(scope="module")
def odd(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Bad input of every kind, taken in two nights."""
    conf = configured("coupons.history_cap=10", lake=str(tmp_path_factory.mktemp("odd") / "lake"))
    lake = Lake(spark, conf.lake)
    coupon(lake, "K1", "2026-11-30")
    coupon(lake, "K2", "2026-12-31")
    coupon(lake, "changed", "2026-11-20")
    events(
        lake,
        Event("1", "never defined", "unknown coupon", "issued", "2026-11-02"),
        Event("2", "K1", "unknown member", "issued", "2026-11-02", member_id="nobody knows"),
        Event("3", "K1", "negative", "redeemed", "2026-11-02", amount="-5.00"),
        Event("4", "K1", "tomorrow's", "issued", "2026-11-04 16:00"),  # Shanghai: the 5th
        Event("5", "changed", "before the change", "issued", "2026-11-02"),
        Event("6", "K2", "same number", "issued", "2026-11-02"),
        Event("7", "K1", "late order", "redeemed", "2026-11-03", order_id="o1"),
        Event("8", "K1", None, "issued", "2026-11-02", member_id=None),
        *[Event(f"9-{n:03}", "K2", "many", "redeemed", f"2026-11-02 00:{n:02}", amount="1.00") for n in range(40)],
    )
    run(lake, date(2026, 11, 4), conf)
    coupon(lake, "changed", "2026-12-31", since="2026-11-03")
    lake.append(ORDERS, orders(spark, [Order("o1", "m", "2026-11-03", "50.00")]))
    events(
        lake,
        Event("10", "K1", "same number", "issued", "2026-11-03"),
        Event("11", "K2", "many", "returned", "2026-11-04", order_id=None),
    )
    run(lake, date(2026, 11, 4), conf)
    return lake


def test_bad_input_is_kept_and_flagged(odd: Lake) -> None:
    found = rows(odd, VOUCHERS, "voucher_id")
    flags = {v: row["flags"] for v, row in found.items()}
    assert flags == {
        "unknown coupon": ["unknown_coupon"],
        "unknown member": [],
        "negative": ["issue_unrecorded", "redeemed_without_claim", "negative_amount"],
        "before the change": [],
        "same number": ["number_of_several_coupons"],
        "K2/same number": ["number_of_several_coupons"],
        "late order": ["issue_unrecorded", "redeemed_without_claim"],  # no longer unknown_order
        "K1/8//2026-11-02T00:00:00": [],
        "many": ["issue_unrecorded", "redeemed_without_claim", "redeemed_twice", "history_capped"],
    }
    assert found["same number"]["coupon_id"] == "K1"
    assert found["before the change"]["valid_to"] == utc("2026-11-20").replace(tzinfo=None)
    many = found["many"]
    assert (many["status"], len(many["history"]), many["redeemed_at"]) == ("issued", 10, None)
    assert many["history"][-1]["event_id"] == "11"
    negative = odd.read(COUPON_RUNS).where("coupon_id = 'K1'").agg(F.sum("redeemed_amount")).first()
    assert negative is not None
    assert negative[0] == Decimal("-5.00")


def test_other_readers_of_delta_read_the_tables(odd: Lake) -> None:
    """delta-rs and DuckDB; also after the second night has replaced files."""
    dataset = DeltaTable(odd.location(VOUCHERS)).to_pyarrow_dataset()
    read = duckdb.connect().execute("SELECT voucher_id, status, len(history) FROM dataset").fetchall()
    assert set(read) == {(v, r["status"], len(r["history"])) for v, r in rows(odd, VOUCHERS, "voucher_id").items()}
    assert dataset.count_rows() == 9


def test_vouchers_without_a_number(lake: Lake) -> None:
    coupon(lake, "K1", "2026-12-31", campaign_id="P1")
    coupon(lake, "K2", "2026-12-31")
    events(
        lake,
        Event("1", "K1", None, "issued", "2026-11-02"),
        Event("2", "K1", None, "redeemed", "2026-11-03"),  # the coupon has one campaign: it is of that issue
        Event("3", "K1", None, "redeemed", "2026-11-03"),  # the same, recorded twice
        Event("4", "K1", None, "redeemed", "2026-11-05"),  # another, whose issue nobody recorded
        Event("5", "K2", None, "issued", "2026-11-02", campaign_id="P2"),
        Event("6", "K2", None, "redeemed", "2026-11-03"),  # which campaign is not known: not of that issue
    )
    run(lake, date(2026, 11, 30))
    found = {v: (r["status"], r["method"], len(r["history"])) for v, r in rows(lake, VOUCHERS, "voucher_id").items()}
    assert found == {
        "K1/m/P1/2026-11-02T00:00:00": ("redeemed", "recorded", 3),
        "K1/m/P1/2026-11-05T00:00:00": ("redeemed", "recorded", 1),
        "K2/m/P2/2026-11-02T00:00:00": ("issued", "recorded", 1),
        "K2/m//2026-11-03T00:00:00": ("redeemed", None, 1),
    }


def test_a_later_fact_decides_again_just_what_it_touches(lake: Lake) -> None:
    """A decision by hand, a late outreach list, a corrected window: the files of the other month stay."""

    def files(month: str) -> set[str]:
        return {file for file in lake.read(VOUCHERS).inputFiles() if f"issued_month={month}" in file}

    def found() -> list[str | None]:
        run(lake, date(2026, 12, 31))
        held = rows(lake, VOUCHERS, "voucher_id")
        return [held[voucher_id]["campaign_id"] for voucher_id in ("sealed", "A", "B")]

    campaign(lake, "P1", date(2026, 9, 1), date(2026, 9, 30))
    campaign(lake, "P2", date(2026, 11, 1), date(2026, 11, 30))
    events(
        lake,
        Event("1", "K1", "sealed", "issued", "2026-09-05", "a"),
        Event("2", "K1", "A", "issued", "2026-11-05", "a"),
        Event("3", "K1", "B", "issued", "2026-11-15", "b"),
    )
    assert found() == ["P1", "P2", "P2"]
    sealed, touched = files("2026-09-01"), files("2026-11-01")
    override(lake, "K1", "by hand", voucher_id="A")
    assert found() == ["P1", "by hand", "P2"]
    contacts(lake, "P2", "2026-11-04", "a")
    assert found() == ["P1", "by hand", None]
    campaign(lake, "P3", date(2026, 11, 10), date(2026, 11, 20))
    assert found() == ["P1", "by hand", "P3"]
    campaign(lake, "P3", date(2026, 11, 16), date(2026, 11, 20))
    assert found() == ["P1", "by hand", None]
    assert files("2026-09-01") == sealed
    assert not files("2026-11-01") & touched


def test_runs_overrides_and_confidence(lake: Lake) -> None:
    coupon(lake, "K1", None)
    campaign(lake, "P1", date(2026, 9, 1), date(2026, 9, 10), "K1")
    links(lake, ("K1", "P9"))  # a campaign that nobody knows
    events(
        lake,
        *[Event(f"r{n}", "K1", f"R{n}", "issued", "2026-09-02", campaign_id="P1") for n in range(3)],
        Event("r3", "K1", "R3", "issued", "2026-09-03", campaign_id="P9"),
        Event("a", "K1", "A", "issued", "2026-09-04"),
        Event("b", "K1", "B", "issued", "2026-10-01"),
        Event("c", "K1", "C", "issued", "2026-10-31"),  # 30 days: the same episode
        Event("d", "K1", "D", "issued", "2026-12-01"),  # 31 days
        Event("e", "K1", "E", "issued", "2026-12-02"),
    )
    run(lake, date(2026, 12, 31))
    override(lake, "K1", "P5", voucher_id="E")
    override(lake, "K1", "P6", from_on=date(2026, 12, 2), to_on=date(2026, 12, 31))
    override(lake, "K1", "P7", to_on=date(2026, 10, 1), from_on=date(2026, 10, 1))
    run(lake, date(2026, 12, 31))
    found = {
        v: (r["coupon_run_id"], r["method"], r["confidence"]) for v, r in rows(lake, VOUCHERS, "voucher_id").items()
    }
    assert found == {
        **{f"R{n}": ("K1/P1", "recorded", None) for n in range(3)},
        "R3": ("K1/P9", "recorded", None),
        "A": ("K1/P1", "inferred", 0.75),
        "B": ("K1/P7", "override", None),
        "C": ("K1@2026-10-31", None, None),
        "D": ("K1@2026-12-01", None, None),
        "E": ("K1/P5", "override", None),
    }
    expected = lake.spark.createDataFrame([("window", 4, 4, 3, 1, 0.75, 1.0)], COUPON_MAPPING_QUALITY.struct)
    assert_df_equality(lake.read(COUPON_MAPPING_QUALITY), expected, ignore_nullable=True, ignore_metadata=True)
    runs = rows(lake, COUPON_RUNS, "coupon_run_id")
    numbers = {r: (row["run_no"], row["vouchers"], row["is_reused"]) for r, row in runs.items()}
    assert numbers == {
        "K1/P1": (1, 4, True),
        "K1/P9": (2, 1, True),
        "K1/P7": (3, 1, True),
        "K1@2026-10-31": (4, 1, True),
        "K1@2026-12-01": (5, 1, True),
        "K1/P5": (6, 1, True),
    }


def test_a_million_events_of_one_voucher(spark: SparkSession) -> None:
    """Issued, then redeemed and returned by turns, a second apart: the row keeps the first and the last of them."""
    last = 1_000_000
    kind = F.when(F.col("id") == 0, "issued").when(F.col("id") % 2 == 1, "redeemed").otherwise("returned")
    told = {
        "event_id": F.format_string("e%07d", "id"),
        "coupon_id": F.lit("K"),
        "voucher_id": F.lit("V"),
        "member_id": F.lit("m"),
        "event_type": kind,
        "occurred_at": F.timestamp_seconds(F.unix_seconds(F.lit(utc("2026-11-01"))) + F.col("id")),
        "received_at": F.lit(utc("2026-11-19")),
    }
    events = spark.range(last, -1, -1).select(
        *[told.get(c.name, F.lit(None)).cast(c.type).alias(c.name) for c in COUPON_EVENTS.columns]
    )
    offers, campaigns, known = (spark.createDataFrame([], t.struct) for t in (COUPON_MASTER, COUPON_CAMPAIGNS, ORDERS))
    (row,) = state.fold(
        state.with_holder(events),
        state.definitions(offers, campaigns),
        known,
        CONF.coupons.model_copy(update={"history_cap": 4}),
        date(2026, 11, 20),
        CONF.business_timezone,
    ).collect()
    assert (row.voucher_id, row.status, row.redeemed_at) == ("V", "issued", None)
    assert row.returned_at == utc("2026-11-01").replace(tzinfo=None) + timedelta(seconds=last)
    assert [event.event_id for event in row.history] == ["e0000000", "e0000001", "e0999999", "e1000000"]
    assert {"history_capped", "unknown_coupon"} <= {*row.flags}
