"""The activity and rfe jobs on a real lake: repaired by late events, names and corrections, as if made anew."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from tests import activity as plain
from tests.activity import Day, Event
from tests.conftest import configured
from tests.frames import utc
from tests.jobs.orders import rows

from memberlake import jobs
from memberlake.activity import identity, sketches
from memberlake.conf import Conf
from memberlake.lake.store import Lake
from memberlake.tables.gold.activity import (
    ACTIVE_COUNTS,
    ACTIVITY_DAYS,
    ACTIVITY_SKETCHES,
    RETENTION,
    RFE_SCORES,
    SUBJECT_IDENTITY,
)
from memberlake.tables.silver import EVENTS, MEMBERS

pytestmark = pytest.mark.lake

CONF = configured("activity.rolling_windows=[3, 10]", "business_timezone=America/New_York")
ZONE, WINDOWS = CONF.business_timezone, CONF.activity.rolling_windows
UNKNOWN = frozenset({"unknown"})
TABLES = (SUBJECT_IDENTITY, ACTIVITY_DAYS, ACTIVE_COUNTS, RETENTION)


def put(lake: Lake, events: Iterable[Event], received: str = "2026-01-20") -> None:
    given = [{**e._asdict(), "occurred_at": e.at, "received_at": utc(received)} for e in events]
    lake.upsert(EVENTS, rows(lake.spark, EVENTS, given))


def run(lake: Lake, as_of: date, conf: Conf = CONF) -> None:
    jobs.find("activity").run(lake, conf, as_of)


def versions(lake: Lake) -> list[int | None]:
    return [lake.version(table) for table in TABLES]


def check(lake: Lake, events: Sequence[Event], as_of: date) -> None:
    """All that is in the tables is what the definitions say of the events until as_of."""
    found = plain.days(events, CONF.activity.active_event_types, ZONE, as_of)
    in_lake = lake.read(ACTIVITY_DAYS).collect()
    first = {d.subject_id: min(o.active_on for o in found if o.subject_id == d.subject_id) for d in found}
    assert {(r.subject_id, r.active_on, r.is_member, frozenset(r.channels), r.first_seen_on) for r in in_lake} == {
        (*day, day.active_on == first[day.subject_id]) for day in found
    }
    assert len(in_lake) == len(found)
    assert counted(lake.read(ACTIVE_COUNTS)) == plain.counts(found, WINDOWS, as_of)
    triangle = lake.read(RETENTION).collect()
    assert {
        (r.grain, r.cohort_start, r.offset): (r.subjects, r.retained, r.rolling_retained, r.is_complete)
        for r in triangle
    } == plain.retention(found, as_of)


def counted(found: DataFrame) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    names = ("window", "period_start", "period_end", "dimension", "dimension_value")
    values = ("active", "new", "retained", "resurrected", "dormant", "is_complete")
    return {tuple(r)[:5]: tuple(r)[5:] for r in found.select(*names, *values).collect()}


def at_random(dice: random.Random, count: int, first: date, days: int, prefix: str) -> list[Event]:
    begin = utc(f"{first} 05:30")
    return [
        Event(
            f"{prefix}{n}",
            f"v{dice.randrange(9)}",
            begin + timedelta(minutes=dice.randrange(days * 24 * 60)),
            dice.choice([None, None, None, "ann", "bob", "eve"]),
            dice.choice(["visit", "page_view", "visit", "unsubscribe"]),
            dice.choice(["web", "app", None]),
        )
        for n in range(count)
    ]


def test_late_events_names_corrections_and_a_crash_are_repaired(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step, run on the lake as it is, leaves what the definitions say; so would a lake made anew."""
    dice = random.Random(11)
    events = at_random(dice, 40, date(2026, 1, 2), 12, "a")  # until the 13th: more than the first run may see
    put(lake, events)
    run(lake, date(2026, 1, 9))
    check(lake, events, date(2026, 1, 9))

    before = versions(lake)
    run(lake, date(2026, 1, 9))
    assert versions(lake) == before  # nothing came: nothing is written

    late = at_random(dice, 6, date(2026, 1, 1), 9, "b")  # a new first day among them
    named = Event("c", "v1", utc("2026-01-10 20:00"), "ann", "unsubscribe")  # no active event, but it says who v1 is
    corrected = [e._replace(member_id="zoe", at=e.at - timedelta(days=1)) for e in events[:2]]
    put(lake, [*late, *corrected, named], received="2026-01-21")
    events = [*corrected, *events[2:], *late, named]
    run(lake, date(2026, 1, 10))
    check(lake, events, date(2026, 1, 10))

    replace = Lake.replace

    def killed(self: Lake, table: Any, *args: Any, **slice: Any) -> None:
        if table is ACTIVE_COUNTS:
            raise KeyboardInterrupt
        replace(self, table, *args, **slice)

    with monkeypatch.context() as patched:
        patched.setattr(Lake, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            run(lake, date(2026, 1, 12))
    run(lake, date(2026, 1, 7))  # the lake has grown, and a run was killed: as if run on that day
    check(lake, events, date(2026, 1, 7))

    late = at_random(dice, 5, date(2026, 1, 1), 12, "d")
    old = dice.sample(events, 3)  # corrections of anything: another visitor, member, day
    new = [
        e._replace(event_id=o.event_id) for e, o in zip(at_random(dice, 3, date(2026, 1, 3), 9, ""), old, strict=True)
    ]
    put(lake, [*late, *new], received="2026-01-22")
    events = [*[e for e in events if e not in old], *new, *late]
    run(lake, date(2026, 1, 12))
    check(lake, events, date(2026, 1, 12))

    run(lake, date(2026, 1, 20))  # names that the last run did not see, and days without any event
    check(lake, events, date(2026, 1, 20))


def test_a_name_moves_days_of_its_visitor_and_of_no_other(lake: Lake) -> None:
    """The rest of a date is not computed again: one is there whose events are gone. Other dates keep their files."""
    visits = {
        "a": Event("a", "v", utc("2026-01-05 12:00")),
        "b": Event("b", "v", utc("2026-01-08 12:00"), None, "visit", "app"),
        "the member's first day until now": Event("c", "w", utc("2026-01-06 12:00"), "ann"),
        "on the date of b, later": Event("d", "w", utc("2026-01-08 15:00"), "ann", "visit", "web"),
        "of someone else": Event("e", "x", utc("2026-01-07 12:00")),
    }
    put(lake, visits.values())
    put_member(lake, "ann", "silver", "2026-01-02")
    conf = configured("activity.dimensions=[all, kind, tier]", f"business_timezone={ZONE}")
    run(lake, date(2026, 1, 9), conf)
    assert of_tiers(lake) == {"silver": "member", "unknown": "anonymous"}
    lake.append(
        ACTIVITY_DAYS, lake.read(ACTIVITY_DAYS).where("day(active_on) = 5").withColumn("subject_id", F.lit("old"))
    )
    before = files(lake)

    put(lake, [Event("f", "v", utc("2026-01-10 12:00"), "ann", "unsubscribe")])
    put_member(lake, "ann", "gold", "2026-01-10")
    run(lake, date(2026, 1, 10), conf)
    assert of_tiers(lake) == {"gold": "member", "unknown": "anonymous"}  # as known today, for the past too
    found = lake.read(ACTIVITY_DAYS).collect()
    assert {(r.subject_id, r.active_on.day, r.is_member, r.channel, r.events, r.first_seen_on) for r in found} == {
        ("ann", 5, True, None, 1, True),
        ("ann", 6, True, None, 1, False),
        ("ann", 8, True, "app", 2, False),
        ("x", 7, False, None, 1, True),
        ("old", 5, False, None, 1, True),
    }
    assert files(lake)[7] == before[7]
    assert all(files(lake)[day].isdisjoint(before[day]) for day in (5, 6, 8))

    was, before = counted(lake.read(ACTIVE_COUNTS)), files(lake)
    put(lake, [Event("g", "x", utc("2026-01-10 13:00"), None, "unsubscribe")])  # the same day again: nothing is another
    run(lake, date(2026, 1, 10), conf)
    assert (counted(lake.read(ACTIVE_COUNTS)), files(lake)) == (was, before)

    named_before = Event("h", "y", utc("2026-01-03 12:00"), "bob", "unsubscribe")  # before the look-back
    put(lake, [named_before, Event("i", "y", utc("2026-01-09 12:00"))])
    conf = configured("rfe.look_back_days=2", f"business_timezone={ZONE}")
    for is_known in (False, True):  # who a visitor is, is found out by the job itself; then by gold.subject_identity
        assert lake.has_seen("activity", EVENTS, identity.rules(conf)) == is_known
        jobs.find("rfe").run(lake, conf, date(2026, 1, 9))
        scored = {(r.subject_id, r.is_member, r.recency_days) for r in lake.read(RFE_SCORES).collect()}
        assert scored == {("v", False, 1), ("ann", True, 1), ("bob", True, 0)}  # who v is, is known from the 10th on
        run(lake, date(2026, 1, 10), conf)


def put_member(lake: Lake, member_id: str, tier: str, updated: str) -> None:
    dates = {"registered_at": utc("2026-01-01"), "recorded_at": utc(updated), "source": "crm"}
    lake.upsert(MEMBERS, rows(lake.spark, MEMBERS, [{"member_id": member_id, "attributes": {"tier": tier}, **dates}]))


def of_tiers(lake: Lake) -> dict[str, str]:
    """The kind whose rows each tier has, where they are the same."""
    found: dict[tuple[str, str], set[tuple[Any, ...]]] = {}
    for key, row in counted(lake.read(ACTIVE_COUNTS)).items():
        found.setdefault(key[3:], set()).add((*key[:3], *row))
    kinds = {frozenset(of): value for (dimension, value), of in found.items() if dimension == "kind"}
    return {v: kinds.get(frozenset(of), "none") for (dimension, v), of in found.items() if dimension == "tier"}


def files(lake: Lake) -> dict[int, set[str]]:
    """Those of gold.activity_days, by the day of the month."""
    held = lake.spark.table(lake.name(ACTIVITY_DAYS)).select("active_on", F.col("_metadata.file_path").alias("file"))
    return {row[0].day: set(row[1]) for row in held.groupBy("active_on").agg(F.collect_set("file")).collect()}


def test_robots_are_flagged_and_estimates_are_kept_by_day(lake: Lake) -> None:
    """With sketches, of which each run writes those of the days that it touched."""
    conf = configured("activity.robot_threshold=4", "activity.approximate=true", f"business_timezone={ZONE}")
    robot = [Event(f"r{n}", "robot", utc("2026-01-05 12:00")) for n in range(5)]
    put(lake, [*robot, Event("e1", "v", utc("2026-01-05 12:00"))])
    run(lake, date(2026, 1, 5), conf)
    found = lake.read(ACTIVITY_DAYS).collect()
    assert {(r.subject_id, r.is_robot, r.events) for r in found} == {("robot", True, 5), ("v", False, 1)}
    assert {r.subjects for r in lake.read(RETENTION).collect()} == {1}

    late = Event("e3", "w", utc("2026-01-05 13:00"))  # its day's sketch is replaced, and all unions that hold it
    put(lake, [Event("e2", "w", utc("2026-01-06 12:00")), late])
    run(lake, date(2026, 1, 6), conf)
    people = [Day("v", date(2026, 1, 5), False, UNKNOWN), *(Day("w", date(2026, 1, d), False, UNKNOWN) for d in (5, 6))]
    expected = plain.counts(people, conf.activity.rolling_windows, date(2026, 1, 6))
    found = counted(lake.read(ACTIVE_COUNTS))
    assert {key: row[0] for key, row in found.items()} == {key: row[0] for key, row in expected.items()}
    assert {r.active_on.day for r in lake.read(ACTIVITY_SKETCHES).collect()} == {5, 6}
    said = lake.read(ACTIVE_COUNTS).select("new", "relative_error").distinct().collect()
    assert [tuple(row) for row in said] == [(None, sketches.relative_error(14))]


def test_a_lake_without_events_gives_empty_tables(lake: Lake) -> None:
    run(lake, date(2026, 1, 5))
    assert all(lake.ready(table) and lake.read(table).isEmpty() for table in TABLES)
    assert lake.read(ACTIVITY_DAYS).where(F.col("subject_id").isNotNull()).isEmpty()
