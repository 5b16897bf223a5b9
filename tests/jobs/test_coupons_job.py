"""The coupons job on a real lake: any arrival ends in what a plain model says; corrections, dates and bad input."""

from __future__ import annotations

import random
import shutil
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

import duckdb
import pytest
from chispa import assert_df_equality
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.conftest import configured
from tests.frames import utc
from tests.jobs import coupon_model as model
from tests.jobs.coupon_rows import Event, campaign, contacts, coupon, events, links, override
from tests.jobs.orders import Order, orders

from memberlake import jobs
from memberlake.conf import Conf
from memberlake.coupons import state
from memberlake.errors import UserError
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.tables.gold.coupons import (
    COUPON_ALERTS,
    COUPON_COHORTS,
    COUPON_DAYS,
    COUPON_FUNNEL,
    COUPON_LIABILITY,
    COUPON_MAPPING_QUALITY,
    COUPON_MAPPING_REVIEW,
    COUPON_ORDERS,
    COUPON_RUNS,
    TABLES,
    VOUCHERS,
)
from memberlake.tables.silver import COUPON_CAMPAIGNS, COUPON_EVENTS, ORDERS
from memberlake.tables.silver import COUPONS as COUPON_MASTER

pytestmark = pytest.mark.lake

CONF = configured()  # business time zone Asia/Shanghai: UTC+8
SEED = 20261124
COUPONS = {"K1": "2026-11-20 04:00", "K2": "2026-12-10", "K3": None}


def run(lake: Lake, as_of: date, conf: Conf = CONF) -> None:
    jobs.find("coupons").run(lake, conf, as_of)


def rows(lake: Lake, table: Table, key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row.asDict() for row in lake.read(table).collect()}


def random_event(chance: random.Random, n: int) -> Event:
    """Of one of 14 vouchers with a number, rarely of another coupon with it; one in four has none."""
    number = chance.randrange(14)
    at = utc("2026-11-01") + timedelta(hours=chance.randrange(24 * 50))
    return Event(
        f"e{n}",
        f"K{(number + (chance.random() < 0.1)) % 3 + 1}",
        f"V{number}" if chance.random() < 0.75 else None,
        chance.choice((*model.RANK, "issued", "redeemed", "redeemed")),
        at.isoformat()[:19],
        member_id=chance.choice(["m1", "m1", "m2", None]),
        amount=chance.choice(["10.00", "12.50", "-1.00", None]),
        order_id=chance.choice(["o1", None, None]),
        campaign_id=chance.choice(["P1", "P2", None, None, None, None]),
        received=(at + timedelta(days=chance.randrange(9))).isoformat()[:19],
    )


def repeated(chance: random.Random, event: Event) -> Event:
    """Recorded once more, for another campaign or with another amount."""
    other = random_event(chance, 0)
    return event._replace(event_id=f"{event.event_id}-again", campaign_id=other.campaign_id, amount=other.amount)


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
            "history": [e.event_id for e in v["history"]],
        }
        got = {name: row[name] for name in said}
        got["flags"] = {*row["flags"]}
        got["history"] = [e["event_id"] for e in row["history"]]
        said["history"].sort()
        got["history"].sort()
        assert got == said, voucher_id
    steps = ("issued", "claimed", "redeemed", "returned", "voided", "expired", "redeemed_amount")
    funnel = {(r.coupon_run_id, r.business_date): [r[s] for s in steps] for r in lake.read(COUPON_FUNNEL).collect()}
    assert funnel == model.funnel(expected, runs)
    for r in lake.read(COUPON_RUNS).collect():
        mine = [v for voucher_id, v in expected.items() if runs[voucher_id] == r.coupon_run_id]
        assert r.redeemed == sum(model.in_force(v, as_of) for v in mine)
        waits = [(model.day(v["redeemed_at"]) - v["first_on"]).days for v in mine if v["redeemed_at"]]
        assert r.days_to_redeem == (median(waits) if waits else None)
    for c in lake.read(COUPON_COHORTS).collect():
        on, run_id = c.first_on + timedelta(days=c.days_since), c.coupon_run_id
        mine = [v for voucher_id, v in expected.items() if (runs[voucher_id], v["first_on"]) == (run_id, c.first_on)]
        assert c.redeemed == sum(model.in_force(v, on) for v in mine)
    owed = lake.read(COUPON_LIABILITY).where(F.col("as_of") == F.lit(as_of)).collect()
    assert {r.coupon_run_id: (r.open_vouchers, r.expired_vouchers) for r in owed} == model.liability(expected, runs)
    undecided = {v for v, state in expected.items() if state["campaign_id"] is None}
    assert {r.voucher_id for r in lake.read(COUPON_MAPPING_REVIEW).collect()} == undecided


