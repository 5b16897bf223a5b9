"""Features at a snapshot: what literal members have, that nothing later is seen, and what a planted leak does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from tests.conftest import configured
from tests.transforms.test_churn_rules import NO_ORDER, D, at, contact, day, rows

from memberlake.churn import facts, features, measure, rules, snapshots, training
from memberlake.churn.facts import Facts
from memberlake.churn.features import DECLARED, SOURCES, Feature, Reading
from memberlake.conf import Conf
from memberlake.errors import NotYet
from memberlake.made import write
from memberlake.made.world import World
from memberlake.tables.gold.churn import CHURN_FEATURES

ACTIVE = configured().activity.active_event_types


def table(known: Facts, days: list[date], share: float = 1.0) -> DataFrame:
    examples = known.known.select("member_id", F.explode(F.array(*map(F.lit, days))).alias("as_of"))
    seen = examples.join(known.known, on="member_id").where("known_on <= as_of").select("as_of", "member_id")
    seen = snapshots.drawn(seen, share, 1)
    groups = {name: group.persist() for name, group in measure.measured(known, seen, days, ACTIVE).items()}
    return measure.table(seen, known, groups, 5).persist()


def order(member: str, back: int, amount: str, **given: Any) -> dict[str, Any]:
    return {
        "order_id": f"{member}{back}", "member_id": member, "ordered_at": at(back), "status": "paid",
        "net_amount": Decimal(amount), **given,
    }  # fmt: skip


def event(kind: str, back: int, member: str | None, visitor: str = "device", session: str | None = None) -> Any:
    return {
        "event_id": f"{kind}{back}{member}", "visitor_id": visitor, "member_id": member, "event_type": kind,
        "occurred_at": at(back), "session_id": session or f"s{back}",
    }  # fmt: skip


@pytest.fixture(scope="module")
def literal(spark: SparkSession) -> Facts:
    given: dict[str, list[Any]] = {
        "members": [
            {"member_id": "m", "registered_at": at(400), "activated_at": at(10), "gender": "F",
             "acquisition_channel": "web", "birth_date": date(1996, 11, 20)},
            {"member_id": "quiet", "registered_at": at(0), "activated_at": at(-3), "gender": "M"},
            {"member_id": "sleeper", "registered_at": at(500)},
            {"member_id": "new", "registered_at": at(0)},
            {"member_id": "registered late", "registered_at": at(5), "activated_at": at(30)},  # bought as a guest first
        ],
        "orders": [
            order("registered late", 380, "15.00"),
            order("m", 370, "1.00"),  # no feature's window holds it, but the next gap begins with it
            order("m", 120, "50.00", coupon_amount=Decimal("2.00")),
            order("m", 90, "20.00", coupon_id="k", coupon_amount=Decimal("0.00")),
            order("m", 89, "30.00", promo_code="p", discount_amount=Decimal("3.00"), points_redeemed=7),
            order("m", 0, "10.00"),
            order("m", 1, "99.00", status="cancelled"),
            order("m", -1, "77.00"),  # tomorrow's
        ],
        "lines": [
            {"order_id": "m120", "product_id": "red"}, {"order_id": "m89", "product_id": "rye"},
            {"order_id": "m89", "product_id": "white"}, {"order_id": "m0", "product_id": "unheard of"},
            {"order_id": "m1", "product_id": "rye"},
        ],
        "products": [
            {"product_id": "red", "category": "wine"}, {"product_id": "white", "category": "wine"},
            {"product_id": "rye", "category": "bread"},
        ],
        "events": [
            event("page_view", 40, None), event("search", 40, None),  # one visit, before anyone was known
            event("login", 20, "m"), event("page_view", 20, "m"), event("campaign_enquiry", 20, "m"),
            event("add_to_cart", 5, None),  # of the member that the device was last of
            event("login", 4, "other"), event("add_to_cart", 3, None),  # the device is another's from here on
            {**event("search", 5, "m"), "session_id": None}, {**event("login", 5, "m"), "session_id": None},  # one too
            event("coupon_seen", 9, "m"), {**event("coupon_seen", 6, None), "session_id": None},  # no visit: not active
            event("page_view", 2, None, visitor="a stranger's"),
            event("login", 400, "sleeper", "tablet"), event("page_view", 365, None, "tablet"),
            event("page_view", 364, None, "tablet"),  # theirs by a login that no feature's window holds
            event("login", -1, "quiet", visitor="known tomorrow"), event("page_view", 1, None, "known tomorrow"),
            {**event("page_view", 0, None, "phone", "looked"), "occurred_at": at(0) - timedelta(hours=1)},
            event("login", 0, "new", "phone", "registered"),  # on the day on which they had looked around
        ],
        "campaigns": [],
        "contacts": [contact("c1", "m", 100), contact("c2", "m", 50), contact("c3", "m", 5, control=True)],
        "responses": [{"contact_id": "c2", "responded_at": at(49)}, {"contact_id": "c2", "responded_at": at(-1)}],
        "coupon_events": [
            {"event_id": f"{t}{b}", "member_id": "m", "event_type": t, "occurred_at": at(b)}
            for t, b in (("claimed", 95), ("redeemed", 90), ("redeemed", 365), ("issued", 99))
        ],
    }  # fmt: skip
    frames: dict[str, Any] = {name: rows(spark, table, given[name]) for name, table in facts.TABLES.items()}
    return facts.until(frames, as_of=D, zone="UTC", statuses=("paid",))


def test_features_of_literal_members(literal: Facts) -> None:
    found = {row["member_id"]: row.asDict() for row in table(literal, [D]).collect()}
    m = found["m"]
    expected = {
        "recency_days": 0, "orders_30": 1, "orders_90": 2, "orders_90_before": 2, "orders_365": 4, "spent_90": 40,
        "spent_90_before": 70, "spent_365": 110, "discount_365": 3, "coupon_orders_365": 3, "points_365": 7,
        "gap_longest": 250, "gap_mean": (250 + 30 + 1 + 89) / 4, "first_order_days": 370, "overdue": 0,
        "basket_365": 27.5, "orders_trend": 0.5, "coupon_share": 0.75, "items_90": 3, "categories_365": 2,
        "visits_30": 2, "visits_90": 3, "visit_days": 5, "logins_90": 2, "login_days": 5, "page_views_90": 2,
        "searches_90": 2, "actions_90": 4, "carts_90": 1, "enquiries_365": 1, "anonymous_visits_365": 1,
        "contacts_90": 1, "contacts_365": 2, "responses_365": 1, "response_rate": 0.5, "response_days": 49,
        "claimed_365": 1, "redeemed_365": 1, "tenure_days": 400, "activated_days": 10, "gender": "F",
        "acquisition_channel": "web", "r_score": 1, "f_score": 1, "m_score": 1,
    }  # fmt: skip
    assert {name: m[name] for name in expected} == expected
    assert m["gap_deviation"] == pytest.approx(96.3029, abs=0.0001)
    assert m["age_years"] == pytest.approx(30, abs=0.01)
    quiet = found["quiet"]  # nothing but a registration: counts are 0, what never was is NULL
    expected = {
        "recency_days": None, "orders_365": 0, "spent_365": 0, "gap_mean": None, "overdue": None, "orders_trend": None,
        "visits_90": 0, "visit_days": None, "tenure_days": 0, "activated_days": None, "gender": "M",
        "acquisition_channel": None, "r_score": None,
    }  # fmt: skip
    assert {name: quiet[name] for name in expected} == expected
    expected = {"visit_days": 364, "visits_90": 0, "login_days": None, "anonymous_visits_365": 0}
    assert {name: found["sleeper"][name] for name in expected} == expected
    assert (found["new"]["visits_30"], found["new"]["anonymous_visits_365"]) == (2, 1)


def test_an_activation_is_known_from_the_registration_on(literal: Facts) -> None:
    """No member's row is read before its day, even if it tells of an earlier one."""
    days = [day(6), day(5)]
    found = {row["as_of"]: row for row in table(literal, days).where("member_id = 'registered late'").collect()}
    assert [(found[d]["tenure_days"], found[d]["activated_days"]) for d in days] == [(None, None), (0.0, 25.0)]


