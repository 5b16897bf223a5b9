"""Activity: whose an event is, active days, counts of periods and windows, retention."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests import activity as plain
from tests.activity import Day, Event
from tests.frames import same, utc

from memberlake.activity import counts, days, identity, repair, retention, sketches

EVENTS = (
    "event_id string, visitor_id string, occurred_at timestamp, member_id string, event_type string, channel string,"
    " session_id string"
)
DAYS = "subject_id string, active_on date, is_member boolean, channels array<string>, first_seen_on boolean, sign int"
ALL = ("all", "channel", "kind")
SHANGHAI, NEW_YORK = "Asia/Shanghai", "America/New_York"
D = date(2026, 11, 20)


def events(spark: SparkSession, given: Sequence[Event]) -> DataFrame:
    return spark.createDataFrame([tuple(e) for e in given], EVENTS)


def test_whose_an_event_is(spark: SparkSession) -> None:
    told = {
        "before anyone was named": ("v", "2026-11-10 01:00", None, "ann"),
        "first name": ("v", "2026-11-12 01:00", "ann", "ann"),
        "after it": ("v", "2026-11-12 02:00", None, "ann"),
        "second name": ("v", "2026-11-14 01:00", "bob", "bob"),
        "at its instant": ("v", "2026-11-14 01:00", None, "bob"),
        "after the second": ("v", "2026-11-15 01:00", None, "bob"),
        "first name again": ("v", "2026-11-16 01:00", "ann", "ann"),
        "after that": ("v", "2026-11-16 01:00:00.000001", None, "ann"),
        "stranger": ("x", "2026-11-16 01:00", None, "x"),
        "another device of ann": ("w", "2026-11-17 01:00", "ann", "ann"),
        "that is named after as_of only": ("late", "2026-11-17 01:00", None, "late"),
        "two names at one instant: a": ("two", "2026-11-17 01:00", "zoe", "zoe"),
        "two names at one instant: b": ("two", "2026-11-17 01:00", "abe", "abe"),
        "before two names": ("two", "2026-11-16 01:00", None, "abe"),  # the greater event_id counts
    }
    later = Event("names the late one", "late", utc("2026-11-20 16:00"), "eve")
    given = [Event(name, visitor, utc(at), member) for name, (visitor, at, member, _) in told.items()]
    stretches = identity.stretches(events(spark, [*given, later]), SHANGHAI)
    until = days.only_until(events(spark, [*given, later]), D, SHANGHAI)
    found = until.transform(identity.with_subject, stretches, D).select("event_id", "subject_id", "is_member")
    expected = [(name, who, who not in ("x", "late")) for name, (_, _, _, who) in told.items()]
    same(found, spark.createDataFrame(expected, "event_id string, subject_id string, is_member boolean"))
    kept = [
        ("v", utc("2026-11-12 01:00"), date(2026, 11, 12), "ann"),
        ("v", utc("2026-11-14 01:00"), date(2026, 11, 14), "bob"),
        ("v", utc("2026-11-16 01:00"), date(2026, 11, 16), "ann"),
        ("w", utc("2026-11-17 01:00"), date(2026, 11, 17), "ann"),
        ("late", utc("2026-11-20 16:00"), date(2026, 11, 21), "eve"),
        ("two", utc("2026-11-17 01:00"), date(2026, 11, 17), "abe"),
    ]
    columns = "visitor_id string, identified_at timestamp, identified_on date, member_id string"
    same(stretches, spark.createDataFrame(kept, columns))


def test_identity_at_random_is_that_of_the_definition(spark: SparkSession) -> None:
    dice = random.Random(6)
    given = [
        Event(f"e{n:03}", f"v{dice.randrange(12)}", utc("2026-11-10") + timedelta(hours=dice.randrange(300)),
              dice.choice([None, None, None, "ann", "bob"]))
        for n in range(200)
    ]  # fmt: skip
    as_of = date(2026, 11, 18)
    until = days.only_until(events(spark, given), as_of, "UTC")
    found = until.transform(identity.with_subject, identity.stretches(events(spark, given), "UTC"), as_of)
    visible = [e for e in given if e.on("UTC") <= as_of]
    assert {r.event_id: (r.subject_id, r.is_member) for r in found.collect()} == {
        e.event_id: plain.subject(e, visible) for e in visible
    }
    assert 0 < len(visible) < len(given)


@pytest.mark.parametrize(
    ("zone", "at"),
    [
        (SHANGHAI, {"2026-11-19 15:59:59.999999": "2026-11-19", "2026-11-19 16:00": "2026-11-20",
                    "2026-11-20 15:59:59.999999": "2026-11-20", "2026-11-20 16:00": None}),
        (NEW_YORK, {"2026-11-01 04:00": "2026-11-01", "2026-11-02 04:59": "2026-11-01",  # 25 hours
                    "2026-11-02 05:00": "2026-11-02", "2026-11-21 05:00": None}),
        (NEW_YORK, {"2026-03-08 04:59": "2026-03-07", "2026-03-08 05:00": "2026-03-08",  # 23 hours
                    "2026-03-09 03:59": "2026-03-08", "2026-03-09 04:00": "2026-03-09"}),
    ],
)  # fmt: skip
def test_the_business_date_decides(spark: SparkSession, zone: str, at: dict[str, str | None]) -> None:
    given = events(spark, [Event(text, "v", utc(text)) for text in at])
    inside = [(text, date.fromisoformat(day)) for text, day in at.items() if day]
    expected = spark.createDataFrame(inside, "event_id string, active_on date")
    same(days.only_until(given, D, zone).select("event_id", "active_on"), expected)
    some = [day for _, day in inside][:1]
    on_some = days.only_on(given, some, zone).select("event_id", "active_on")
    same(on_some, expected.where(F.col("active_on").isin(*some)))


def test_a_day_of_a_subject(spark: SparkSession) -> None:
    given = [
        Event("e1", "v", utc("2026-11-19 03:00"), "m", "page_view", None),
        Event("e2", "v", utc("2026-11-19 02:00"), "m", "visit", "web"),
        Event("e0", "v", utc("2026-11-19 02:00"), "m", "visit", "app"),  # at one instant the smaller id is the first
        Event("e3", "v", utc("2026-11-20 01:00"), "m", "visit", None),
        Event("e4", "x", utc("2026-11-20 01:00"), None, "visit", "web"),
        Event("not active", "y", utc("2026-11-20 01:00"), "n", "unsubscribe", "web"),
        *[Event(f"r{n}", "robot", utc("2026-11-18 01:00"), None, "visit", "web") for n in range(4)],
        Event("a person after all", "robot", utc("2026-11-20 01:00"), None, "visit", "web"),
    ]
    dated = days.only_until(events(spark, given).transform(days.only_active, ["visit", "page_view"]), D, "UTC")
    known = dated.transform(identity.with_subject, identity.stretches(dated, "UTC"), D)
    found = days.with_first_seen(days.per_day(known, robot_threshold=3))
    expected = spark.createDataFrame(
        [
            ("m", date(2026, 11, 19), True, "app", 3, ["app", "unknown", "web"], False, True),
            ("m", date(2026, 11, 20), True, None, 1, ["unknown"], False, False),
            ("x", date(2026, 11, 20), False, "web", 1, ["web"], False, True),
            ("robot", date(2026, 11, 18), False, "web", 4, ["web"], True, False),
            ("robot", date(2026, 11, 20), False, "web", 1, ["web"], False, True),
        ],
        "subject_id string, active_on date, is_member boolean, channel string, events bigint, channels array<string>,"
        " is_robot boolean, first_seen_on boolean",
    )
    same(found, expected)
    nobody = days.per_day(known, robot_threshold=None)
    assert nobody.where("is_robot").isEmpty()


def frame(spark: SparkSession, given: Sequence[Day], sign: int = 1) -> DataFrame:
    first = {who: min(d.active_on for d in given if d.subject_id == who) for who in {d.subject_id for d in given}}
    rows = [(d.subject_id, d.active_on, d.is_member, sorted(d.channels), d.active_on == first[d.subject_id], sign)
            for d in given]  # fmt: skip
    return spark.createDataFrame(rows, DAYS)


def at_random(seed: int, first: date, last: date) -> list[Day]:
    """Subjects that come seldom or often, some with gaps of months, on one channel or several; and empty days."""
    dice = random.Random(seed)
    length = (last - first).days + 1
    empty = {first + timedelta(days=dice.randrange(length)) for _ in range(10)} - {first}
    found = []
    for n in range(25):
        here, pace = set(), dice.choice([0.01, 0.05, 0.3, 0.9])
        begin, end = sorted(dice.choices(range(length), k=2))
        for k in range(begin, end + 1):
            if dice.random() < pace and first + timedelta(days=k) not in empty:
                here.add(first + timedelta(days=k))
        for on in here:
            channels = frozenset(dice.sample(["web", "app", "unknown"], dice.choice([1, 1, 2])))
            found.append(Day(f"s{n}", on, n % 3 > 0, channels))
    return [*found, Day("first", first, False, frozenset({"store"}))]


def counted(found: DataFrame) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    names = ("window", "period_start", "period_end", "dimension", "dimension_value")
    values = ("active", *counts.LIFECYCLE, "is_complete")
    rows = found.select(*names, *values).collect()
    assert len({tuple(r)[:5] for r in rows}) == len(rows)
    return {tuple(r)[:5]: tuple(r)[5:] for r in rows}


def triangle(sums: DataFrame, as_of: date) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    names = ("subjects", "retained", "rolling_retained", "is_complete")
    rows = retention.triangle(sums, as_of).collect()
    return {(r.grain, r.cohort_start, r.offset): tuple(r[n] for n in names) for r in rows}


WINDOWS = (1, 3, 7, 28, 70)  # the last wider than two months


def per_window(
    given: DataFrame, as_of: date, windows: Sequence[int] = WINDOWS, dimensions: Sequence[str] = ALL
) -> DataFrame:
    return counts.per_window(counts.changes(given, windows, dimensions), windows, as_of)


@pytest.mark.parametrize("as_of", [date(2027, 1, 13), date(2027, 1, 3)], ids=["in the middle of a week", "a Sunday"])
def test_counts_at_random_are_those_of_the_definitions(spark: SparkSession, as_of: date) -> None:
    """Over the year's end, which the week of 2026-12-28 spans."""
    given = at_random(as_of.day, date(2026, 9, 2), as_of)
    expected = plain.counts(given, WINDOWS, as_of)
    found = per_window(frame(spark, given), as_of).persist()
    assert counted(found) == expected
    assert ("week", date(2026, 12, 28), date(2027, 1, 3), "all", "all") in expected
    assert counts.broken(found.withColumn("registered", F.lit(0))).isEmpty()


