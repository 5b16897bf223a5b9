"""The season of churn, and calibrated probabilities of a made brand whose share of churners moves with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from tests.conftest import configured
from tests.transforms.test_churn_rules import D, day, of

from memberlake.churn import evaluate, facts, measure, models, rules, season, snapshots
from memberlake.made import life, shopping
from memberlake.made.world import World
from memberlake.tables import silver

TEN_DAYS = (
    "churn.rules=[{name: ten, kind: implicit, permanence: temporary, condition: no_order, days: 10}]",
    "churn.label_rule=ten",
    "churn.gap_days=0",
    "churn.horizon_days=5",
)
# orders, in days before D; a year ago is day 364, and 424 for a calibration 60 days earlier
ORDERS = [
    ("the record begins", 600),
    ("stays", 366), ("stays", 358), ("stays", 350), ("leaves", 372), ("churned before", 380),
    ("stays, earlier", 426), ("stays, earlier", 418), ("leaves, earlier", 432), ("leaves too, earlier", 432),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ((), {(day(424), 3, 2.0), (day(364), 2, 1.0)}),
        (("churn.observe_days=176",), {(day(424), 3, 2.0), (day(364), 2, 1.0)}),
        (("churn.observe_days=177",), set()),  # the earlier day is too early in the record
        (("churn.horizon_days=365",), set()),  # what came of the day a year ago is not known
    ],
)
def test_members_and_churners_of_the_two_days_a_year_before(
    spark: SparkSession, sets: Sequence[str], expected: set[tuple[date, int, float]]
) -> None:
    conf = configured(*TEN_DAYS, *sets).churn
    known = of(spark, {}, ORDERS)
    found = season.year_ago(known.known, rules.spells(conf.foretold, known, D), conf, day(600), day(60), D)
    assert {tuple(row) for row in found.collect()} == expected


def counted(on: date, members: int, churners: int) -> Row:
    return Row(as_of=on - season.YEAR, members=members, churners=float(churners))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((1_000_000, 500_000), (1_000_000, 200_000), -1.3863),  # odds from 1 to 1/4: ln 4, and no chance in it
        ((1000, 300), (1000, 320), 0.0),  # by chance
        ((2000, 700), (2000, 560), -0.3110),  # log-odds of -0.3254, of which 4 % are taken for chance
        ((10, 0), (1000, 320), 0.0),  # nobody churned: says nothing
        ((1000, 300), (10, 10), 0.0),
        ((1000, 300), (1000, 300), 0.0),
    ],
)
def test_the_shift_is_what_moved_beyond_chance(
    before: tuple[int, int], after: tuple[int, int], expected: float
) -> None:
    rows = [counted(day(60), *before), counted(D, *after)]
    assert season.shift(rows, day(60), D) == pytest.approx(expected, abs=1e-4)


def test_without_a_year_before_nothing_is_shifted() -> None:
    assert season.shift([], day(60), D) == season.shift([counted(D, 1000, 300)], day(60), D) == 0.0


def test_probabilities_of_a_made_brand_are_honest_though_churn_has_a_season(spark: SparkSession) -> None:
    """In October, before the sales, fewer are about to be lost than in August, when the calibration part is."""
    shipped = configured()
    world = World(spark, shipped.made, 80_000, shipped.business_timezone, partitions=1)
    made = {silver.MEMBERS: life.members, silver.ORDERS: shopping.orders}
    frames: dict[str, Any] = {}
    for name, table in facts.TABLES.items():
        frame = made[table](world) if table in made else spark.range(0)
        missing = {c.name: F.lit(None).cast(c.type) for c in table.columns if c.name not in frame.columns}
        frames[name] = frame.withColumns(missing).persist()
    conf = configured(
        "churn.max_snapshots=6", "churn.grids.random_forest={maxDepth: [6], numTrees: [20], minInstancesPerNode: [20]}"
    ).churn
    as_of = date(2025, 12, 28)
    statuses = shipped.orders.counted_statuses
    known = facts.until(frames, as_of=as_of, zone=shipped.business_timezone, statuses=statuses)
    split = snapshots.split(conf, shipped.made.first_on, as_of)
    spells = rules.spells(conf.foretold, known, as_of).persist()
    eligible = snapshots.eligible(known.known, spells, split.every)
    examples = snapshots.with_labels(eligible, spells, split.every, conf)
    measured = measure.measured(known, examples, split.every, shipped.activity.active_event_types)
    groups = {name: group.persist() for name, group in measured.items()}
    table_ = measure.table(examples, known, groups, 5).repartition(1).persist()
    train = models.arranged(table_.where(F.col("as_of").isin(*split.train)), 1).persist()
    fitted = models.fit(train, table_.where(F.col("as_of") == F.lit(split.calibrate)), conf, split.train)
    shift = season.shift(
        season.year_ago(known.known, spells, conf, shipped.made.first_on, split.calibrate, split.test).collect(),
        split.calibrate,
        split.test,
    )

    def tested(shift: float, score: str = "probability") -> dict[str, float]:
        test = table_.where(F.col("as_of") == F.lit(split.test))
        return evaluate.measures(evaluate.table(models.with_probability(fitted.pipeline, test, shift), score))

    honest, unshifted, weighted = tested(shift), tested(0.0), tested(0.0, "uncalibrated")
    assert honest["ece"] < 0.03 < unshifted["ece"] < weighted["ece"]
    assert weighted["ece"] > 0.1
    assert honest["brier"] < unshifted["brier"] < weighted["brier"]
    assert honest["roc_auc"] == pytest.approx(unshifted["roc_auc"], abs=1e-3)  # order is another matter

    lost = life.lost(world).where((F.col("is_lost_on") <= F.lit(split.test)) & F.col("returned_on").isNull())
    test = models.with_probability(fitted.pipeline, table_.where(F.col("as_of") == F.lit(split.test)), shift)
    told = test.join(lost.select("member_id", F.lit(True).alias("is_lost")), on="member_id", how="left")
    means = {r["is_lost"]: r["mean"] for r in told.groupBy("is_lost").agg(F.avg("probability").alias("mean")).collect()}
    assert means[True] > means[None] + 0.1
    for frame in (*frames.values(), spells, *groups.values(), table_, train):
        frame.unpersist()