def set_up(lake: Lake, world: model.World) -> None:
    for coupon_id, valid_to in COUPONS.items():
        coupon(lake, coupon_id, valid_to)
    world.valid_to = {c: v for c, v in COUPONS.items() if v}


def campaigns_come(lake: Lake, world: model.World) -> None:
    """Two of a coupon, one with a list; and one of nobody knows which, from which a member was held out."""
    campaign(lake, "P1", date(2026, 11, 1), date(2026, 11, 20), "K1")
    campaign(lake, "P2", date(2026, 11, 10), date(2026, 12, 5), "K1")
    campaign(lake, "P3", date(2026, 11, 5), date(2026, 12, 15))
    world.links = {("K1", "P1"), ("K1", "P2")}
    world.windows = {
        "P1": (date(2026, 11, 1), date(2026, 11, 20)),
        "P2": (date(2026, 11, 10), date(2026, 12, 5)),
        "P3": (date(2026, 11, 5), date(2026, 12, 15)),
    }
    sent(lake, world, "P2", "2026-11-09", "m2")
    sent(lake, world, "P3", "2026-11-09", "m1", is_control=True)


def later_facts_come(lake: Lake, world: model.World) -> None:
    """Lists, one of them to come; decisions, one of them to come; an order."""
    sent(lake, world, "P3", "2026-11-09", "m2")
    sent(lake, world, "P1", "2026-12-09", "m2")
    world.decisions = [
        model.Decision("K2", "P8", "2026-11-02", from_on=date(2026, 11, 5), to_on=date(2026, 11, 25)),
        model.Decision("K1", "P9", "2026-12-05", voucher_id="V3"),
    ]
    for d in world.decisions:
        about = {"voucher_id": d.voucher_id, "from_on": d.from_on, "to_on": d.to_on, "decided_at": utc(d.at)}
        override(lake, d.coupon_id, d.campaign_id, **about)
    world.orders = {"o1": "2026-11-12"}
    lake.append(ORDERS, orders(lake.spark, [Order("o1", "m1", world.orders["o1"], "50.00")]))


def sent(lake: Lake, world: model.World, campaign_id: str, at: str, member: str, is_control: bool = False) -> None:
    contacts(lake, campaign_id, at, member, is_control=is_control)
    world.contacts[campaign_id, member] = (at, is_control)


def all_rows(lake: Lake) -> dict[str, list[str]]:
    return {t.name: sorted(map(str, lake.read(t).collect())) for t in TABLES if t.name != "coupon_alerts"}


def test_any_arrival_ends_in_what_the_model_says(lake: Lake) -> None:
    """Batches in random order with repeats and corrections, a run after each; other facts come in between."""
    chance, world = random.Random(SEED), model.World()
    set_up(lake, world)
    all_events = [random_event(chance, n) for n in range(50)]
    all_events += [repeated(chance, e) for e in all_events if e.voucher_id is None][:8]
    all_events += [corrected(chance, e) for e in chance.sample(all_events, 8)]
    chance.shuffle(all_events)
    as_of, a_batch = date(2026, 11, 10), len(all_events) // 3 + 1
    for step in range(3):
        batch = all_events[step * a_batch : (step + 1) * a_batch] + chance.sample(all_events[: (step + 1) * a_batch], 3)
        events(lake, *dict.fromkeys(batch))
        world.take(batch)
        if step == 0:
            campaigns_come(lake, world)
        elif step == 1:
            later_facts_come(lake, world)
        else:
            sent(lake, world, "P2", "2026-11-09", "m2", is_control=True)  # nobody is left on the list
            world.orders["o1"] = "2027-01-01"  # corrected: not known by as_of any more
            lake.upsert(ORDERS, orders(lake.spark, [Order("o1", "m1", world.orders["o1"], "50.00")]))
        as_of += timedelta(days=chance.randrange(20))
        run(lake, as_of)
        same_as_model(lake, world, as_of)
    folded = all_rows(lake)
    run(Lake(lake.spark, lake.conf, rebuild=True), as_of)
    assert all_rows(lake) == folded

    run(lake, date(2026, 11, 15))  # back
    same_as_model(lake, world, date(2026, 11, 15))