def test_sums_follow_the_days_of_some_subjects(spark: SparkSession) -> None:
    """One subject is gone, some have other days and come on the new date too, others only come on it: of those who were
    there lately the last days are enough, and for retention the first."""
    until, as_of = date(2027, 1, 12), date(2027, 1, 13)
    given, dice = at_random(5, date(2026, 9, 2), until), random.Random(1)
    near = counts.range_start(as_of, WINDOWS)
    gone, moved = ["s1"], ["s2", "s3", "s4"]
    others = {d.subject_id for d in given} - {*gone, *moved}
    lately = sorted(others & {d.subject_id for d in given if d.active_on >= near})[:4]
    away = sorted(others - {d.subject_id for d in given if d.active_on >= near})[:2]
    came, strangers = ["s2", *lately, *away, "nobody yet"], {d.subject_id for d in given if not d.is_member}
    stay = [d for d in given if d.subject_id not in gone and (d.subject_id not in moved or dice.random() < 0.6)]
    late = [Day("s3", date(2026, 9, 1), False, frozenset({"web"})), Day("s4", D, True, frozenset({"app"}))]
    now = [*stay, *late, *[Day(who, as_of, who not in strangers, frozenset({"web"})) for who in came]]

    held, fresh, of_moved = (
        frame(spark, found).drop("sign").withColumn("is_robot", F.lit(False))
        for found in (
            given,
            [d for d in now if d.active_on == as_of],
            [d for d in now if d.active_on < as_of and d.subject_id in moved],
        )
    )
    may_have_moved = held.where(F.col("subject_id").isin(*gone, *moved))
    asked = repair.asked(may_have_moved, may_have_moved.limit(0), fresh)
    lasts = repair.lasts(held, asked, near).persist()
    seen = repair.seen(held, repair.others(asked, lasts))
    before = may_have_moved
    ends = repair.ends(held, asked, lasts, seen, may_have_moved)
    of_away = {row[0] for row in seen.select("subject_id").distinct().collect()} - {*gone, *moved}
    assert of_away == {*away} != set()
    assert {row[0] for row in ends.select("subject_id").distinct().collect()} == {*lately, *away}
    again = of_moved.unionByName(may_have_moved).select(*repair.DAY).distinct()
    rows = (
        repair.exchanged(before, again, of_moved.drop("first_seen_on"), fresh.drop("first_seen_on"), ends)
        .transform(repair.with_ends, ends)
        .persist()
    )

    sums = counts.changes(held, WINDOWS, ALL)
    sums = repair.added(sums, counts.changes(rows, WINDOWS, ALL), counts.KEY, counts.SUMMED)
    assert counted(counts.per_window(sums, WINDOWS, as_of)) == plain.counts(now, WINDOWS, as_of)

    sums = retention.sums_of(retention.triangle(retention.sums(held), until))
    sums = repair.added(sums, retention.sums(rows), retention.KEY, retention.SUMMED)
    assert triangle(sums, as_of) == plain.retention(now, as_of)


