"""Scores against the formula of their definition, counted out by hand in Python, on many populations at once."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.conftest import configured

from memberlake import scoring
from memberlake.conf import Conf
from memberlake.scoring import Measure, Rule
from memberlake.value import rfm

RECENCY = Measure("recency_days", "r_score", less_is_better=True)
FREQUENCY = Measure("frequency", "f_score")
MONETARY = Measure("monetary", "m_score")
MEASURES = (RECENCY, FREQUENCY, MONETARY)
SUBJECTS = "scope string, subject string, recency_days int, frequency bigint, monetary decimal(18,2)"
SCORES = "scope string, subject string, r_score int, f_score int, m_score int"

Population = list[tuple[int, int, Decimal]]  # recency_days, frequency, monetary of each subject


def cents(value: int) -> Decimal:
    return Decimal(value).scaleb(-2)


def populations() -> Iterator[Population]:
    """A few hundred: random ones with light and heavy ties, and those that are hard on purpose."""
    dice = random.Random(1)
    for _ in range(300):
        size, kinds = dice.randint(1, 40), dice.choice([1, 2, 3, 5, 400])  # few kinds of value: heavy ties
        special = [0, 1, -5, 10**17, -(10**17), 10**17 + 1]
        amounts = [*dice.sample(special, k=4), *(dice.randint(-(10**4), 10**6) for _ in range(kinds))]
        yield [(dice.randrange(kinds), dice.randrange(kinds) + 1, cents(dice.choice(amounts))) for _ in range(size)]
    yield from ([(3, 2, cents(100))] * n for n in range(1, 25))  # all equal
    yield from ([(i, i + 1, cents(i)) for i in range(n)] for n in range(1, 25))  # all different, n around the tiles
    one_cent_apart = [(0, 1, cents(10**17 + i)) for i in range(12)]
    outlier = [(i % 2, 10**15 if i == 0 else 1, cents(-(10**17) if i == 0 else i)) for i in range(30)]
    yield from (one_cent_apart, outlier)


def by_definition(values: Sequence[Any], tiles: int, *, less_is_better: bool) -> list[int]:
    """score(v) = 1 + floor(tiles * |{subjects that are worse than v}| / N)"""
    worse = [sum(other > v if less_is_better else other < v for other in values) for v in values]
    return [1 + tiles * count // len(values) for count in worse]


@pytest.fixture(scope="module")
def subjects() -> dict[str, Population]:
    return {f"scope {n:03}": population for n, population in enumerate(populations())}


@pytest.fixture(scope="module")
def frame(spark: SparkSession, subjects: dict[str, Population]) -> DataFrame:
    rows = [(scope, f"{i:02}", *values) for scope, p in subjects.items() for i, values in enumerate(p)]
    return spark.createDataFrame(rows, SUBJECTS).repartition(3).persist()


def scored(frame: DataFrame, tiles: int, measures: Sequence[Measure] = MEASURES) -> DataFrame:
    return scoring.with_scores(frame, scoring.cuts(frame, measures, tiles), measures, tiles)


@pytest.mark.parametrize("tiles", [2, 5, 7, 10])
def test_every_score_is_that_of_the_definition(frame: DataFrame, subjects: dict[str, Population], tiles: int) -> None:
    expected = []
    for scope, population in subjects.items():
        recency, frequency, monetary = zip(*population, strict=True)
        scores = zip(
            by_definition(recency, tiles, less_is_better=True),
            by_definition(frequency, tiles, less_is_better=False),
            by_definition(monetary, tiles, less_is_better=False),
            strict=True,
        )
        expected += [(scope, f"{i:02}", *three) for i, three in enumerate(scores)]
    found = scored(frame, tiles).select("scope", "subject", "r_score", "f_score", "m_score")
    assert sorted(map(tuple, found.collect())) == expected


def test_scores_do_not_depend_on_the_partitioning(frame: DataFrame) -> None:
    one = scored(frame.coalesce(1), 5)
    many = scored(frame.orderBy("monetary").repartition(7), 5)
    assert_df_equality(one, many, ignore_row_order=True)


def test_ties_share_a_score_and_the_best_need_not_reach_the_highest(spark: SparkSession) -> None:
    buyers = spark.createDataFrame(
        [
            ("all", "seven of ten tie", 5, n, cents(100)) for n in [1] * 7
        ] + [
            ("all", "better", 5, 2, cents(100)),
            ("all", "better", 5, 3, cents(100)),
            ("all", "best", 5, 4, cents(100)),
            ("wine", "alone in the scope", 5, 1, cents(1)),  # scopes are never mixed
        ],
        SUBJECTS,
    )  # fmt: skip
    found = scored(buyers, 5).select("scope", "subject", "r_score", "f_score", "m_score")
    expected = spark.createDataFrame(
        [("all", "seven of ten tie", 1, 1, 1)] * 7
        + [
            ("all", "better", 1, 4, 1),  # 1 + floor(5 * 7 / 10)
            ("all", "better", 1, 5, 1),
            ("all", "best", 1, 5, 1),
            ("wine", "alone in the scope", 1, 1, 1),
        ],
        SCORES,
    )
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)


def test_nobody_to_score(spark: SparkSession) -> None:
    assert scored(spark.createDataFrame([], SUBJECTS), 5).isEmpty()


def test_scales_of_decimals(spark: SparkSession) -> None:
    """Amounts with no cents or with many decimals keep their order to the last digit."""
    rows = [("all", str(i), Decimal(10**15 + i), Decimal(i).scaleb(-9)) for i in range(-5, 5)]
    frame = spark.createDataFrame(rows, "scope string, subject string, whole decimal(20,0), tiny decimal(18,9)")
    found = scored(frame, 10, [Measure("whole", "up"), Measure("tiny", "down", less_is_better=True)])
    assert {r.subject: (r.up, r.down) for r in found.collect()} == {str(i): (i + 6, 5 - i) for i in range(-5, 5)}


def test_a_measure_of_doubles_is_refused(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("all", "a", 0.5), ("all", "b", 0.7)], "scope string, subject string, e double")
    with pytest.raises(TypeError, match="e is double"):
        scored(frame, 2, [Measure("e", "e_score")])


def test_thresholds_are_closed_on_the_right(spark: SparkSession) -> None:
    measures = [
        Measure("recency_days", "r_score", less_is_better=True, thresholds=(7, 30)),
        FREQUENCY,
        Measure("monetary", "m_score", thresholds=(-0.5, 99.99)),
    ]
    buyers = [
        ("at the first cut", 7, 1, Decimal("-0.50"), 3, 1, 1),
        ("past the first cut", 8, 2, Decimal("-0.49"), 2, 1, 2),
        ("at the last cut", 30, 3, Decimal("99.99"), 2, 2, 2),
        ("past the last cut", 31, 3, Decimal("100.00"), 1, 2, 3),
    ]
    frame = spark.createDataFrame([("all", *b[:4]) for b in buyers], SUBJECTS)
    expected = spark.createDataFrame([("all", b[0], *b[4:]) for b in buyers], SCORES)
    found = scored(frame, 3, measures).select("scope", "subject", "r_score", "f_score", "m_score")
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)


def test_thresholds_alone_need_no_cuts(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("all", "at the cut", 1, 5, cents(0)), ("all", "past it", 1, 6, cents(0))], SUBJECTS)
    found = scored(frame, 2, [Measure("frequency", "f_score", thresholds=(5,))])
    assert {r.subject: r.f_score for r in found.collect()} == {"at the cut": 1, "past it": 2}


def test_code_sum_weighted_and_rank(spark: SparkSession) -> None:
    members = spark.createDataFrame(
        [
            ("all", "best", 3, 1, 3),
            ("all", "tie", 3, 1, 2),
            ("all", "other tie", 1, 2, 3),
            ("all", "after two that tie", 1, 1, 1),
            ("wine", "first of another scope", 1, 1, 1),
        ],
        SCORES,
    )
    coded = members.transform(scoring.with_code, MEASURES, 5, [0.5, 0.25, 0.25])
    found = coded.withColumn("subjects", F.lit(1)).transform(scoring.with_rank)
    expected = spark.createDataFrame(
        [
            ("all", "best", "313", 7, 2.5, 1),
            ("all", "tie", "312", 6, 2.25, 2),
            ("all", "other tie", "123", 6, 1.75, 2),
            ("all", "after two that tie", "111", 3, 1.0, 4),
            ("wine", "first of another scope", "111", 3, 1.0, 1),
        ],
        "scope string, subject string, score_code string, score_sum int, score_weighted double, rank bigint",
    )
    found = found.select(*expected.columns)
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)


def test_ten_tiles_are_joined_by_dashes_and_no_weights_give_null(spark: SparkSession) -> None:
    members = spark.createDataFrame([("all", "a", 10, 9, 3), ("all", "b", 1, 1, 10)], SCORES)
    found = members.transform(scoring.with_code, MEASURES, 10).select("score_code", "score_sum", "score_weighted")
    expected = spark.createDataFrame(
        [("10-9-3", 22, None), ("1-1-10", 12, None)], "score_code string, score_sum int, score_weighted double"
    )
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)


def test_the_first_rule_that_matches_names_the_segment(spark: SparkSession) -> None:
    rules = [
        Rule("both ends", {"r_score": (2, 4)}),
        Rule("second choice", {"r_score": (4, 5), "f_score": "high"}),
        Rule("the rest", {}),
    ]
    members = [
        (2, 1, "both ends"),
        (4, 5, "both ends"),  # the second rule matches too
        (5, 4, "second choice"),
        (5, 3, "the rest"),  # 3 of 5 is the middle: low
        (1, 5, "the rest"),
    ]
    expected = spark.createDataFrame(members, "r_score int, f_score int, segment string")
    found = expected.drop("segment").transform(scoring.with_segment, rules, 5)
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)


def test_high_is_above_the_middle_of_any_scale(spark: SparkSession) -> None:
    highest_low = {2: 1, 3: 2, 4: 2, 5: 3, 6: 3, 7: 4, 8: 4, 9: 5, 10: 5}
    scores = spark.range(1, 11).selectExpr("CAST(id AS INT) AS s")
    rules = [Rule("high", {"s": "high"}), Rule("low", {"s": "low"}), Rule("neither", {})]
    for tiles, low in highest_low.items():
        found = {
            r.s: r.segment
            for r in scores.where(f"s <= {tiles}").transform(scoring.with_segment, rules, tiles).collect()
        }
        assert found == {s: "low" if s <= low else "high" for s in range(1, tiles + 1)}


@pytest.mark.parametrize(
    ("name", "tiles"), [("ten_segments", 5), ("eight_values", 2), ("eight_values", 5), ("eight_values", 10)]
)
def test_a_shipped_map_names_every_combination_of_scores(spark: SparkSession, name: str, tiles: int) -> None:
    conf = configured(f"rfm.tiles={tiles}", f"rfm.segment_map={name}")
    combinations = list(itertools.product(range(1, tiles + 1), repeat=3))
    members = spark.createDataFrame(combinations, "r_score int, f_score int, m_score int")
    found = members.transform(scoring.with_segment, segment_rules(conf), tiles).collect()
    assert {(r.r_score, r.f_score, r.m_score): r.segment for r in found} == {
        scores: named(conf, dict(zip("rfm", scores, strict=True)), tiles) for scores in combinations
    }
    assert {r.segment for r in found} == {rule.segment for rule in conf.rfm.segments.rules}  # no rule is dead


def segment_rules(conf: Conf) -> list[Rule]:
    return [Rule(r.segment, {f"{m}_score": asked for m, asked in r.asks.items()}) for r in conf.rfm.segments.rules]


def named(conf: Conf, scores: Mapping[str, int], tiles: int) -> str:
    """The map's answer, read from the configuration without Spark."""

    def holds(score: int, asked: Any) -> bool:
        is_high = Fraction(score) > Fraction(1 + tiles, 2)
        return is_high if asked == "high" else not is_high if asked == "low" else asked[0] <= score <= asked[1]

    return next(
        rule.segment for rule in conf.rfm.segments.rules if all(holds(scores[m], a) for m, a in rule.asks.items())
    )


