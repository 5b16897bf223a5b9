"""Models on made examples with a planted cause: found, calibrated, explained, repeatable, and refused when hollow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import pytest
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from tests.conftest import configured

from memberlake.churn import evaluate, explain, models, training
from memberlake.churn.features import DECLARED
from memberlake.churn.models import Fitted
from memberlake.churn.snapshots import Split
from memberlake.conf import ChurnConf
from memberlake.errors import NotYet, UserError

DAYS = [date(2026, month, 1) for month in range(1, 6)]
SPLIT = Split(tuple(DAYS[:3]), DAYS[3], DAYS[4])
SMALL = "churn.grids.random_forest={maxDepth: [5], numTrees: [8], minInstancesPerNode: [20]}"
MEMBERS = 5000  # a snapshot
# what the label is drawn from: late against one's own rhythm, and few visits; recency says a little
CAUSE = "1 / (1 + exp(-(3 * overdue - 1.5 * visits_90 + recency_days / 60 - 3.2)))"


def draw(name: str) -> Column:
    return F.pmod(F.xxhash64(F.lit(name), "id"), F.lit(1_000_000)) / 1_000_000


@pytest.fixture(scope="module")
def examples(spark: SparkSession) -> Iterator[DataFrame]:
    """Four numbers and a text that may matter; the others are the same for all, as on a lake without their source."""
    made = (
        spark.range(MEMBERS * len(DAYS))
        .withColumn("as_of", F.array(*map(F.lit, DAYS))[(F.col("id") % len(DAYS)).cast("int")])
        .withColumn("member_id", F.concat(F.lit("m"), "id"))
        .withColumns({f.name: F.lit(None).cast("string" if f.is_text else "double") for f in DECLARED})
        .withColumn("recency_days", F.floor(draw("recency") * 60).cast("double"))
        .withColumn("overdue", F.when(draw("has a rhythm") < 0.9, draw("overdue") * 2))
        .withColumn("visits_90", F.floor(draw("visits") * 4).cast("double"))
        .withColumn("spent_365", draw("of no use"))
        .withColumn("season_sin", F.lit(1.0))
        .withColumn("gender", F.when(draw("gender") < 0.5, "F"))
        .withColumn("chance", F.expr(CAUSE.replace("overdue", "coalesce(overdue, 1)")))
        .withColumn("label", (draw("churns") < F.col("chance")).cast("double"))
        .select("as_of", "member_id", *[f.name for f in DECLARED], "label")
        .repartition(1)
        .persist()
    )
    yield made
    made.unpersist()


def conf(*sets: str) -> ChurnConf:
    return configured(SMALL, "churn.snapshot_every_days=30", *sets).churn


def part(examples: DataFrame, *days: date) -> DataFrame:
    return examples.where(F.col("as_of").isin(*days))


def fitted(examples: DataFrame, settings: ChurnConf) -> Fitted:
    train = models.arranged(part(examples, *SPLIT.train), MEMBERS * 3)
    return models.fit(train, part(examples, SPLIT.calibrate), settings, SPLIT.train)


def measured(model: Fitted, examples: DataFrame, score: str = "probability") -> dict[str, float]:
    test = models.with_probability(model.pipeline, part(examples, SPLIT.test))
    return evaluate.measures(evaluate.table(test, score))


@pytest.fixture(scope="module")
def forest(examples: DataFrame) -> Fitted:
    return fitted(examples, conf())


def test_the_planted_cause_is_found_and_recency_alone_is_beaten(examples: DataFrame, forest: Fitted) -> None:
    found = measured(forest, examples)
    baseline = models.recency_alone(part(examples, *SPLIT.train))
    recency = evaluate.measures(evaluate.table(models.with_probability(baseline, part(examples, SPLIT.test))))
    assert found["pr_auc"] - found["base_rate"] >= 1.3 * (recency["pr_auc"] - recency["base_rate"])
    assert 0.7 < found["roc_auc"] < 0.95
    assert {f.name for f in forest.used} == {"recency_days", "overdue", "visits_90", "spent_365", "gender"}
    assert {"season_sin", "logins_90", "acquisition_channel"} <= {*forest.dropped}  # constant, or NULL throughout


def test_class_weights_spoil_probabilities_and_calibration_mends_them(examples: DataFrame, forest: Fitted) -> None:
    assert measured(forest, examples)["ece"] < 0.03
    assert measured(forest, examples, "uncalibrated")["ece"] > 0.08


def test_members_on_a_plateau_of_the_calibration_keep_their_order(spark: SparkSession) -> None:
    """A hundredth of the classifier's own score, 0.500 to 0.509, is all that tells them apart."""
    probability = (0.99 * 0.4 + 0.01 * (0.5 + F.col("id") / 1000)).alias("probability")
    plateau = spark.range(10).select(probability, (F.col("id") >= 7).cast("double").alias("label"))
    assert evaluate.measures(evaluate.table(plateau))["pr_auc"] == 1.0