def test_the_frame_is_that_of_the_contract(literal: Facts) -> None:
    found = {f.name: f.dataType.simpleString() for f in table(literal, [D]).schema.fields}
    assert {c.name: c.type.simpleString() for c in CHURN_FEATURES.columns}.items() <= found.items()


@pytest.fixture(scope="module")
def made(spark: SparkSession, rules: Conf) -> dict[str, Any]:
    small = dataclasses.replace(World(spark, rules.made, 1000, rules.business_timezone), partitions=1)
    return {name: write.clean(small, table).persist() for name, table in facts.TABLES.items()}


def test_a_snapshot_is_the_same_however_far_the_lake_reaches(made: dict[str, Any], rules: Conf) -> None:
    """What the past says of a day must not change with later rows: a feature that saw one would differ."""
    then, now = date(2025, 3, 1), date(2025, 9, 1)
    given = {"zone": rules.business_timezone, "statuses": rules.orders.counted_statuses}
    alone = table(facts.until(made, as_of=then, **given), [then])  # type: ignore[arg-type]
    among = table(facts.until(made, as_of=now, **given), [date(2025, 1, 5), then, now])  # type: ignore[arg-type]
    assert alone.count() > 40
    assert_df_equality(among.where(F.col("as_of") == F.lit(then)), alone, ignore_row_order=True, ignore_nullable=True)
    assert measure.only_leaks(among).isEmpty()
    totals = alone.agg(*[F.sum(f.name).alias(f.name) for f in DECLARED if not f.is_text]).first()
    assert totals is not None
    assert {name for name, total in totals.asDict().items() if not total} <= {"anonymous_visits_365"}  # all are alive