def test_a_past_day_sees_no_later_definition_or_decision(lake: Lake) -> None:
    def found(as_of: date) -> dict[str, tuple[str | None, list[str]]]:
        run(lake, as_of)
        return {v: (r["campaign_id"], r["flags"]) for v, r in rows(lake, VOUCHERS, "voucher_id").items()}

    coupon(lake, "K1", None)
    campaign(lake, "P1", date(2026, 11, 1), date(2026, 11, 30), "K1")
    events(lake, Event("1", "K1", "A", "issued", "2026-11-02"), Event("2", "K2", "B", "issued", "2026-11-02"))
    coupon(lake, "K2", None, since="2026-11-14 16:00", campaign_id="P2")  # Shanghai: the 15th
    override(lake, "K1", "by hand", voucher_id="A", decided_at=utc("2026-11-14 16:00"))
    before = {"A": ("P1", []), "B": ("P1", ["unknown_coupon"])}
    assert found(date(2026, 11, 14)) == before
    assert found(date(2026, 11, 15)) == {"A": ("by hand", []), "B": ("P2", [])}
    assert found(date(2026, 11, 10)) == before
    override(lake, "K1", "second thoughts", voucher_id="A", decided_at=utc("2026-11-19"))
    assert found(date(2026, 11, 15))["A"] == ("by hand", [])  # as that day had it
    assert found(date(2026, 11, 20))["A"] == ("second thoughts", [])


def test_orders_of_a_day_that_change_later_and_of_nights_that_were_skipped(lake: Lake) -> None:
    def placed(*given: Order, updated: str | None = None) -> None:
        with_coupon = F.when(F.col("net_amount") == 30, "K1")  # what tells them apart here
        lake.upsert(ORDERS, orders(lake.spark, given, updated).withColumn("coupon_id", with_coupon))

    events(lake, Event("1", "K1", "A", "issued", "2026-11-02"))
    placed(
        Order("cancelled later", "m", "2026-11-03", "50.00"),
        Order("kept", "m", "2026-11-03", "20.00"),
        Order("refunded later", "m", "2026-11-03", "30.00"),
        Order("tomorrow's", "m", "2026-11-03 16:00", "40.00"),  # Shanghai: the 4th
    )
    run(lake, date(2026, 11, 3))
    day = ("as_of", "with_coupon", "orders", "net_amount", "average_order_value")
    first = {(date(2026, 11, 3), False, 2, 70, 35.0), (date(2026, 11, 3), True, 1, 30, 30.0)}
    assert {tuple(r) for r in lake.read(COUPON_ORDERS).select(*day).collect()} == first
    placed(
        Order("cancelled later", "m", "2026-11-03", "50.00", status="cancelled"),
        Order("refunded later", "m", "2026-11-03", "0.00", refunded_amount="30.00"),
        updated="2026-11-05",
    )
    placed(Order("late", "m", "2026-11-02", "30.00"), Order("last", "m", "2026-11-06", "10.00"))
    run(lake, date(2026, 11, 6))
    then = {
        (date(2026, 11, 2), True, 1, 30, 30.0),
        (date(2026, 11, 3), False, 1, 20, 20.0),
        (date(2026, 11, 4), False, 1, 40, 40.0),  # nobody ran the job that night
        (date(2026, 11, 6), False, 1, 10, 10.0),
    }
    assert {tuple(r) for r in lake.read(COUPON_ORDERS).select(*day).collect()} == then


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
        Event("2", "K1", None, "redeemed", "2026-11-03", amount="4.00"),  # one campaign: it is of that issue
        Event("3", "K1", None, "redeemed", "2026-11-03", amount="5.00"),  # the same, recorded twice
        Event("4", "K1", None, "redeemed", "2026-11-05"),  # another, whose issue nobody recorded
        Event("5", "K2", None, "issued", "2026-11-02", campaign_id="P2"),
        Event("6", "K2", None, "redeemed", "2026-11-03"),  # which campaign is not known: not of that issue
        Event("7", "K3", None, "issued", "2026-11-02", campaign_id="P3"),
        Event("8", "K3", None, "issued", "2026-11-02", campaign_id="P4"),
        Event("9", "K3", None, "redeemed", "2026-11-03", campaign_id=None, amount="1.00"),
        Event("9-P4", "K3", None, "redeemed", "2026-11-03", campaign_id="P4", amount="1.00"),  # once for each campaign
        Event("9-P5", "K3", None, "redeemed", "2026-11-03", campaign_id="P5", amount="1.00"),
        Event("9-other", "K3", None, "redeemed", "2026-11-03", member_id="other", campaign_id="P5", amount="1.00"),
    )
    conf = configured("coupons.claim_required=false")
    run(lake, date(2026, 11, 30), conf)
    held = rows(lake, VOUCHERS, "voucher_id")
    unrecorded = ["issue_unrecorded"]
    assert {v: (r["status"], r["redeemed_amount"], len(r["history"]), r["flags"]) for v, r in held.items()} == {
        "K1/m/P1/2026-11-02T00:00:00": ("redeemed", 4, 3, []),
        "K1/m/P1/2026-11-05T00:00:00": ("redeemed", None, 1, unrecorded),
        "K2/m/P2/2026-11-02T00:00:00": ("issued", None, 1, []),
        "K2/m//2026-11-03T00:00:00": ("redeemed", None, 1, unrecorded),
        "K3/m/P3/2026-11-02T00:00:00": ("issued", None, 1, ["unknown_coupon"]),
        "K3/m/P4/2026-11-02T00:00:00": ("redeemed", 1, 4, ["several_campaigns", "unknown_coupon"]),
        "K3/other/P5/2026-11-03T00:00:00": ("redeemed", 1, 1, [*unrecorded, "unknown_coupon"]),
    }
    assert {held[v]["method"] for v in held} == {"recorded", None}
    of_runs = {
        r: (row["redeemed"], row["redeemed_amount"]) for r, row in rows(lake, COUPON_RUNS, "coupon_run_id").items()
    }
    assert of_runs == {
        "K1/P1": (2, 4),
        "K2/P2": (0, 0),
        "K2@2026-11-03": (1, 0),
        "K3/P3": (0, 0),
        "K3/P4": (1, 1),
        "K3/P5": (1, 1),
    }


