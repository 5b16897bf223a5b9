"""The kpi job on a real lake, against plain loops over the same rows: whole, after changes, in the past, rebuilt."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.conftest import configured
from tests.jobs.kpi_reference import Reference, Row
from tests.jobs.orders import rows

from memberlake import jobs
from memberlake.kpi import metrics, since
from memberlake.lake.store import Lake
from memberlake.tables.gold.churn import CHURN_STATUS
from memberlake.tables.gold.coupons import VOUCHERS
from memberlake.tables.gold.kpi import KPI
from memberlake.tables.silver import (
    CAMPAIGN_CONTACTS,
    CAMPAIGN_COSTS,
    CAMPAIGN_RESPONSES,
    CAMPAIGNS,
    EVENTS,
    MEMBERS,
    ORDER_LINES,
    ORDERS,
    PRODUCTS,
)

pytestmark = pytest.mark.lake

CONF = configured("kpi.dimensions=[channel, city, category]")  # business time zone Asia/Shanghai
FIRST, DAYS = date(2026, 1, 28), 40
YESTERDAY, TODAY = date(2026, 3, 7), date(2026, 3, 10)  # a Saturday, and a Tuesday of the next week
TABLES = {
    "members": MEMBERS,
    "orders": ORDERS,
    "events": EVENTS,
    "campaigns": CAMPAIGNS,
    "contacts": CAMPAIGN_CONTACTS,
    "responses": CAMPAIGN_RESPONSES,
    "costs": CAMPAIGN_COSTS,
    "vouchers": VOUCHERS,
    "order_lines": ORDER_LINES,
    "products": PRODUCTS,
    "status": CHURN_STATUS,
}
PUSH = (  # attributes of members: only the second can be reached by the app
    None,
    {"has_app_push": "true", "consent_app_push": "true"},
    {"has_app_push": "true", "consent_app_push": "false"},
    {"consent_app_push": "true", "tier": "gold"},
    {"has_app_push": "true"},
)
SNAPSHOTS = (date(2026, 2, 20), YESTERDAY, TODAY, TODAY + timedelta(days=1))
BEFORE_SNAPSHOTS, BETWEEN_SNAPSHOTS = date(2026, 2, 10), date(2026, 3, 3)


def made(seed: int) -> dict[str, Any]:
    """A brand of a few weeks in which everything happens that the metrics tell apart."""
    rng = random.Random(seed)

    def instant(first: date = FIRST, last: date = TODAY + timedelta(days=3)) -> dict[str, Any]:
        """A random instant: `at` in UTC, `on` its date in Shanghai."""
        minutes = rng.randrange(((last - first).days + 1) * 24 * 60)
        local = datetime(first.year, first.month, first.day) + timedelta(minutes=minutes)
        return {"at": (local - timedelta(hours=8)).replace(tzinfo=timezone.utc), "on": local.date()}

    def maybe(share: float, value: Any) -> Any:
        return value if rng.random() < share else None

    data: dict[str, Any] = {**{name: [] for name in TABLES}, "churned": {}}
    for n in range(24):
        registered = instant()
        activated = maybe(0.6, instant(registered["on"]))
        member: Row = {
            "member_id": f"m{n}",
            "source": "shop",
            "registered_at": registered["at"],
            "on": registered["on"],
        }
        member |= {"city": maybe(0.8, rng.choice(["Shanghai", "Suzhou"])), "recorded_at": registered["at"]}
        member |= {"activated_at": activated and activated["at"], "activated_on": activated and activated["on"]}
        for kind in ("has_phone", "has_email", "has_qq", "has_wechat", "consent_sms", "consent_email", "consent_qq"):
            member[kind] = maybe(0.8, rng.random() < 0.5)
        member["consent_wechat"] = maybe(0.5, rng.random() < 0.3)
        member["attributes"] = PUSH[n % len(PUSH)]
        data["members"].append(member)
    on = TODAY + timedelta(days=1)  # activated before it registered, by a wrong clock: it counts from then on
    registered_at = datetime(on.year, on.month, on.day, tzinfo=timezone.utc)
    early = {"activated_at": registered_at - timedelta(days=3), "activated_on": on}
    data["members"][3] |= {"registered_at": registered_at, "recorded_at": registered_at, "on": on, **early}
    for n in range(5):
        starts = FIRST + timedelta(days=rng.randrange(DAYS))
        goal = rng.choice(["lead", "conversion", "fame", None])
        campaign = {"campaign_id": f"c{n}", "starts_on": starts, "ends_on": starts + timedelta(days=9), "goal": goal}
        data["campaigns"].append(campaign)
        for _ in range(2):
            on = starts + timedelta(days=rng.randrange(9))
            cost = {"campaign_id": f"c{n}", "cost_date": on, "cost_type": rng.choice(["media", "other"])}
            if all((c["campaign_id"], c["cost_date"], c["cost_type"]) != (*cost.values(),) for c in data["costs"]):
                data["costs"].append({**cost, "amount": Decimal(rng.randrange(1, 500)) / 4})
    for n in range(40):
        sent = instant()
        contact: Row = {
            "contact_id": f"k{n}",
            "campaign_id": f"c{rng.randrange(5)}",
            "member_id": f"m{rng.randrange(24)}",
        }
        contact |= {
            "channel": "sms",
            "sent_at": sent["at"],
            "on": sent["on"],
            "is_control": maybe(0.7, rng.random() < 0.2),
        }
        data["contacts"].append({**contact, "cost": maybe(0.5, Decimal("0.05"))})
        if rng.random() < 0.4:
            told = instant(sent["on"])
            response = {"response_id": f"r{n}", "contact_id": f"k{n}", "responded_at": told["at"], "on": told["on"]}
            data["responses"].append({**response, "response_type": rng.choice(["open", "lead", "conversion"])})
    for n in range(160):
        ordered = instant()
        refund = maybe(0.1, Decimal("5.00"))
        net = Decimal(rng.randrange(0, 4000)) / 100 if not refund else rng.choice([Decimal("0.00"), Decimal("3.00")])
        order: Row = {"order_id": f"o{n}", "member_id": maybe(0.85, f"m{rng.randrange(26)}")}  # m24, m25 are no members
        order |= {"ordered_at": ordered["at"], "on": ordered["on"], "updated_at": ordered["at"], "net_amount": net}
        order |= {"status": rng.choice(["paid", "completed", "cancelled", "created", "shipped"]), "gross_amount": net}
        order |= {"refunded_amount": refund, "channel": maybe(0.9, rng.choice(["app", "shop"]))}
        order |= {"marked_channel": maybe(0.1, "wechat"), "promo_code": maybe(0.1, "SPRING")}
        order |= {
            "campaign_id": maybe(0.05, f"c{rng.randrange(5)}"),
            "coupon_id": None,
            "voucher_id": maybe(0.15, f"v{n}"),
        }
        order |= {"coupon_amount": maybe(0.2, Decimal(rng.randrange(0, 3)))}
        order |= {"points_redeemed": maybe(0.2, rng.randrange(200)), "points_granted": maybe(0.4, rng.randrange(50))}
        data["orders"].append(order)
        if order["voucher_id"]:
            voucher: Row = {"voucher_id": f"v{n}", "coupon_id": "free", "coupon_run_id": "free-1", "status": "redeemed"}
            voucher |= {"order_id": maybe(0.7, f"o{n}"), "member_id": order["member_id"], "redeemed_at": ordered["at"]}
            voucher |= {
                "campaign_id": maybe(0.6, f"c{rng.randrange(5)}"),
                "redeemed_amount": maybe(0.7, Decimal("2.50")),
            }
            if voucher["order_id"] and n % 3 == 0:
                order["voucher_id"] = None  # the voucher names the order, the order no voucher
            data["vouchers"].append(
                {**voucher, "on": ordered["on"], "issued_month": FIRST, "flags": [], "updated_at": ordered["at"]}
            )
    for n in range(120):
        seen = instant(FIRST + timedelta(days=7))  # after the first data
        event: Row = {
            "event_id": f"e{n}",
            "visitor_id": f"d{rng.randrange(9)}",
            "member_id": maybe(0.5, f"m{rng.randrange(24)}"),
        }
        kind = rng.choice(["visit", "search", "unsubscribe"])
        event |= {"session_id": maybe(0.6, f"s{rng.randrange(50)}"), "event_type": kind, "occurred_at": seen["at"]}
        data["events"].append({**event, "on": seen["on"], "received_at": seen["at"]})
    data["products"] = [{"product_id": f"p{n}", "category": ("food", "care")[n % 2]} for n in range(4)]
    for order in data["orders"]:
        for n in range(rng.randrange(3)):
            line = {
                "order_id": order["order_id"],
                "line_no": n,
                "product_id": f"p{rng.randrange(5)}",
                "quantity": Decimal(1),
            }
            data["order_lines"].append({**line, "quantity": Decimal(1), "amount": Decimal(rng.randrange(100))})
    for n in range(26):  # churned by turns since they were known
        known = data["members"][n]["on"] if n < 24 else FIRST
        turns = sorted({known + timedelta(days=rng.randrange(20)) for _ in range(rng.randrange(6))})
        stretches = [*zip(turns[::2], [*turns[1::2], None], strict=False)]
        data["churned"][f"m{n}"] = {"known_on": known, "stretches": stretches}
    data["status"] = [
        {"as_of": day, "member_id": m, "known_on": c["known_on"], "is_churned": False, "rules": [], "stretches": seen}
        for day in SNAPSHOTS
        for m, c in data["churned"].items()
        if c["known_on"] <= day
        for seen in [[(a, b if b and b <= day else None) for a, b in c["stretches"] if a <= day]]
    ]
    return data


def put(lake: Lake, data: dict[str, Any]) -> None:
    for name, table in TABLES.items():
        if data.get(name):
            lake.append(table, rows(lake.spark, table, data[name]))


def run(lake: Lake, as_of: date) -> None:
    jobs.find("kpi").run(lake, CONF, as_of)


def found(lake: Lake) -> dict[tuple[Any, ...], Any]:
    """What the reference counts too."""
    left_out = {*metrics.DERIVED} - {"orders_per_visit"}
    return {
        (r.period, r.period_start, r.metric, r.dimension, r.dimension_value): (r.numerator, r.denominator, r.value)
        for r in lake.read(KPI).where(~F.col("metric").isin(*left_out)).collect()
        if r.dimension not in {"cost_type", "category", "kind", "permanence"}
    }


def everything(lake: Lake) -> dict[tuple[Any, ...], Any]:
    return {tuple(row[c] for c in KPI.key): row for row in lake.read(KPI).collect()}


def same(found: dict[tuple[Any, ...], Any], expected: dict[tuple[Any, ...], Any]) -> None:
    assert {k: found[k] for k in sorted(found.keys() - expected.keys())[:5]} == {}
    assert {k: expected[k] for k in sorted(expected.keys() - found.keys())[:5]} == {}
    differing = {k: (found[k], v) for k, v in expected.items() if found[k] != pytest.approx(v, nan_ok=False, abs=1e-9)}
    assert dict(list(differing.items())[:5]) == {}


@pytest.fixture(scope="module")
def brand() -> dict[str, Any]:
    return made(seed=8)


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return Lake(spark, configured(lake=str(tmp_path_factory.mktemp("kpi") / "lake")).lake)


def so_far(brand: dict[str, Any]) -> dict[str, Any]:
    """The rows that are there at first: none of later days, two orders of February are late, and so are lines of
    orders that are there and the categories of two products."""
    on = {"costs": "cost_date", "status": "as_of"} | dict.fromkeys(("members", "events", "contacts", "responses"), "on")
    there = {name: [r for r in brand[name] if r[day] <= YESTERDAY] for name, day in on.items()}
    late = [o["order_id"] for o in brand["orders"] if o["on"] < date(2026, 2, 20)][:2]
    there["orders"] = [r for r in brand["orders"] if r["on"] <= YESTERDAY and r["order_id"] not in late]
    there["vouchers"] = [r for r in brand["vouchers"] if r["on"] <= YESTERDAY and f"o{r['voucher_id'][1:]}" not in late]
    placed = {o["order_id"] for o in there["orders"]}
    there["order_lines"] = [r for r in brand["order_lines"] if r["order_id"] in placed and r["line_no"] == 0]
    return {**brand, **there, "products": brand["products"][:2]}


@pytest.fixture(scope="module")
def history(lake: Lake, brand: dict[str, Any]) -> dict[str, dict[tuple[Any, ...], Any]]:
    """What the table holds after each step of a lake's life."""
    told, at_first = {}, so_far(brand)
    for step, data, as_of in (
        ("first", at_first, YESTERDAY),
        ("next", {name: [r for r in brand[name] if r not in at_first[name]] for name in TABLES}, TODAY),
        ("past", {}, YESTERDAY),
    ):
        put(lake, data)
        run(lake, as_of)
        told[step], told[f"all of {step}"] = found(lake), everything(lake)
    renamed = {**told["all of past"]["day", FIRST, "orders", "all", "all"].asDict(), "metric": "of_an_older_version"}
    lake.append(KPI, rows(lake.spark, KPI, [renamed]))
    lake.rebuild = True
    run(lake, TODAY)
    told["all of rebuilt"] = everything(lake)
    lake.rebuild = False
    tomorrow = TODAY + timedelta(days=1)
    run(lake, tomorrow)
    told["a quiet night"], told["all of a quiet night"] = found(lake), everything(lake)
    run(lake, BEFORE_SNAPSHOTS)
    told["all of a past before the snapshots"] = everything(lake)
    run(lake, BETWEEN_SNAPSHOTS)
    run(lake, tomorrow)
    told["all of the night after both"] = everything(lake)
    early = {"event_id": "early", "occurred_at": datetime(2026, 1, 21, 4)}
    put(lake, {"events": [brand["events"][0] | early]})
    run(lake, tomorrow)
    told["all of an earlier beginning"] = everything(lake)
    lake.spark.sql(f"DELETE FROM {lake.name(EVENTS)} WHERE event_id = 'early'")
    run(lake, tomorrow)
    told["all of the beginning taken back"] = everything(lake)
    jobs.find("kpi").run(lake, configured("orders.counted_statuses=[completed]", "kpi.dimensions=[]"), YESTERDAY)
    told["all of a past by other settings"] = everything(lake)
    run(lake, tomorrow)
    told["all of the night after"] = everything(lake)
    lake.spark.sql(f"DELETE FROM {lake.name(EVENTS)}")
    run(lake, tomorrow)
    return {**told, "all without events": everything(lake)}