def test_a_member_has_the_same_features_whoever_else_is_drawn(made: dict[str, Any], rules: Conf) -> None:
    """Scores too: they are among all members of the day."""
    day = date(2025, 9, 1)
    known = facts.until(made, as_of=day, zone=rules.business_timezone, statuses=rules.orders.counted_statuses)
    every, some = table(known, [day]), table(known, [day], share=0.3)
    assert 0 < some.count() < every.count() / 2
    theirs = every.join(some.select("member_id"), on="member_id", how="left_semi").select(*some.columns)
    assert_df_equality(some, theirs, ignore_row_order=True, ignore_nullable=True)


def planted(name: str, reading: Callable[[], Reading], source: str = "orders") -> Feature:
    return Feature(name, source, 365 if source == "orders" else None, "planted", reading)


def test_features_that_are_built_wrongly_are_refused(literal: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next order for the one before; a window to the other side; a total of later days, too; a later column."""
    then = day(12)
    order_days, own = measure._order_days, measure.own

    def leaky_days(known: Facts) -> measure.Days:
        of_member = Window.partitionBy("member_id").orderBy("on")
        next_one, from_now_on = of_member.rowsBetween(1, 1), of_member.rowsBetween(0, Window.unboundedFollowing)
        return (
            order_days(known)
            .across(next_one, F.max("on"), next_gap=lambda next_on: F.date_diff(next_on, "on"))
            .across(from_now_on, F.max("on"), last_gap=lambda last_on: F.date_diff(last_on, "on"))
            .across(Window.partitionBy("member_id"), F.sum("net_amount"), total=lambda total: total)
        )

    of_orders = [planted(name, features._over(name, 365, F.max)) for name in ("next_gap", "last_gap", "total")]
    activated = F.date_diff("as_of", "activated_on")  # whether or not it is known
    of_members = planted("activated", lambda: Reading(activated, F.lit(True), "activated_on"), "members")
    leaks = {"orders": of_orders, "members": [of_members]}
    monkeypatch.setattr(measure, "_order_days", leaky_days)
    monkeypatch.setattr(measure, "own", lambda group: [*own(group), *leaks.get(group, [])])
    leaky = table(literal, [then]).where("member_id = 'm'")
    assert {tuple(row) for row in measure.only_leaks(leaky).collect()} == {
        (then, "next_gap", D), (then, "last_gap", D), (then, "total", D), (then, "activated", day(10)),
    }  # fmt: skip
    with pytest.raises(ValueError, match=f"feature activated at {then} saw {day(10)}: a leak; refused"):
        training.require_honest(leaky)


def test_a_window_into_the_future_is_refused_when_later_rows_get_in(
    literal: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    then, own = day(3), measure.own
    forward = planted("next_30", features._total("orders", 0, since=-30))
    monkeypatch.setattr(measure, "_is_known", lambda snapshot: F.lit(True))
    monkeypatch.setattr(measure, "own", lambda group: [*own(group), *([forward] if group == "orders" else [])])
    (m,) = measure._at_snapshots(measure._order_days(literal), "orders", [then]).where("member_id = 'm'").collect()
    assert [tuple(leak) for leak in m.leaks_orders] == [("next_30", D)]
    assert (m.next_30, m.recency_days) == (1, 86)  # the declared ones look back whatever gets in


def test_a_measure_without_a_date_is_no_feature(literal: Facts) -> None:
    next_on = features._over("next_on", 365, F.max)
    with pytest.raises(KeyError, match="next_on"):
        measure._saw(next_on(), measure._order_days(literal).dates)


def test_every_feature_is_explained() -> None:
    assert len({f.name for f in DECLARED}) == len(DECLARED) >= 40
    assert all(f.about and f.source in SOURCES for f in DECLARED)


def test_snapshots_are_clear_of_each_other() -> None:
    conf = configured("churn.gap_days=7", "churn.horizon_days=60", "churn.max_snapshots=3").churn
    split = snapshots.split(conf, date(2025, 1, 1), date(2025, 12, 31))
    assert split.test == date(2025, 10, 25)  # its outcome is known on the last day
    assert split.calibrate == date(2025, 8, 18)  # its outcome is known on the day before the test
    assert split.train == (date(2025, 4, 12), date(2025, 5, 12), date(2025, 6, 11))
    for earlier, later in ((split.train[-1], split.calibrate), (split.calibrate, split.test)):
        assert earlier + timedelta(days=67) < later
    with pytest.raises(NotYet, match="train as of 2026-01-01 or later"):
        snapshots.split(conf, date(2025, 6, 11) - timedelta(days=29), date(2025, 12, 31))
    with pytest.raises(NotYet, match="nothing that rule no_order_60 looks at"):
        snapshots.split(conf, None, date(2025, 12, 31))


def test_who_is_an_example_and_with_which_label(spark: SparkSession) -> None:
    """no_order of 10 days; gap 3, horizon 5: the rule must hold on a day of S + 4 to S + 8."""
    s = day(20)
    spells = spark.createDataFrame(
        [
            ("churned on S", day(20), None),
            ("back on S", day(40), day(20)),
            ("in the gap only", day(18), day(16)),
            ("in the gap and a day more", day(17), day(15)),
            ("on the first day", day(16), day(15)),
            ("on the last day", day(12), None),
            ("a day late", day(11), None),
        ],
        "member_id string, starts_on date, ends_on date",
    )
    members = [row[0] for row in spells.collect()]
    known = spark.createDataFrame(
        [*[(m, day(90)) for m in members], ("stays", day(20)), ("of the day after", day(19))],
        "member_id string, known_on date",
    )
    conf = configured("churn.gap_days=3", "churn.horizon_days=5").churn
    examples = snapshots.eligible(known, spells, [s]).transform(snapshots.with_labels, spells, [s], conf)
    assert {row["member_id"]: row["label"] for row in examples.collect()} == {
        "back on S": 0.0,
        "in the gap only": 0.0,
        "in the gap and a day more": 1.0,
        "on the first day": 1.0,
        "on the last day": 1.0,
        "a day late": 0.0,
        "stays": 0.0,
    }


def test_members_are_drawn_for_all_snapshots_or_none(spark: SparkSession) -> None:
    days = F.explode(F.array(F.lit(D), F.lit(D - timedelta(days=30)))).alias("as_of")
    examples = spark.range(2000).select(F.format_string("m%d", "id").alias("member_id"), days)

    def drawn(share: float, seed: int = 7) -> dict[str, int]:
        found = snapshots.drawn(examples, share, seed).groupBy("member_id").count().collect()
        return {row["member_id"]: row["count"] for row in found}

    some = drawn(0.3)
    assert set(some.values()) == {2}
    assert len(some) == pytest.approx(600, abs=100)  # five deviations of chance
    assert drawn(0.3) == some
    assert drawn(0.3, seed=8) != some
    assert len(drawn(1.0)) == 2000


def test_labels_are_what_the_rule_says_later(made: dict[str, Any], rules: Conf) -> None:
    """A label of 1 on S is a rule that holds on some later day, each looked at on its own."""
    then = date(2025, 3, 1)
    given = {"zone": rules.business_timezone, "statuses": rules.orders.counted_statuses}
    conf = configured("churn.gap_days=2", "churn.horizon_days=3").churn
    known = facts.until(made, as_of=date(2025, 9, 1), **given)  # type: ignore[arg-type]
    spells = rules_spells(known, date(2025, 9, 1))
    examples = snapshots.eligible(known.known, spells, [then]).transform(snapshots.with_labels, spells, [then], conf)
    labels = {row["member_id"] for row in examples.where("label = 1").collect()}
    churned: set[str] = set()
    for later in range(3, 6):
        as_of = then + timedelta(days=later)
        spells_then = rules_spells(facts.until(made, as_of=as_of, **given), as_of)  # type: ignore[arg-type]
        churned |= {row["member_id"] for row in spells_then.where("ends_on IS NULL").collect()}
    eligible = {row["member_id"] for row in examples.collect()}
    assert labels == churned & eligible
    assert labels


def rules_spells(known: Facts, as_of: date) -> DataFrame:
    return rules.spells(NO_ORDER, known, as_of)