def test_signs_of_abuse_are_of_the_day_that_vouchers_stand_at(lake: Lake) -> None:
    def found() -> list[tuple[Any, ...]]:
        return [(r.as_of, r.reason, r.subject_id, r.value) for r in lake.read(COUPON_ALERTS).collect()]

    signs, conf, stands = (
        jobs.find("coupon_alerts"),
        configured("coupons.alerts.redeemed_by_others=1"),
        date(2026, 11, 4),
    )
    events(
        lake,
        Event("1", "K1", "A", "issued", "2026-11-02"),
        Event("2", "K1", "A", "redeemed", "2026-11-03", member_id="other"),
    )
    run(lake, stands)
    signs.run(lake, conf, stands)
    assert found() == [(stands, "redeemed_by_others", "m", 1)]
    said = "gold.vouchers are as of 2026-11-04: run `memberlake run coupons --as-of 2026-11-03` first"
    with pytest.raises(UserError, match=said):
        signs.run(lake, conf, date(2026, 11, 3))
    assert found() == [(stands, "redeemed_by_others", "m", 1)]


def test_who_redeemed_is_whose_redemption_is_in_force(lake: Lake) -> None:
    """Of two at one instant the later id counts: for the voucher, and for whom it accuses."""
    events(
        lake,
        Event("0", "K1", "A", "claimed", "2026-11-01"),
        Event("1", "K1", "A", "redeemed", "2026-11-02", order_id="o1"),
        Event("2", "K1", "A", "redeemed", "2026-11-02", member_id="other", order_id="o2"),
    )
    run(lake, date(2026, 11, 4))
    assert rows(lake, VOUCHERS, "voucher_id")["A"]["order_id"] == "o2"
    jobs.find("coupon_alerts").run(lake, configured("coupons.alerts.redeemed_by_others=1"), date(2026, 11, 4))
    assert [(r.reason, r.subject_id) for r in lake.read(COUPON_ALERTS).collect()] == [("redeemed_by_others", "m")]