def test_a_wrong_count_is_found(spark: SparkSession) -> None:
    given = at_random(1, date(2026, 9, 2), D)
    right = per_window(frame(spark, given), D)
    one_off = F.when(F.col("period_start") == F.lit(date(2026, 10, 5)), F.col("active") + 1).otherwise(F.col("active"))
    found = counts.broken(right.withColumn("active", one_off)).select("window", "period_start", "dimension").collect()
    assert {(r[0], str(r[1])) for r in found if r[2] == "all"} == {
        ("day", "2026-10-05"), ("day", "2026-10-06"), ("week", "2026-10-05"), ("week", "2026-10-12"),
    }  # fmt: skip


def test_stickiness_registered_members_and_columns_of_members(spark: SparkSession) -> None:
    given = [
        Day("ann", date(2026, 10, 21), True, frozenset({"web"})),
        Day("ann", D, True, frozenset({"web"})),
        Day("bob", date(2026, 10, 22), True, frozenset({"web"})),
        Day("x", date(2026, 11, 18), False, frozenset({"web"})),
    ]
    members = spark.createDataFrame(
        [("ann", "Lyon", utc("2026-10-21 20:00"), {"tier": "gold"}), ("bob", None, utc("2026-11-01 00:00"), {}),
         ("never came", "Nice", utc("2026-11-20 23:59"), None), ("after as_of", "Nice", utc("2026-11-21 00:00"), None)],
        "member_id string, city string, registered_at timestamp, attributes map<string, string>",
    )  # fmt: skip
    known = counts.with_member_columns(frame(spark, given), members, ["city", "tier"])
    found = per_window(known, D, (7,), ("all", "kind", "city", "tier"))
    found = found.transform(counts.with_registered, members, (7,), D, "UTC").persist()
    of_day = found.where((F.col("window") == "day") & (F.col("period_end") == F.lit(D)))
    columns = ("dimension", "dimension_value", "active", "active_30", "stickiness", "registered", "activity_rate")
    expected = [
        ("all", "all", 1, 3, 1 / 3, None, None),  # the 30 days begin on 22 October
        ("kind", "member", 1, 2, 1 / 2, 3, 1 / 3),
        ("kind", "anonymous", 0, 1, 0.0, None, None),
        ("city", "Lyon", 1, 1, 1.0, None, None),
        ("city", "unknown", 0, 2, 0.0, None, None),
        ("tier", "gold", 1, 1, 1.0, None, None),
        ("tier", "unknown", 0, 2, 0.0, None, None),
    ]
    kind = "dimension string, dimension_value string, active bigint, active_30 bigint, stickiness double"
    same(of_day.select(*columns), spark.createDataFrame(expected, f"{kind}, registered bigint, activity_rate double"))
    first = found.where("window = 'day' AND dimension_value = 'member'").orderBy("period_start").first()
    assert first is not None
    assert (first.registered, first.activity_rate) == (1, 1.0)
    of_month = found.where("window = 'month' AND dimension_value = 'member'").orderBy("period_start").collect()
    assert [r.registered for r in of_month] == [1, 3]