def test_everything_as_of_the_first_day(history: dict[str, Any], brand: dict[str, Any]) -> None:
    same(history["first"], Reference(so_far(brand), YESTERDAY).rows())


def test_what_changed_and_came_late_is_counted(history: dict[str, Any], brand: dict[str, Any]) -> None:
    same(history["next"], Reference(brand, TODAY).rows())


def test_a_day_more_is_counted_where_no_row_changed(history: dict[str, Any], brand: dict[str, Any]) -> None:
    same(history["a quiet night"], Reference(brand, TODAY + timedelta(days=1)).rows())


def test_a_day_of_the_past_is_exact_and_leaves_later_periods(history: dict[str, Any], brand: dict[str, Any]) -> None:
    is_seen = {True: {}, False: {}}  # type: ignore[var-annotated]
    for key, row in history["past"].items():
        is_seen[key[1] <= YESTERDAY][key] = row
    same(is_seen[True], Reference(brand, YESTERDAY).rows())
    assert is_seen[False] == {k: v for k, v in history["next"].items() if k[1] > YESTERDAY}


def test_a_rebuild_is_the_same(history: dict[str, Any]) -> None:
    rebuilt = history["all of rebuilt"]
    differing = {key: row for key, row in history["all of next"].items() if rebuilt.get(key) != row}
    assert [differing, rebuilt.keys() - history["all of next"].keys()] == [{}, set()]
    # of tables that are not there: gold.active_counts
    assert {metric for _, _, metric, *_ in rebuilt} == {*metrics.METRICS} - {*metrics.ACTIVITY}
    assert {dimension for *_, dimension, _ in rebuilt} >= {"category", "kind", "permanence", "goal", "cost_type"}


