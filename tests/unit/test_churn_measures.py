"""Measures and thresholds from the levels of a score, against counting member by member."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from tests.conftest import configured

from memberlake.churn import evaluate, monitor, score
from memberlake.churn.evaluate import Level


def levels(members: Sequence[tuple[float, int]]) -> list[Level]:
    """Of (score, label)."""
    scores = sorted({score for score, _ in members}, reverse=True)
    labels = {score: [y for s, y in members if s == score] for score in scores}
    return [Level(s, len(y), sum(y), s * len(y), sum((s - each) ** 2 for each in y)) for s, y in labels.items()]


SOME = levels([(0.9, 1), (0.9, 1), (0.6, 1), (0.6, 0), (0.4, 1), (0.4, 0), (0.4, 0), (0.1, 0), (0.1, 0), (0.1, 0)])


def test_measures_of_ties_and_all_else_by_counting_members() -> None:
    dice = random.Random(5)
    for scores in (4, 40, 10_000):  # many ties, some, few
        drawn = [(dice.randrange(scores) / scores, dice.random()) for _ in range(200)]
        members = [(score, int(chance < score)) for score, chance in drawn]
        churners = [s for s, y in members if y]
        others = [s for s, y in members if not y]
        found = evaluate.measures(levels(members))
        pairs = sum((a > b) + (a == b) / 2 for a in churners for b in others)
        assert found["roc_auc"] == pytest.approx(pairs / (len(churners) * len(others)))
        precision = [sum(c >= s for c in churners) / sum(m >= s for m, _ in members) for s in churners]
        assert found["pr_auc"] == pytest.approx(sum(precision) / len(churners))
        assert found["brier"] == pytest.approx(sum((s - y) ** 2 for s, y in members) / len(members))
        assert found["base_rate"] == len(churners) / len(members)


def test_calibration_error_is_the_distance_of_deciles() -> None:
    """Of ten members: scores 0.9, where both churn; 0.6, half; 0.4, a third; 0.1, nobody."""
    assert evaluate.measures(SOME)["ece"] == pytest.approx((2 * 0.1 + 2 * 0.1 + 3 * (0.4 - 1 / 3) + 3 * 0.1) / 10)
    assert [n for n, _, _ in evaluate.deciles(SOME)] == [2, 2, 3, 3]


def test_captured_counts_a_level_that_straddles_the_bound_in_proportion() -> None:
    found = evaluate.measures(SOME)
    assert (found["captured_20"], found["lift_20"]) == (0.5, 2.5)
    assert found["captured_10"] == 0.25  # one of the two with 0.9


@pytest.mark.parametrize(
    ("settings", "threshold", "told"),
    [
        ("{by: best_f1, missed: 5, needless: 1, capacity: 1}", 0.6, 4),  # F1 of 0.67, 0.75, 0.73 and 0.57
        ("{by: costs, missed: 4, needless: 1, capacity: 1}", 0.2, 7),  # a call costs 1, a churner who was missed 4
        ("{by: costs, missed: 1, needless: 4, capacity: 1}", 0.8, 2),
        ("{by: capacity, missed: 5, needless: 1, capacity: 2}", 0.9, 2),
        ("{by: capacity, missed: 5, needless: 1, capacity: 3}", 0.6, 4),  # ties with the last who can be called
        ("{by: capacity, missed: 5, needless: 1, capacity: 500}", 0.0, 10),  # more than there are: everyone
    ],
)
def test_threshold(settings: str, threshold: float, told: int) -> None:
    conf = configured(f"churn.threshold={settings}").churn.threshold
    found = evaluate.threshold(SOME, conf)
    assert found == pytest.approx(threshold)
    assert evaluate.at_threshold(SOME, found)["told"] == told


def test_of_two_levels_with_one_f1_the_higher_is_the_threshold() -> None:
    """Both 2/3: 2 * 3 / (5 + 4), and 2 * 4 / (8 + 4). By precision and recall the lower is greater by a last digit."""
    members = [(0.9, int(n < 3)) for n in range(5)] + [(0.5, int(n < 1)) for n in range(3)]
    conf = configured("churn.threshold.by=best_f1").churn.threshold
    assert evaluate.threshold(levels(members), conf) == 0.9


def test_what_calling_from_the_threshold_on_brings() -> None:
    assert evaluate.at_threshold(SOME, 0.6) == {"told": 4.0, "precision": 0.75, "recall": 0.75}
    assert evaluate.at_threshold(SOME, 0.95) == {"told": 0.0, "precision": 0.0, "recall": 0.0}


def test_shift_is_the_population_stability_index() -> None:
    """Of 100 members 60, 40 and none without a value; now 30, 60 and 10. Half a member is added to each."""
    then, now = monitor.Spread((1.0,), (60, 40, 0)), monitor.Spread((1.0,), (30, 60, 10))
    found = {m.metric: m for m in monitor.shifts({"x": then}, {"x": now}, configured().churn.alerts)}
    terms = [(-30, 30.5 / 60.5), (20, 60.5 / 40.5), (10, 10.5 / 0.5)]
    assert found["psi:x"].value == pytest.approx(sum(moved / 101.5 * math.log(ratio) for moved, ratio in terms))
    assert found["missing:x"].value == pytest.approx(0.1)
    assert (found["psi:x"].is_alert, found["missing:x"].is_alert) == (True, False)  # above 0.25; not above 0.1
    assert monitor.psi(then, then) == 0
    (drifting, _) = monitor.shifts({"x": then}, {"x": now}, configured().churn.alerts, ["x"])
    assert (drifting.threshold, drifting.is_alert) == (None, False)


def test_a_feature_that_grows_with_the_record_raises_no_alert() -> None:
    first = date(2025, 1, 1)
    by_nature = {"season_sin", "season_cos", "tenure_days", "activated_days", "age_years", "first_order_days"}
    assert {*score.moving(None, first)} == by_nature
    assert {*score.moving(first + timedelta(days=364), first)} == by_nature  # the whole year is seen
    cut = {*score.moving(first + timedelta(days=178), first)} - by_nature
    assert {"orders_365", "gap_longest", "orders_90_before", "orders_trend"} <= cut
    assert not {"orders_90", "contacts_90"} & cut
    assert "orders_trend" not in score.moving(first + timedelta(days=179), first)  # 180 days
