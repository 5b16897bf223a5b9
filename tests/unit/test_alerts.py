"""What rules say of numbers, and the life of an alert. Nothing here needs Spark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from tests.conftest import configured

from memberlake.conf.kpi import AlertRule
from memberlake.errors import UserError
from memberlake.kpi import alerts
from memberlake.kpi.alerts import Alert, Reading

D = date(2026, 11, 20)  # a Friday
CONF = configured("alerts.change_periods=3").alerts


def rule(**given: Any) -> AlertRule:
    return AlertRule.model_validate({"name": "r", "metric": "revenue", "period": "day", "below": 10, **given})


@pytest.mark.parametrize(
    ("given", "days"),
    [
        ({}, ["2026-11-20", "2026-11-19"]),
        ({"measure": "change"}, ["2026-11-20", "2026-11-13", "2026-11-06", "2026-10-30"]),  # Fridays
        ({"measure": "trend"}, ["2026-11-20", "2026-11-19", "2026-11-18"]),
        ({"period": "week"}, ["2026-11-09", "2026-11-02"]),  # the week of the 16th is not over
        ({"period": "month", "measure": "change"}, ["2026-10-01", "2026-09-01", "2026-08-01", "2026-07-01"]),
        ({"period": "month", "metric": "register_to_purchase_30d_rate"}, ["2026-09-01", "2026-08-01"]),  # October waits
        ({"period": "day", "metric": "register_to_purchase_7d_rate"}, ["2026-11-13", "2026-11-12"]),
    ],
)
def test_the_periods_that_a_rule_looks_at(given: dict[str, Any], days: list[str]) -> None:
    assert alerts.needed(rule(**given), CONF, 3, D) == [date.fromisoformat(day) for day in days]


def test_the_last_day_of_a_week_sees_that_week() -> None:
    assert alerts.needed(rule(period="week"), CONF, 3, date(2026, 11, 22))[0] == date(2026, 11, 16)


@pytest.mark.parametrize(
    ("measure", "values", "expected"),
    [
        ("level", [7.0], 7.0),
        ("level", [None], None),
        ("change", [30.0, 60.0, None, 20.0], -0.25),  # the median of 60 and 20 is 40
        ("change", [30.0, 60.0, None, None], None),  # one number is no habit
        ("change", [30.0, 0.0, 0.0, 5.0], None),  # nothing to be a share of
        ("change", [None, 60.0, 40.0, 20.0], None),
        ("trend", [5.0, 3.0, 1.0], 2.0),
        ("trend", [5.0, None, 1.0], 2.0),  # a gap keeps its place
        ("trend", [5.0, None, None], None),
    ],
)
def test_what_is_measured(measure: str, values: list[float | None], expected: float | None) -> None:
    days = [D - timedelta(days=n) for n in range(len(values))]
    numbers = {("all", day): value for day, value in zip(days, values, strict=True)}
    (found,) = alerts.readings(rule(measure=measure), days, numbers)
    assert found.value == expected


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"measure": "change", "below": -0.3}, [70.0, 100.0, 100.0]),
        ({"measure": "change", "below": None, "above": 0.1}, [110.0, 100.0, 100.0]),
        ({"measure": "trend", "below": None, "above": 0}, [4.0, 3.0, 1.0, 7.0, 1.0, 4.0]),
        ({"measure": "trend", "below": -0.1}, [0.1, 0.2, 0.3]),
    ],
)
def test_the_limit_itself_is_within(given: dict[str, Any], values: list[float]) -> None:
    """By floats 70 / 100 - 1 is less than -0.3."""
    days = [D - timedelta(days=n) for n in range(len(values))]
    (found,) = alerts.readings(rule(**given), days, {("all", d): v for d, v in zip(days, values, strict=True)})
    assert (found.value, found.is_broken) == (found.threshold, False)


@pytest.mark.parametrize(
    ("values", "counted", "expected"),  # counted: so many of the periods
    [
        ([0.3, 0.4, 0.1, 0.4], 4, 0.0),  # by floats 1.1e-17
        ([None, 3.0, 1.0], 3, 2.0),  # nobody left in the last period: the trend of those before
        ([None, 3.0, 1.0], 0, None),  # that one was not counted
        ([5.0, None, None], 3, None),
    ],
)
def test_the_level_of_a_trend_is_exact(values: list[float | None], counted: int, expected: float | None) -> None:
    trend = rule(metric="movement_ratio_trend", below=None, above=0, period="month")
    assert trend.read_metric == "movement_ratio"
    days = alerts.needed(trend, CONF, len(values), D)
    numbers = {("all", day): value for day, value in zip(days, values, strict=True)}
    (found,) = alerts.readings(trend, days, numbers, days[:counted])
    assert (found.subject_id, found.value, found.is_broken) == ("movement_ratio_trend", expected, bool(expected))


def test_a_rule_for_each_value_of_a_dimension() -> None:
    numbers = {("app", D): 9.0, ("shop", D): 10.0}
    found = alerts.readings(rule(dimension="channel"), [D], numbers)
    assert [(r.subject_id, r.is_broken) for r in found] == [
        ("revenue/channel/app", True),
        ("revenue/channel/shop", False),  # the limit itself is not below it
    ]
    only = alerts.readings(rule(dimension="channel", dimension_value="shop"), [D], numbers)
    assert [r.subject_id for r in only] == ["revenue/channel/shop"]


def test_a_channel_without_a_row_had_nothing() -> None:
    """Where the metric was counted; a ratio of nothing is not known."""
    days = [D, D - timedelta(days=7)]
    numbers = {("app", D): 9.0, ("app", days[1]): 9.0, ("shop", days[1]): 40.0}

    def found(of: AlertRule, counted: Sequence[date] = days) -> list[tuple[str | None, float | None]]:
        return [(r.subject_id, r.value) for r in alerts.readings(of, days, numbers, counted)]

    assert found(rule(dimension="channel")) == [("revenue/channel/app", 9.0), ("revenue/channel/shop", 0.0)]
    assert found(rule(dimension="channel"), days[1:])[1] == ("revenue/channel/shop", None)
    assert found(rule(dimension="channel", dimension_value="web")) == [("revenue/channel/web", 0.0)]
    ratio = rule(metric="repurchase_rate", dimension="channel", dimension_value="web")
    assert found(ratio) == [("repurchase_rate/channel/web", None)]


def test_an_open_alert_of_a_silent_channel_is_judged() -> None:
    """It fell silent before the periods that are looked at: what was too much is over, what is too little goes on."""
    too_much = rule(dimension="channel", below=None, above=5)
    held = alerts.advance([], alerts.readings(too_much, [D], {("app", D): 9.0}), [too_much], D)
    later = D + timedelta(days=9)
    (found,) = alerts.readings(too_much, [later], {}, [later], held)
    assert (found.subject_id, found.value, found.is_broken) == ("revenue/channel/app", 0.0, False)
    (closed,) = alerts.advance(held, [found], [too_much], later)
    assert (closed.state, closed.closed_on) == ("closed", later)
    assert alerts.readings(too_much, [later], {}, [later], [closed]) == []
    assert [r.value for r in alerts.readings(too_much, [later], {}, [], held)] == [None]  # was not counted
    assert alerts.readings(rule(name="other", dimension="channel"), [later], {}, [later], held) == []


def test_the_message_of_a_reading() -> None:
    (found,) = alerts.readings(rule(dimension="channel"), [D], {("app", D): 9.0})
    assert found.message == "Revenue (day of 2026-11-20, channel app) is 9.0, below 10.0"


def reading(value: float | None, **given: Any) -> Reading:
    is_broken = value is not None and value < 10
    told = {"message": f"is {value}", **given}
    return Reading("r", "metric", "revenue", value, 10.0, is_broken, **told)


def lived(days: Sequence[tuple[int, Reading | None]], last_rules: Sequence[AlertRule] = (rule(),)) -> list[Alert]:
    """The alerts after readings on days (numbered from D), each day judged twice: a rerun changes nothing."""
    held: dict[str, Alert] = {}
    for n, found in days:
        rules = last_rules if n == days[-1][0] else [rule()]
        for _ in range(2):
            changed = alerts.advance([*held.values()], [found] if found else [], rules, D + timedelta(days=n))
            held |= {a.alert_id: a for a in changed}
        assert changed == []
    return sorted(held.values(), key=lambda a: a.raised_on)


def test_an_alert_is_opened_once_updated_and_closed() -> None:
    (opened,) = lived([(0, reading(8))])
    assert (opened.state, opened.raised_on, opened.as_of, opened.value) == ("open", D, D, 8)
    (updated,) = lived([(0, reading(8)), (1, reading(7)), (2, reading(None))])  # no number changes nothing
    assert updated == replace(opened, as_of=D + timedelta(days=1), value=7, message="is 7")
    (closed,) = lived([(0, reading(8)), (2, reading(12))])  # its value stays the last that broke the rule
    last = D + timedelta(days=2)
    assert closed == replace(opened, state="closed", closed_on=last, as_of=last)
    assert lived([(0, reading(12)), (1, reading(None))]) == []


@pytest.mark.parametrize(
    ("rules", "state"),
    [
        ([], "closed"),
        ([rule(metric="orders")], "closed"),  # about something else now
        ([rule(dimension="channel")], "closed"),
        ([rule()], "open"),  # no number today
    ],
)
def test_an_alert_of_a_rule_that_is_gone_is_closed(rules: list[AlertRule], state: str) -> None:
    (alert,) = lived([(0, reading(8)), (1, None)], rules)
    assert alert.state == state


def test_an_alert_of_a_model_that_was_replaced_is_closed() -> None:
    def drift(version: str, metric: str, *, is_alert: bool = True) -> Reading:
        row = {"model_name": "churn", "model_version": version, "metric": metric, "value": 0.4, "threshold": 0.2}
        return alerts.of_model({**row, "is_alert": is_alert})

    opened = alerts.advance([], [drift("1", "psi:score"), drift("1", "pr_auc"), drift("2", "pr_auc")], [], D)
    found = [drift("2", "psi:score", is_alert=False), drift("1", "ece", is_alert=False)]
    changed = alerts.advance(opened, found, [], D + timedelta(days=1))
    # version 1 scores no more, though what came of its scores is still told; the others have no number today
    assert [(a.subject_id, a.state) for a in changed] == [("churn/1/psi:score", "closed")]


def test_after_the_cooldown_it_is_opened_anew() -> None:
    broken, fine = reading(8, cooldown_days=3), reading(12, cooldown_days=3)
    assert [a.raised_on for a in lived([(0, broken), (1, fine), (3, broken)])] == [D]  # two days after it was closed
    assert [a.raised_on for a in lived([(0, broken), (1, fine), (4, broken)])] == [D, D + timedelta(days=4)]


@pytest.mark.parametrize("cooldown", [0, 3])
def test_a_day_that_is_judged_again_with_more_data_goes_on_from_the_day_before(cooldown: int) -> None:
    broken, fine = reading(8, cooldown_days=cooldown), reading(12, cooldown_days=cooldown)
    opened = [replace(a, sent_at=datetime(2026, 11, 20, 9)) for a in alerts.advance([], [broken], [rule()], D)]
    tomorrow = D + timedelta(days=1)
    closed = alerts.advance(opened, [fine], [rule()], tomorrow)
    assert [a.state for a in closed] == ["closed"]
    assert alerts.advance(closed, [broken], [rule()], tomorrow) == [replace(opened[0], as_of=tomorrow)]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("[{name: a, metric: revenu, period: day, below: 1}]", "there is no metric revenu; docs/metrics.md"),
        ("[{name: a, metric: revenue, period: day}]", "give one of above and below"),
        (
            "[{name: a, metric: orders, period: day, above: 1}, {name: a, metric: orders, period: day, below: 1}]",
            "twice",
        ),
        ("[{name: a, metric: orders, period: year, above: 1}]", "'day', 'week' or 'month'"),
        (
            "[{name: a, metric: orders, period: day, dimension: chanel, above: 1}]",
            "--set alerts.rules: alerts: a: orders has no dimension chanel; with kpi.dimensions as they are it has "
            "all, channel, brand, city, acquisition_channel$",
        ),
        ("[{name: a, metric: churn_rate, period: day, dimension: channel, above: 1}]", "churn_rate has no dimension"),
        ("[{name: a, metric: orders, period: day, dimension_value: app, above: 1}]", "a: dimension_value needs a dim"),
        ("[{name: a, metric: orders, period: day, above: .nan}]", "should be a finite number"),
        ("[{name: a, metric: cost_per_goal, period: day, above: 1}]", "no dimension all; .* it has goal$"),
        ("[{name: a, metric: stickiness, period: week, below: 1}]", "a: stickiness is of days only, not of a week$"),
        (
            "[{name: a, metric: active_subjects, period: day, dimension: channel, below: 1}]",
            "active_subjects has no dimension channel; with activity.dimensions as they are it has all, tier$",
        ),
        (
            "[{name: a, metric: activity_rate, period: day, below: 0.1}]",
            "a: activity_rate is of members: it needs kind in activity.dimensions$",
        ),
    ],
)
def test_a_rule_that_is_wrong_is_refused(rules: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        configured(f"alerts.rules={rules}", "activity.dimensions=[all, tier]")


def test_a_rule_may_watch_whatever_activity_tells_apart() -> None:
    rules = "alerts.rules=[{name: a, metric: active_subjects, period: month, dimension: tier, below: 1}]"
    assert configured(rules, "activity.dimensions=[all, tier]").alerts.rules[0].dimension == "tier"


def test_a_wrong_address_of_the_webhook_is_not_repeated() -> None:
    with pytest.raises(UserError, match=r"alerts\.webhook\.url: must begin with http:// or https://$"):
        configured("alerts.webhook.url=chat.example/t0ken")
