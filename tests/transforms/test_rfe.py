"""The three measures of visits, and the names of what they make."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from chispa import assert_df_equality
from pyspark.sql import SparkSession
from tests.conftest import configured

from memberlake import scoring
from memberlake.value import rfe

D = date(2026, 11, 20)
VISITS = "subject_id string, is_member boolean, active_on date, session_id string, event_type string"
MEASURED = (
    "subject_id string, is_member boolean, recency_days int, frequency bigint, engagement decimal(21,4), scope string"
)


def test_the_measures_of_each_subject(spark: SparkSession) -> None:
    def on(day: int) -> date:
        return date(2026, 11, day)

    visits = [
        ("one session over midnight", True, on(19), "s1", "page_view"),
        ("one session over midnight", True, on(20), "s1", "download"),
        ("two sessions on a day, and an event without", True, on(18), "s2", "visit"),
        ("two sessions on a day, and an event without", True, on(18), "s3", "search"),
        ("two sessions on a day, and an event without", True, on(17), None, "visit"),
        ("no sessions", False, on(1), None, "page_view"),
        ("no sessions", False, on(1), None, "video_play"),
        ("no sessions", False, on(3), None, "add_to_cart"),  # active, but no weight
        ("no sessions", False, on(5), None, "newsletter"),  # a weight, but no visit
        ("never visited", True, on(5), "s4", "newsletter"),
    ]
    weights = {"page_view": 1, "search": 1, "download": 5, "video_play": 2.5, "newsletter": 0.1}
    active = ["visit", "page_view", "search", "download", "video_play", "add_to_cart"]
    found = rfe.measure(spark.createDataFrame(visits, VISITS), D, active, weights)
    expected = [
        ("one session over midnight", True, 0, 1, Decimal("6"), "all"),
        ("two sessions on a day, and an event without", True, 2, 2, Decimal("1"), "all"),
        ("no sessions", False, 17, 2, Decimal("3.6"), "all"),
    ]
    assert_df_equality(
        found, spark.createDataFrame(expected, MEASURED), ignore_row_order=True, ignore_nullable=True
    )  # fmt: skip


def test_a_robots_day_is_no_visit(spark: SparkSession) -> None:
    day, before = date(2026, 11, 20), date(2026, 11, 19)
    robot = [("robot", False, day, f"s{n}", "page_view") for n in range(3)]
    others = [
        ("robot", False, before, "s9", "page_view"),  # as a person, the day before
        ("busy", True, day, "b", "page_view"),
        ("busy", True, day, "b", "search"),
        ("busy", True, day, "b", "newsletter"),  # not active
    ]
    frame = spark.createDataFrame(robot + others, VISITS)
    left = frame.transform(rfe.without_robots, ["page_view", "search"], 2)
    assert_df_equality(left, spark.createDataFrame(others, VISITS), ignore_row_order=True)
    assert frame.transform(rfe.without_robots, ["page_view", "search"], None) is frame


def test_a_rare_but_deep_visitor_is_named_so(spark: SparkSession) -> None:
    """313 of the domain: seldom, but for long; it is the first to be invited back."""
    scores = [(3, 1, 3), (3, 3, 3), (1, 1, 1)]
    frame = spark.createDataFrame(scores, "r_score int, f_score int, e_score int")
    rules = scoring.rules(configured("rfe.tiles=3").rfe.segments)
    found = {tuple(row)[:3]: row.segment for row in scoring.with_segment(frame, rules, 3).collect()}
    assert found == {(3, 1, 3): "rare_but_deep", (3, 3, 3): "devoted", (1, 1, 1): "gone"}
