"""From which day on a family of metrics is counted again. Nothing here needs Spark."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

import pytest

from memberlake.kpi import families
from memberlake.kpi.families import FAMILIES, OPERATION, Inputs
from memberlake.kpi.metrics import CAMPAIGNS, CHURN, EVENTS, MEMBERS, ORDERS, RESPONSES

FIRST, LAST, TODAY = date(2026, 1, 5), date(2026, 3, 7), date(2026, 3, 10)
_, MOVEMENT, VISITS, COHORTS = FAMILIES


def inputs(*snapshots: date) -> Inputs:
    frames = cast(Any, None)
    return Inputs(frames, frames, frames, {MEMBERS, ORDERS, EVENTS}, snapshots, frames, TODAY, frames)


def since(family: families.Family, changed: dict[str, date | None], *snapshots: date, **reached: date) -> date:
    """By the first day that each table's changes touch; a table that is not named had none."""
    given = inputs(*snapshots)
    every = dict.fromkeys(family.expected(given), LAST) | reached
    days = {name: changed.get(name) for name in family.tables}
    return family.touched_since(given, every, FIRST, days)


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
    known = dict.fromkeys(OPERATION.expected(inputs()), LAST)
    none = dict.fromkeys(OPERATION.tables)
    assert OPERATION.touched_since(inputs(), known, FIRST, none) == date(2026, 3, 8)
    assert OPERATION.touched_since(inputs(), known, FIRST, {}) == FIRST  # rebuild, or tables that are new as a whole
    del known["revenue"]
    assert OPERATION.touched_since(inputs(), known, FIRST, none) == FIRST  # a metric that was never counted


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