@pytest.mark.parametrize(
    "settings",
    [
        ("churn.model=logistic_regression", "churn.grids.logistic_regression={regParam: [0.001]}"),
        ("churn.model=linear_svm", "churn.grids.linear_svm={regParam: [0.001], maxIter: [20]}"),
        (
            "churn.model=gradient_boosted_trees",
            "churn.grids.gradient_boosted_trees={maxDepth: [3], maxIter: [5], stepSize: [0.3]}",
            "churn.calibration=platt",
        ),
        ("churn.imbalance=downsample",),
    ],
    ids=lambda s: s[0].partition("=")[2],
)
def test_other_models_are_calibrated_and_their_effects_add_up(examples: DataFrame, settings: tuple[str, ...]) -> None:
    settings_ = conf(*settings)
    model = fitted(examples, settings_)
    found = measured(model, examples)
    assert found["ece"] < 0.04
    assert found["pr_auc"] > found["base_rate"] + 0.2
    adds_up(model, examples, settings_.model)


def adds_up(model: Fitted, examples: DataFrame, kind: str) -> None:
    """The base and the effects of all features make the score before calibration, for each member."""
    train = part(examples, *SPLIT.train)
    effects = explain.effects(model.pipeline, train)
    scored = models.with_probability(model.pipeline, part(examples, SPLIT.test))
    told = scored.withColumn("effects", explain.of_members(effects))
    total = F.aggregate("effects", F.lit(effects.base), lambda sum, effect: sum + effect)
    raw = F.col("uncalibrated") if kind == "random_forest" else vector_to_array(F.col("rawPrediction"))[1]
    worst = told.select(F.max(F.abs(total - raw))).first()
    assert worst is not None
    assert worst[0] < 1e-9


def test_the_top_factors_are_the_planted_ones(examples: DataFrame, forest: Fitted) -> None:
    adds_up(forest, examples, "random_forest")
    effects = explain.effects(forest.pipeline, examples)
    late = part(examples, SPLIT.test).where("overdue > 1.8 AND visits_90 = 0 AND recency_days > 50")
    told = models.with_probability(forest.pipeline, late)
    rows = told.select(explain.top_factors(effects).alias("top"), "overdue", "probability").collect()
    assert len(rows) > 10
    for row in rows:
        assert {f.feature for f in row.top} == {"overdue", "visits_90", "recency_days"}
        assert all(f.effect > 0 for f in row.top)
        assert next(f.value for f in row.top if f.feature == "overdue") == row.overdue
        assert [abs(f.effect) for f in row.top] == sorted((abs(f.effect) for f in row.top), reverse=True)


def test_shuffled_labels_teach_nothing(examples: DataFrame) -> None:
    """The label of another member of the snapshot."""
    of_snapshot = Window.partitionBy("as_of")
    mine = examples.drop("label").withColumn("n", F.row_number().over(of_snapshot.orderBy("member_id")))
    another = F.row_number().over(of_snapshot.orderBy(F.xxhash64("member_id")))
    others = examples.select("as_of", "label", another.alias("n"))
    shuffled = mine.join(others, on=["as_of", "n"], how="inner").drop("n").persist()
    found = measured(fitted(shuffled, conf()), shuffled)
    shuffled.unpersist()
    assert found["roc_auc"] == pytest.approx(0.5, abs=0.03)
    assert found["pr_auc"] == pytest.approx(found["base_rate"], abs=0.03)


def test_the_same_seed_gives_the_same_model(examples: DataFrame, forest: Fitted) -> None:
    again = fitted(examples.repartition(3, F.xxhash64("member_id", F.lit(1))), conf())
    assert (
        models.classifier_of(again.pipeline).toDebugString.partition("\n")[2]
        == (models.classifier_of(forest.pipeline).toDebugString.partition("\n")[2])
    )
    other = fitted(examples, conf("churn.seed=8"))
    assert (
        models.classifier_of(other.pipeline).toDebugString.partition("\n")[2]
        != (models.classifier_of(forest.pipeline).toDebugString.partition("\n")[2])
    )


def test_a_category_that_was_never_seen_is_scored(examples: DataFrame, forest: Fitted) -> None:
    new = part(examples, SPLIT.test).limit(5).withColumn("gender", F.lit("X"))
    told = models.with_probability(forest.pipeline, new).collect()
    assert len(told) == 5
    assert all(0 <= row.probability <= 1 for row in told)


@pytest.mark.parametrize(("label", "said"), [(0.0, "0 of 15,000 examples churned"), (1.0, "15000 of 15,000 examples")])
def test_nobody_or_everybody_churned(examples: DataFrame, label: float, said: str) -> None:
    with pytest.raises(NotYet, match=said):
        training.require_both_classes(examples.withColumn("label", F.lit(label)), SPLIT)