def test_retention_at_random_is_that_of_the_definition(spark: SparkSession) -> None:
    as_of = date(2027, 1, 13)
    given = at_random(3, date(2026, 10, 20), as_of)
    sums = retention.sums(frame(spark, given)).persist()
    assert triangle(sums, as_of) == plain.retention(given, as_of)
    found = retention.triangle(sums, as_of).collect()
    assert all(r.rate == r.retained / r.subjects and r.rolling_rate == r.rolling_retained / r.subjects for r in found)
    assert {r.is_complete for r in found} == {True, False}


def test_nobody_active_nothing_counted(spark: SparkSession) -> None:
    assert per_window(frame(spark, []), D).isEmpty()
    assert retention.triangle(retention.sums(frame(spark, [])), D).isEmpty()


def test_estimates_are_as_near_as_they_say(spark: SparkSession) -> None:
    """20,000 subjects, each there on one day in three: within four standard errors of the exact counts."""
    there = spark.range(20_000).selectExpr(
        "CAST(id AS STRING) AS subject_id", "id % 3 > 0 AS is_member",
        "array(IF(id % 2 = 0, 'web', 'app')) AS channels",
        "explode(transform(sequence(0, 13), k -> IF(pmod(hash(id, k), 3) = 0, date_add(DATE'2026-11-07', k), NULL)))"
        " AS active_on", "false AS first_seen_on", "1 AS sign",
    ).where("active_on IS NOT NULL")  # fmt: skip
    nothing = spark.createDataFrame([], "dimension string, dimension_value string, first_on date")
    exact = counted(per_window(there, D, (7,)))
    daily = sketches.per_day(there, ALL, lg_k=12).persist()
    found = sketches.per_window(daily, nothing, (7,), None, D, lg_k=12)
    estimates = counted(found)
    assert {key for key, row in estimates.items() if row[5]} == {key for key, row in exact.items() if row[5]}
    assert estimates.keys() == exact.keys()
    assert sketches.relative_error(12) == pytest.approx(0.01625)
    assert all(abs(row[0] / exact[key][0] - 1) < 4 * 0.01625 for key, row in estimates.items())
    assert any(row[0] != exact[key][0] for key, row in estimates.items())  # they are estimates
    assert {row[1:5] for row in estimates.values()} == {(None,) * 4}
    assert [r[0] for r in found.select("relative_error").distinct().collect()] == [sketches.relative_error(12)]
