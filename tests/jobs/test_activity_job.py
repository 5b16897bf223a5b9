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
from tests.activity import Event, utc
from tests.conftest import configured
from tests.jobs.orders import rows

from memberlake import jobs
from memberlake.activity import sketches
from memberlake.conf import Conf
from memberlake.lake.store import Lake
from memberlake.tables.gold.activity import ACTIVE_COUNTS, ACTIVITY_DAYS, RETENTION, SUBJECT_IDENTITY
from memberlake.tables.silver import EVENTS

pytestmark = pytest.mark.lake

CONF = configured("activity.rolling_windows=[3, 10]", "business_timezone=America/New_York")
ZONE, WINDOWS = CONF.business_timezone, CONF.activity.rolling_windows
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
    run(lake, date(2026, 1, 9))
    lake.append(
        ACTIVITY_DAYS, lake.read(ACTIVITY_DAYS).where("day(active_on) = 5").withColumn("subject_id", F.lit("old"))
    )
    before = files(lake)

    put(lake, [Event("f", "v", utc("2026-01-10 12:00"), "ann", "unsubscribe")])
    run(lake, date(2026, 1, 10))
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
    run(lake, date(2026, 1, 10))
    assert (counted(lake.read(ACTIVE_COUNTS)), files(lake)) == (was, before)


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

    put(lake, [Event("e2", "w", utc("2026-01-06 12:00"))])
    run(lake, date(2026, 1, 6), conf)
    rows = lake.read(ACTIVE_COUNTS).where("dimension = 'all'").collect()
    assert {(r.window, r.period_end): r.active for r in rows if r.period_end >= date(2026, 1, 6)} == {
        ("day", date(2026, 1, 6)): 1,
        ("week", date(2026, 1, 11)): 2,
        ("month", date(2026, 1, 31)): 2,
        **{(f"rolling_{w}", date(2026, 1, 6)): 2 for w in (7, 28, 30)},
    }
    assert {r.active for r in rows if r.period_end == date(2026, 1, 5)} == {1}
    assert {(r.new, r.relative_error) for r in rows} == {(None, sketches.relative_error(14))}


def test_a_lake_without_events_gives_empty_tables(lake: Lake) -> None:
    run(lake, date(2026, 1, 5))
    assert all(lake.ready(table) and lake.read(table).isEmpty() for table in TABLES)
    assert lake.read(ACTIVITY_DAYS).where(F.col("subject_id").isNotNull()).isEmpty()