def test_bins_tell_who_got_each_score(spark: SparkSession) -> None:
    members = spark.createDataFrame(
        [
            ("all", 0, 9, Decimal("1.50"), 2, 2, 1),
            ("all", 3, 9, Decimal("-2.00"), 2, 2, 1),
            ("all", 4, 1, Decimal("7.25"), 1, 1, 2),
            ("wine", 4, 1, Decimal("7.25"), 1, 1, 1),
        ],
        "scope string, recency_days int, frequency bigint, monetary decimal(18,2), "
        "r_score int, f_score int, m_score int",
    )
    expected = spark.createDataFrame(
        [
            ("rfm", "all", "recency_days", 1, 1, 4.0, 4.0),
            ("rfm", "all", "recency_days", 2, 2, 0.0, 3.0),
            ("rfm", "all", "frequency", 1, 1, 1.0, 1.0),
            ("rfm", "all", "frequency", 2, 2, 9.0, 9.0),
            ("rfm", "all", "monetary", 1, 2, -2.0, 1.5),
            ("rfm", "all", "monetary", 2, 1, 7.25, 7.25),
            ("rfm", "wine", "recency_days", 1, 1, 4.0, 4.0),
            ("rfm", "wine", "frequency", 1, 1, 1.0, 1.0),
            ("rfm", "wine", "monetary", 1, 1, 7.25, 7.25),
        ],
        "model string, scope string, measure string, score int, subjects bigint, min_value double, max_value double",
    )
    found = scoring.bins(scoring.combinations(members, MEASURES), MEASURES, "rfm")
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)


