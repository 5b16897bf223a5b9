"""From which day on metrics are counted again, and what is written then. Nothing here needs Spark."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

import pytest
from pyspark.sql import Row

from memberlake.kpi import families
from memberlake.kpi.families import FAMILIES, OPERATION, Inputs
from memberlake.kpi.metrics import CAMPAIGNS, CHURN, EVENTS, MEMBERS, ORDERS, RESPONSES
from memberlake.kpi.since import Held, held

FIRST, LAST, TODAY = date(2026, 1, 5), date(2026, 3, 7), date(2026, 3, 10)
_, MOVEMENT, VISITS, COHORTS = FAMILIES
NOTHING, SOME = Held({}, date.max, date.min), Held({"orders": LAST}, FIRST, LAST)


def inputs(*snapshots: date) -> Inputs:
    frames = cast(Any, None)
    return Inputs(frames, frames, frames, {MEMBERS, ORDERS, EVENTS}, snapshots, frames, TODAY, frames)


def since(family: families.Family, changed: dict[str, date | None], *snapshots: date, **reached: date) -> date:
    """By the first day that each table's changes touch; a table that is not named had none."""
    given = inputs(*snapshots)
    every = dict.fromkeys(family.expected(given), LAST) | reached
    days = {name: changed.get(name) for name in family.tables}
    return family.touched_since(given, Held(every, FIRST, LAST), days)


@pytest.mark.parametrize(
    ("family", "changed", "expected"),
    [
        (OPERATION, {}, date(2026, 3, 8)),  # the days since the last run
        (OPERATION, {ORDERS: date(2026, 3, 9)}, date(2026, 3, 8)),
        (OPERATION, {ORDERS: date(2026, 2, 1), CAMPAIGNS: date(2026, 2, 9)}, date(2026, 2, 1)),
        (OPERATION, {MEMBERS: date(2020, 1, 1)}, FIRST),
        (VISITS, {EVENTS: date(2026, 3, 2)}, date(2026, 3, 2)),
        (COHORTS, {}, FIRST),  # 90 days back is before the first data
        (MOVEMENT, {CHURN: date(2026, 3, 7)}, date(2026, 3, 5)),  # the snapshot before is of the 4th
    ],
)
def test_the_first_day(family: families.Family, changed: dict[str, date | None], expected: date) -> None:
    assert since(family, changed, date(2026, 3, 4), date(2026, 3, 7)) == expected


def test_what_a_past_run_left_running_is_counted_again() -> None:
    """A month that was written as of 10 February has not seen the days since."""
    assert since(OPERATION, {}, revenue=date(2026, 2, 10)) == date(2026, 2, 11)


def test_all_is_counted_when_little_is_known() -> None:
    reached = dict.fromkeys(OPERATION.expected(inputs()), LAST)
    known, none = Held(reached, FIRST, LAST), dict.fromkeys(OPERATION.tables)
    assert OPERATION.touched_since(inputs(), known, none) == date(2026, 3, 8)
    assert OPERATION.touched_since(inputs(), known, {}) == FIRST  # rebuild, or tables that are new as a whole
    del reached["revenue"]
    assert OPERATION.touched_since(inputs(), known, none) == FIRST  # a metric that was never counted


def test_the_first_snapshot_touches_everything() -> None:
    assert since(MOVEMENT, {CHURN: date(2026, 3, 7)}, date(2026, 3, 7)) == FIRST


def test_the_last_row_of_a_table_touches_everything() -> None:
    """Days on which nothing had happened yet say 0 of it: they are without a row now."""
    assert since(OPERATION, {RESPONSES: date(2026, 3, 9)}, leads=LAST) == FIRST
    assert since(OPERATION, {}, cost_per_goal=LAST) == FIRST
    assert since(OPERATION, {}, winbacks=LAST) == FIRST
    assert since(OPERATION, {}, date(2026, 3, 7), winbacks=LAST) == date(2026, 3, 8)  # there is a snapshot


def test_metrics_of_tables_without_data_are_not_asked_for() -> None:
    expected = OPERATION.expected(inputs())
    assert "revenue" in expected
    assert not {"leads", "marketing_cost", "cost_per_goal", "winbacks"} & {*expected}
    assert MOVEMENT.expected(inputs()) == []


def test_what_the_table_holds() -> None:
    told = [
        Row(metric="orders", reached=date(2026, 3, 6), last=LAST, first_day=FIRST),
        Row(metric="visits", reached=LAST, last=date(2026, 3, 1), first_day=date(2026, 2, 1)),
        Row(
            metric="orders_per_visit", reached=LAST, last=LAST, first_day=date(2020, 1, 1)
        ),  # derived: not of its own data
    ]
    assert held(told) == Held({"orders": date(2026, 3, 6), "visits": LAST, "orders_per_visit": LAST}, FIRST, LAST)
    assert held([]) == NOTHING


@pytest.mark.parametrize(
    ("known", "changed", "expected"),
    [
        (SOME, {ORDERS: None, EVENTS: date(2026, 1, 6)}, True),
        (SOME, {ORDERS: None, EVENTS: None}, True),
        (SOME, {ORDERS: FIRST, EVENTS: None}, False),  # the first order may be gone
        (SOME, {ORDERS: None}, False),  # events are new as a whole
        (NOTHING, {ORDERS: None, EVENTS: None}, False),
    ],
)
def test_the_first_data_is_looked_for_where_it_may_have_changed(
    known: Held, changed: dict[str, date | None], expected: bool
) -> None:
    assert known.begins_with_data(changed, [ORDERS, EVENTS]) == expected


def test_nothing_is_reached_when_the_first_data_is_of_another_day() -> None:
    earlier, later = date(2026, 1, 4), date(2026, 1, 6)
    assert SOME.beginning(FIRST) == SOME
    assert SOME.beginning(earlier) == Held({}, earlier, LAST)
    assert SOME.beginning(later) == Held({}, FIRST, LAST)  # rows of data now gone go as well
    assert NOTHING.beginning(later) == Held({}, later, date.min)


def test_what_is_due_and_from_when_on_it_is_written() -> None:
    given = inputs()  # no snapshot: nothing is due of churn
    reached = {name: TODAY for family in FAMILIES for name in family.expected(given)}
    changed: dict[str, date | None] = dict.fromkeys({name for family in FAMILIES for name in family.tables})
    assert families.only_due(FAMILIES, given, Held(reached, FIRST, LAST), {**changed, EVENTS: LAST}) == [
        (VISITS, LAST),
        (COHORTS, FIRST),
    ]
    assert families.first_written([(VISITS, LAST)], TODAY) == date(2026, 3, 1)  # the month of 7 March
    assert families.first_written([(VISITS, TODAY), (COHORTS, date(2026, 3, 1))], TODAY) == date(2026, 2, 23)  # a week
    assert families.first_written([], TODAY) == date(2026, 3, 11)