def test_a_forest_that_tells_nobody_apart(examples: DataFrame) -> None:
    """Of 36 examples to train on a leaf must hold more than there are."""
    few = examples.where("CAST(substring(member_id, 2) AS INT) < 60")
    grid = "churn.grids.random_forest={maxDepth: [5], numTrees: [2], minInstancesPerNode: [100]}"
    training.require_both_classes(few, SPLIT)
    with pytest.raises(NotYet, match="nothing to learn: the random_forest tells no two of 36 examples apart"):
        training.train(few, SPLIT, conf(grid), None)


def test_features_that_are_all_the_same_teach_nothing(examples: DataFrame) -> None:
    same = examples.withColumns({f.name: F.lit("x" if f.is_text else 1.0) for f in DECLARED})
    with pytest.raises(UserError, match="all features are the same"):
        models.usable(same)


@pytest.mark.parametrize(
    ("model", "grid", "said"),
    [
        ("random_forest", "{depth: [3]}", "depth is no parameter of Spark ML's RandomForestClassifier"),
        ("random_forest", "{seed: [3]}", "seed is no parameter"),  # that of churn.seed
        ("random_forest", "{featuresCol: [3]}", "featuresCol cannot be 3"),
        ("random_forest", "{maxDepth: [5, 5.5]}", "maxDepth cannot be 5.5"),
        ("random_forest", "{numTrees: [0]}", "numTrees cannot be 0"),
        ("logistic_regression", "{regParam: [0.1, -1]}", "regParam cannot be -1"),
        ("gradient_boosted_trees", "{stepSize: [2]}", "stepSize cannot be 2"),
    ],
)
def test_a_value_that_spark_would_refuse_in_the_middle_is_named(
    spark: SparkSession, model: str, grid: str, said: str
) -> None:
    with pytest.raises(UserError, match=rf"^churn\.grids\.{model}: {said}"):
        models.require_grid(conf(f"churn.model={model}", f"churn.grids.{model}={grid}"))


@pytest.mark.parametrize("model", models._ESTIMATORS)
def test_the_shipped_grids_are_sound(spark: SparkSession, model: str) -> None:
    models.require_grid(configured(f"churn.model={model}").churn)


def test_the_search_takes_the_candidate_that_does_better_on_a_later_snapshot(examples: DataFrame) -> None:
    """Trees of depth 0 know nothing."""
    grid = "churn.grids.random_forest={maxDepth: [0, 4], numTrees: [3], minInstancesPerNode: [20]}"
    close = ("churn.gap_days=0", "churn.horizon_days=20")  # so that a snapshot a month later is clear of the one before
    model = fitted(examples, conf(grid, *close))
    assert [p["maxDepth"] for p, _ in model.tried] == [0, 4]
    assert model.parameters["maxDepth"] == 4


def test_the_search_is_bounded_and_goes_by_time() -> None:
    grid = "churn.grids.random_forest={maxDepth: [2, 4, 6], numTrees: [3, 6, 9]}"
    bounded = configured(grid, "churn.max_candidates=4", "churn.folds=2", "churn.gap_days=1", "churn.horizon_days=30")
    tried = models._candidates(bounded.churn)
    assert tried == models._candidates(bounded.churn)
    assert len({tuple(each.items()) for each in tried}) == 4
    assert all(len({each[name] for each in tried}) > 1 for name in ("maxDepth", "numTrees"))
    # 1 January to 1 May: the outcome of 1 March is known on 1 April, not before it
    assert models._folds(bounded.churn, DAYS) == [(DAYS[:2], DAYS[3]), (DAYS[:3], DAYS[4])]
    assert models._folds(configured("churn.folds=5").churn, DAYS[:3]) == []  # 67 days


class Case(NamedTuple):
    """PR-AUC of the model, of recency, of a champion; the verdict."""

    model: float
    recency: float
    champion: float | None
    is_promoted: bool
    said: str


@pytest.mark.parametrize(
    "case",
    [
        Case(0.50, 0.40, None, True, "beats recency alone (0.4000)"),
        Case(0.425, 0.40, None, True, "by 0.02 or more"),
        Case(0.41, 0.40, None, False, "does not beat recency alone (0.4000)"),
        Case(0.50, 0.40, 0.48, True, "and the champion (0.4800)"),
        Case(0.50, 0.40, 0.49, False, "does not beat the champion (0.4900)"),
        Case(0.50, 0.55, 0.30, False, "does not beat recency alone"),
    ],
)
def test_the_gate(case: Case) -> None:
    tests = {"model": {"pr_auc": case.model}, "recency": {"pr_auc": case.recency}}
    if case.champion is not None:
        tests["champion"] = {"pr_auc": case.champion}
    verdict = training.judge(tests, 0.02)
    assert verdict.is_promoted == case.is_promoted
    assert case.said in verdict.reason


def test_a_model_as_good_as_its_rival_does_not_beat_it_by_nothing() -> None:
    tests = {"model": {"pr_auc": 0.4}, "recency": {"pr_auc": 0.4}}
    assert not training.judge(tests, 0.0).is_promoted
    assert training.judge({**tests, "model": {"pr_auc": 0.41}}, 0.0).is_promoted