def test_rfm_scores_what_the_definition_of_rfm_says(spark: SparkSession) -> None:
    """The wiring: recency mirrored, the configuration's weights and segments, ranks by scope."""
    conf = configured("rfm.tiles=2", "rfm.weights={r: 1, f: 10, m: 100}").rfm
    buyers = spark.createDataFrame(
        [("all", "bought today", 0, 1, cents(900)), ("all", "often, long ago", 9, 5, cents(100))],
        SUBJECTS,
    )
    expected = spark.createDataFrame(
        [
            ("bought today", 2, 1, 2, "212", 5, 212.0, 1, "important_develop"),
            ("often, long ago", 1, 2, 1, "121", 4, 121.0, 2, "general_keep"),
        ],
        "subject string, r_score int, f_score int, m_score int, score_code string, score_sum int, "
        "score_weighted double, rank bigint, segment string",
    )
    scored = rfm.score(buyers, rfm.cuts(buyers, conf), conf)
    found = scoring.named(scored, rfm.combinations(scored, conf), rfm.measures({})).select(*expected.columns)
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)


def test_populations_hold_what_they_are_for(subjects: dict[str, Population]) -> None:
    """The random test above is worth what its populations are."""
    sizes = Counter(len(population) for population in subjects.values())
    amounts = {amount for population in subjects.values() for _, _, amount in population}
    assert min(sizes) == 1
    assert len(subjects) > 300
    assert {cents(10**17), cents(10**17 + 1), cents(-(10**17)), cents(0), cents(-5)} <= amounts