def test_a_return_of_nothing_does_not_put_off_an_expiry(lake: Lake) -> None:
    coupon(lake, "K1", "2026-11-10")
    returns = [Event(f"r{n}", "K1", "B", "returned", f"2026-11-{n}") for n in (12, 14)]
    events(
        lake,
        Event("1", "K1", "A", "issued", "2026-11-02"),
        Event("2", "K1", "A", "returned", "2026-11-12"),
        Event("3", "K1", "B", "issued", "2026-11-02"),
        Event("4", "K1", "B", "redeemed", "2026-11-09"),
        *returns,  # the second returns nothing
    )
    run(lake, date(2026, 11, 20))
    funnel = lake.read(COUPON_FUNNEL).where("expired > 0").select("business_date", "expired")
    assert {tuple(row) for row in funnel.collect()} == {(date(2026, 11, 10), 1), (date(2026, 11, 12), 1)}


def test_a_list_of_a_campaign_without_a_window_mends_the_review(lake: Lake) -> None:
    def found() -> set[tuple[str, bool]]:
        return {(r.voucher_id, r.in_audience) for r in lake.read(COUPON_MAPPING_REVIEW).collect()}

    links(lake, ("K1", "P9"))  # a campaign that nobody knows
    events(lake, *[Event(m, "K1", m.upper(), "issued", "2026-11-02", m) for m in ("a", "b")])
    campaign(lake, "P1", date(2026, 1, 1), date(2026, 1, 2))
    contacts(lake, "P1", "2026-01-01", "a")
    run(lake, date(2026, 11, 12))
    assert found() == {("A", True), ("B", True)}
    contacts(lake, "P9", "2026-11-03", "a")
    run(lake, date(2026, 11, 12))
    assert found() == {("A", True), ("B", False)}


def test_vouchers_whose_history_is_cut_are_folded_from_all_events(lake: Lake) -> None:
    """Also the other copies of their coupon and member; and an order may come that their row does not name."""

    def many(prefix: str, voucher_id: str | None, order_id: str | None = None) -> list[Event]:
        turns = [
            Event(
                f"{prefix}{n:02}", "K1", voucher_id, ("returned", "redeemed")[n % 2], f"2026-11-02 {n:02}:00",
                order_id=order_id if n == 5 else None,
            )
            for n in range(1, 12)
        ]  # fmt: skip
        return [Event(f"{prefix}00", "K1", voucher_id, "issued", "2026-11-01"), *turns]

    def night() -> dict[str, list[str]]:
        run(lake, date(2026, 11, 12), configured("coupons.history_cap=10"))
        held = rows(lake, VOUCHERS, "voucher_id")
        flagged = {v for v, r in held.items() if "history_capped" in r["flags"]}
        assert flagged == {"V", "K1/m//2026-11-01T00:00:00"}
        assert all(len(held[v]["history"]) == 10 for v in flagged)
        assert ("unknown_order" in held["V"]["flags"]) == (not lake.rows(ORDERS))
        return {v: [e["event_id"] for e in r["history"]] for v, r in held.items() if v not in flagged}

    second = "K1/m//2026-11-07T00:00:00"
    events(lake, *many("a", None), Event("x7", "K1", None, "issued", "2026-11-07"), *many("b", "V", "o1"))
    assert night() == {second: ["x7"]}
    events(lake, Event("x8", "K1", None, "claimed", "2026-11-08"))
    lake.upsert(ORDERS, orders(lake.spark, [Order("o1", "m", "2026-11-03", "45.50")]))
    assert night() == {second: ["x7", "x8"]}
    events(lake, Event("x9", "K1", None, "redeemed", "2026-11-09"))
    assert night() == {second: ["x7", "x8", "x9"]}


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

    shutil.rmtree(lake.location(COUPON_DAYS))  # as the message of a changed contract says
    events(lake, Event("f", "K1", "E", "claimed", "2026-12-03"))
    run(Lake(lake.spark, lake.conf), date(2026, 12, 31))
    assert {r: row["vouchers"] for r, row in rows(lake, COUPON_RUNS, "coupon_run_id").items()} == {
        r: vouchers for r, (_, vouchers, _) in numbers.items()
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
