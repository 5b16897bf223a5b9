"""When each churn rule holds, literal members at the boundary and a brute force over random ones."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from tests.conftest import configured
from tests.frames import rows

from memberlake.churn import facts, rules
from memberlake.churn.facts import Facts
from memberlake.conf import ChurnRule
from memberlake.errors import UserError

D = date(2026, 11, 20)
SPELLS = "member_id string, starts_on date, ends_on date"
NO_ORDER = ChurnRule(name="no_order", kind="implicit", permanence="temporary", condition="no_order", days=10)
NO_LOGIN = ChurnRule(
    name="no_login", kind="implicit", permanence="temporary", condition="no_event", event_types=("login",), days=5
)
GONE = ChurnRule(
    name="gone", kind="explicit", permanence="permanent", condition="event", event_types=("unsubscribe", "blacklist")
)
SILENT = ChurnRule(
    name="silent", kind="implicit", permanence="temporary", condition="no_response", contacts=2, days=3
)  # fmt: skip


def day(back: int) -> date:
    """So many days before D."""
    return D - timedelta(days=back)


def at(back: int) -> datetime:
    return datetime.fromisoformat(f"{day(back)}T12:00:00+00:00")


def of(
    spark: SparkSession,
    registered: dict[str, int],
    orders: Sequence[tuple[str, int]] = (),
    events: Sequence[tuple[str | None, str, int]] = (),
    contacts: Sequence[dict[str, Any]] = (),
    responses: Sequence[tuple[str, int]] = (),
    as_of: date = D,
) -> Facts:
    """Facts in UTC; times are days before D, at noon."""

    given: dict[str, Sequence[dict[str, Any]]] = {
        "members": [{"member_id": m, "registered_at": at(b)} for m, b in registered.items()],
        "orders": [{"order_id": f"{m}{b}", "member_id": m, "ordered_at": at(b), "status": "paid"} for m, b in orders],
        "events": [{"member_id": m, "event_type": t, "occurred_at": at(b)} for m, t, b in events],
        "campaigns": [{"campaign_id": "care", "is_care": True}, {"campaign_id": "ad"}],
        "contacts": contacts,
        "responses": [{"contact_id": c, "responded_at": at(b)} for c, b in responses],
    }
    frames: dict[str, Any] = {name: rows(spark, table, given.get(name, ())) for name, table in facts.TABLES.items()}
    return facts.until(frames, as_of=as_of, zone="UTC", statuses=("paid",))


def contact(contact_id: str, member: str, back: int, campaign: str = "care", control: bool | None = None) -> Any:
    return {
        "contact_id": contact_id,
        "member_id": member,
        "campaign_id": campaign,
        "sent_at": at(back),
        "is_control": control,
    }


def same(found: DataFrame, expected: list[Any]) -> None:
    frame = found.sparkSession.createDataFrame(expected, SPELLS)
    assert_df_equality(found, frame, ignore_row_order=True, ignore_nullable=True)


def test_no_order_holds_from_the_nth_day_after_the_last_until_the_next(spark: SparkSession) -> None:
    known = of(
        spark,
        {"on the day": 300, "a day early": 300, "came back": 300, "never": 300, "new": 9, "of tomorrow": -1},
        [
            ("first of the lake", 40),
            ("on the day", 10),
            ("a day early", 9),
            ("came back", 35),
            ("came back", 20),
            ("came back", 11),
            ("came back", 1),
            ("came back", -2),  # after D
            ("first of the lake", 5),
        ],
    )
    same(
        rules.spells(NO_ORDER, known, D),
        [
            # from day 40 on, the lake's first order: an order before that would not be seen
            ("on the day", day(30), day(10)),
            ("on the day", day(0), None),
            ("a day early", day(30), day(9)),
            ("came back", day(25), day(20)),
            # 20 -> 11 are 9 days; 11 -> 1 are 10 days, and the order comes on the very day
            ("never", day(30), None),
            ("first of the lake", day(30), day(5)),
        ],
    )


def test_no_login_says_nothing_where_logins_are_not_recorded(spark: SparkSession) -> None:
    events = [("m", "visit", 30), (None, "login", 30)]
    assert rules.spells(NO_LOGIN, of(spark, {"m": 300}, events=events), D).isEmpty()
    seen = of(spark, {"m": 300, "other": 300}, events=[*events, ("other", "login", 8), ("other", "login", 2)])
    same(rules.spells(NO_LOGIN, seen, D), [("m", day(3), None), ("other", day(3), day(2))])


def test_what_was_said_holds_for_ever_from_the_first_time(spark: SparkSession) -> None:
    events = [
        ("m", "unsubscribe", 7),
        ("m", "blacklist", 3),
        ("later", "unsubscribe", -1),
        ("stranger", "blacklist", 1),
    ]
    known = of(spark, {"m": 300, "later": 300}, events=[*events, (None, "unsubscribe", 2)])
    same(rules.spells(GONE, known, D), [("m", day(7), None)])


def test_no_response_counts_care_contacts_in_a_row_whose_time_is_over(spark: SparkSession) -> None:
    members = ["two", "second open", "answered", "answered late", "comes back", "by others"]
    contacts = [
        contact("a1", "two", 20),
        contact("a2", "two", 3),
        contact("b1", "second open", 20),
        contact("b2", "second open", 2),
        contact("c1", "answered", 20),
        contact("c2", "answered", 10),
        contact("d1", "answered late", 20),
        contact("d2", "answered late", 10),
        contact("e1", "comes back", 20),
        contact("e2", "comes back", 15),
        contact("e3", "comes back", 6),
        contact("f1", "by others", 20, campaign="ad"),
        contact("f2", "by others", 19, control=True),
        contact("f3", "by others", 18),
    ]
    known = of(
        spark,
        dict.fromkeys(members, 300),
        contacts=contacts,
        responses=[("c2", 7), ("d1", 16), ("d2", 6), ("e3", 4), ("e3", 3)],
    )
    same(
        rules.spells(SILENT, known, D),
        [("two", day(0), None), ("answered late", day(7), None), ("comes back", day(12), day(4))],
    )


def test_status_of_the_day(spark: SparkSession) -> None:
    every = (GONE, NO_LOGIN, NO_ORDER, SILENT.model_copy(update={"enabled": False}))
    known = of(
        spark,
        {"both": 300, "back": 300, "fine": 300, "said so": 300},
        [
            ("both", 30),
            ("back", 30),
            ("back", 12),
            ("back", 5),
            ("fine", 30),
            ("fine", 25),
            ("fine", 16),
            ("fine", 7),
            ("said so", 1),
        ],
        [
            *[(m, "login", b) for m in ("back", "fine", "said so") for b in range(31)],
            ("both", "login", 16),
            ("both", "login", 11),
            ("said so", "blacklist", 3),
        ],
    )
    status = rules.status(known.known, rules.stretches(every, known, D), every)

    def lasting(since: int) -> tuple[date, None]:
        return day(since), None

    expected = spark.createDataFrame(
        [
            # no login from day 25 to 16; no order since day 20, while that still held; no login again since day 6
            (
                "both",
                day(300),
                True,
                "implicit",
                "temporary",
                ["no_login", "no_order"],
                day(25),
                None,
                [(day(25), None)],
            ),
            ("back", day(300), False, None, None, [], None, day(12), [(day(20), day(12))]),
            ("fine", day(300), False, None, None, [], None, None, []),
            # no order from day 20 until yesterday, and gone since day 3: one stretch
            ("said so", day(300), True, "explicit", "permanent", ["gone"], day(20), None, [lasting(20)]),
        ],
        "member_id string, known_on date, is_churned boolean, kind string, permanence string, rules array<string>,"
        " churned_on date, came_back_on date, stretches array<struct<churned_on: date, back_on: date>>",
    )
    assert_df_equality(status, expected, ignore_row_order=True, ignore_nullable=True)


def test_who_said_so_before_they_were_known_has_left_since_they_are(spark: SparkSession) -> None:
    known = of(spark, {"m": 5}, events=[("m", "unsubscribe", 7)])
    (row,) = rules.status(known.known, rules.stretches([GONE], known, D), [GONE]).collect()
    assert (row.churned_on, [tuple(s) for s in row.stretches]) == (day(7), [(day(5), None)])
    over = spark.createDataFrame(
        [("m", day(9), day(5), [])], "member_id string, churned_on date, back_on date, rules array<string>"
    )
    (row,) = rules.status(known.known, over, [GONE]).collect()
    assert (row.came_back_on, row.stretches) == (day(5), [])


def test_spells_by_brute_force(spark: SparkSession) -> None:
    """Every day of random members, by the plain meaning of the rules."""
    draw = random.Random(5)
    members = [f"m{n}" for n in range(30)]
    registered = {m: draw.randint(0, 60) for m in members}
    orders = [(m, draw.randint(0, 60)) for m in members for _ in range(draw.randint(0, 6))]
    logins = [(m, "login", draw.randint(0, 60)) for m in members for _ in range(draw.randint(0, 9))]
    said = [(m, "unsubscribe", draw.randint(0, 60)) for m in members if draw.random() < 0.2]
    contacts = [contact(f"{m}-{n}", m, draw.randint(0, 60)) for m in members for n in range(draw.randint(0, 8))]
    sent = {c["contact_id"]: (D - c["sent_at"].date()).days for c in contacts}
    responses = [(c, draw.randint(0, 60)) for c in sent if draw.random() < 0.5]
    responses += [(c, max(sent[c] - draw.randint(0, 4), 0)) for c in sent if draw.random() < 0.3]
    known = of(spark, registered, orders, [*logins, *said], contacts, responses)

    known_on = {m: max([registered[m], *[b for o, b in orders if o == m]]) for m in members}
    begun = {"no_order": max(b for _, b in orders), "no_login": max(b for *_, b in logins)}

    def absent(done: list[int], rule: str, member: str, days: int, now: int) -> bool:
        last = min([b for b in done if b >= now], default=min(known_on[member], begun[rule]))
        return last - now >= days

    def silent(member: str, now: int) -> bool:
        ordered = sorted(
            (c for c in contacts if c["member_id"] == member), key=lambda c: (c["sent_at"], c["contact_id"])
        )
        streak = 0
        for each in ordered:
            sent_on = sent[each["contact_id"]]
            answers = [b for c, b in responses if c == each["contact_id"] and 0 <= sent_on - b <= 3]
            if any(b >= now for b in answers):
                streak = 0
            elif not answers and sent_on - now >= 3:
                streak += 1
        return streak >= 2

    expected = {
        (rule, member, day(now))
        for member in members
        for now in range(61)
        for rule, holds in {
            "no_order": absent([b for o, b in orders if o == member], "no_order", member, 10, now),
            "no_login": absent([b for o, _, b in logins if o == member], "no_login", member, 5, now),
            "gone": any(b >= now for o, _, b in said if o == member),
            "silent": silent(member, now),
        }.items()
        if holds
    }
    found = set()
    for rule in (NO_ORDER, NO_LOGIN, GONE, SILENT):
        for row in rules.spells(rule, known, D).collect():
            days = ((row.ends_on or D + timedelta(days=1)) - row.starts_on).days
            assert days > 0
            found |= {(rule.name, row.member_id, row.starts_on + timedelta(days=n)) for n in range(days)}
    assert found == expected


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("churn.label_rule=gone", "label_rule gone is no rule; there are unsubscribed"),
        ("churn.bands={high: 0.2, medium: 0.4}", "medium (0.4) must be below high (0.2)"),
        (
            "churn.rules=[{name: a, kind: implicit, permanence: temporary, condition: no_order}]",
            "a: condition no_order needs days, and nothing else",
        ),
        (
            "churn.rules=[{name: a, kind: explicit, permanence: temporary, condition: no_order, days: 3}]",
            "a: explicit is what the member said",
        ),
    ],
)
def test_a_wrong_rule_is_refused(setting: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        configured(setting)
    assert said in str(refused.value)