def test_without_orders_no_metric_of_orders_has_a_row(lake: Lake, tmp_path: Path) -> None:
    """Nobody knows whether nobody bought: no 0 %, and no alert that the brand dries up."""
    clicks = Lake(lake.spark, configured(lake=str(tmp_path / "lake")).lake)
    put(clicks, {name: made(seed=8)[name] for name in ("members", "events", "status")})
    run(clicks, TODAY)
    found = {metric for _, _, metric, *_ in everything(clicks)}
    assert {"registered_members", "visits", "churn_rate"} <= found
    assert [name for name in found if metrics.ORDERS in metrics.METRICS[name].sources] == []
    assert "movement_ratio_trend" not in found


def test_vouchers_of_another_day_are_warned_of(
    lake: Lake, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Enough(Exception):
        """It would have been said by now; the metrics are left out."""

    def stop(stored: DataFrame) -> DataFrame:
        raise Enough

    monkeypatch.setattr(since, "reached", stop)
    behind = Lake(lake.spark, configured(lake=str(tmp_path / "lake")).lake)
    redeemed_at = datetime(2026, 3, 7, 4, tzinfo=timezone.utc)
    voucher = {"voucher_id": "v", "coupon_id": "free", "coupon_run_id": "free-1", "status": "redeemed", "flags": []}
    voucher |= {"redeemed_at": redeemed_at, "updated_at": redeemed_at, "issued_month": date(2026, 3, 1)}
    put(behind, {"vouchers": [voucher]})
    behind.set_at("coupons", YESTERDAY)
    for as_of, said in ((YESTERDAY, []), (TODAY, ["gold.vouchers is as of 2026-03-07"])):
        caplog.clear()
        with pytest.raises(Enough):
            run(behind, as_of)
        assert [text.split(",")[0] for text in caplog.messages if "run coupons first" in text] == said


def test_when_the_first_data_is_of_another_day(history: dict[str, Any]) -> None:
    """Days without data have rows of every table's metrics from the first data on, and none before."""
    before = ("day", FIRST - timedelta(days=7))
    first_day = {metric for *day, metric, _, _ in history["all of an earlier beginning"] if (*day,) == before}
    assert {"visits", "registered_members", "orders"} <= first_day
    assert history["all of the beginning taken back"] == history["all of a quiet night"]


def test_when_a_table_is_empty_again_its_metrics_are_gone(history: dict[str, Any]) -> None:
    """No day has visits then, not even those before the first event."""
    assert {metric for _, _, metric, *_ in history["all without events"]} & {"visits", "orders_per_visit"} == set()


def test_a_past_day_by_other_settings_is_counted_again(history: dict[str, Any]) -> None:
    assert history["all of a past by other settings"] != history["all of a quiet night"]
    assert history["all of the night after"] == history["all of a quiet night"]


def test_a_past_day_without_a_snapshot_knows_no_churn_and_leaves_no_hole(history: dict[str, Any]) -> None:
    past = history["all of a past before the snapshots"]
    of_churn = {*metrics.CHURN_METRICS, "winbacks"}
    assert {metric for _, day, metric, *_ in past if day <= BEFORE_SNAPSHOTS and metric in of_churn} == set()
    assert history["all of the night after both"] == history["all of a quiet night"]


def test_shares_of_the_same_days_before_add_up(history: dict[str, Any]) -> None:
    """Also those of methods that have nothing in the running period."""
    found = {key: row for key, row in history["all of next"].items() if key[2] == "attributed_share"}
    for period, start in (("week", date(2026, 3, 9)), ("month", date(2026, 3, 1))):
        before = {key[4]: row.same_days_before for key, row in found.items() if key[:2] == (period, start)}
        attributed = before.pop("all")
        assert sum(before.values()) == pytest.approx(1)
        assert 1 - before["none"] == pytest.approx(attributed)


def test_corrections_and_erasures_touch_days_before_them(lake: Lake, tmp_path: Path) -> None:
    """A response that a wrong clock puts before its contact follows the contact and its campaign. And of a member
    who is erased with the order from which on they were known, before the registration, only the snapshot tells."""
    told = Lake(lake.spark, configured(lake=str(tmp_path / "lake")).lake)
    contact = {"contact_id": "k", "campaign_id": "a", "member_id": "n", "channel": "sms"}
    contact |= {"sent_at": datetime(2026, 3, 4), "recorded_at": datetime(2026, 3, 5)}
    lead = {"response_id": "r", "contact_id": "k", "responded_at": datetime(2026, 2, 25), "response_type": "lead"}
    campaign = {"campaign_id": "b", "starts_on": YESTERDAY, "ends_on": TODAY}
    recorded = {"source": "shop", "recorded_at": datetime(2026, 3, 5)}
    erased = {**recorded, "member_id": "m", "city": "Suzhou", "registered_at": datetime(2026, 3, 5)}
    other = {**recorded, "member_id": "n", "city": None, "registered_at": datetime(2026, 3, 1)}
    order = {"order_id": "o", "member_id": "m", "ordered_at": datetime(2026, 3, 2), "status": "paid"}
    order |= {"gross_amount": Decimal(9), "net_amount": Decimal(9), "updated_at": datetime(2026, 3, 2)}
    known = {"member_id": "m", "known_on": date(2026, 3, 2), "is_churned": False, "rules": [], "stretches": []}
    put(told, {"contacts": [contact], "responses": [lead], "campaigns": [campaign], "members": [erased, other]})
    stays = {**order, "order_id": "p", "member_id": "n"}
    put(told, {"orders": [order, stays], "status": [{**known, "as_of": YESTERDAY}]})
    run(told, YESTERDAY)
    own = {"cost_per_goal": "goal", "leads": "campaign"}

    def found() -> set[tuple[str, str]]:
        day = ("day", date(2026, 2, 25))  # in a month before the order's: its deletion does not touch it
        return {(key[2], key[4]) for key in everything(told) if key[:2] == day and own.get(key[2]) == key[3]}

    def cities() -> set[str]:
        return {key[4] for key in everything(told) if key[3] == "city"}

    assert (found(), cities()) == ({("leads", "a")}, {"Suzhou", "unknown"})
    corrected = {**contact, "campaign_id": "b", "recorded_at": datetime(2026, 3, 6)}
    told.upsert(CAMPAIGN_CONTACTS, rows(told.spark, CAMPAIGN_CONTACTS, [corrected]))
    told.spark.sql(f"DELETE FROM {told.name(ORDERS)} WHERE order_id = 'o'")
    run(told, YESTERDAY)
    assert found() == {("leads", "b")}
    has_goal = {**campaign, "goal": "lead", "recorded_at": datetime(2026, 3, 6)}
    told.upsert(CAMPAIGNS, rows(told.spark, CAMPAIGNS, [has_goal]))
    told.spark.sql(f"DELETE FROM {told.name(MEMBERS)} WHERE member_id = 'm'")
    run(told, YESTERDAY)
    assert (found(), cities()) == ({("leads", "b"), ("cost_per_goal", "lead")}, {"unknown"})
