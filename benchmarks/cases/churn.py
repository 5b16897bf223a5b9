"""Cases of churn: features from a made brand's tables (the scale is its orders); training, and scoring with factors,
on made examples (the scale is a number of members)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from pyspark.ml import PipelineModel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cases.run import AS_OF, Case, Run, Told, sink
from memberlake.churn import explain, facts, measure, models, score, snapshots
from memberlake.churn import rules as churn_rules
from memberlake.churn.features import DECLARED
from memberlake.churn.registry import Loaded, Version
from memberlake.conf import ChurnConf

SNAPSHOTS = (date(2025, 3, 1), date(2025, 9, 1))
SETS = ("churn.grids.random_forest={maxDepth: [6], numTrees: [30], minInstancesPerNode: [10]}",)


def examples(run: Run, count: int) -> DataFrame:
    """All declared features, drawn by a hash, and a label that three of them cause."""

    def draw(name: str) -> Column:
        return F.pmod(F.xxhash64(F.lit(name), "id"), F.lit(1_000_000)) / 1_000_000

    texts = {f.name: F.when(draw(f.name) < 0.5, "a").otherwise("b") for f in DECLARED if f.is_text}
    numbers = {f.name: draw(f.name) * 60 for f in DECLARED if not f.is_text}
    chance = 1 / (1 + F.exp(-(F.col("recency_days") - F.col("visits_90") + F.col("overdue") - 60) / 15))
    return (
        run.spark.range(0, count, 1, 8)
        .withColumns({**numbers, **texts})
        .withColumn("as_of", F.array(*map(F.lit, SNAPSHOTS))[(F.col("id") % 2).cast("int")])
        .withColumn("member_id", F.concat(F.lit("M"), F.col("id")))
        .withColumn("label", (draw("churns") < chance).cast("double"))
        .drop("id")
    )


def churn_examples(run: Run) -> None:
    """A million examples and as many to be scored, as Parquet; and a forest of 30 trees, 6 deep."""
    target = str(run.fresh("churn_examples"))
    run.timed(lambda: examples(run, run.orders).write.parquet(target))
    fitted = fit(run, run.spark.read.parquet(target).limit(50_000))
    fitted.pipeline.write().overwrite().save(str(run.fresh("churn_forest")))
    run.told["rows"] = run.orders


def fit(run: Run, frame: DataFrame) -> models.Fitted:
    conf: ChurnConf = run.rules(sets=SETS).churn
    train, calibrate = (frame.where(F.col("as_of") == F.lit(day)) for day in SNAPSHOTS)
    return models.fit(train.persist(), calibrate, conf, SNAPSHOTS[:1])


def churn_tables(run: Run) -> None:
    """The tables that features are measured from."""
    run.make_lake([*facts.TABLES.values()], "churn_tables")


def churn_features_memberlake(run: Run) -> None:
    """All features and the labels of twelve snapshots."""
    lake, rules = run.lake("churn_tables"), run.rules()
    known = facts.until(
        {name: lake.read(table) for name, table in facts.TABLES.items()},
        as_of=AS_OF,
        zone=rules.business_timezone,
        statuses=rules.orders.counted_statuses,
    )
    days = [AS_OF - timedelta(days=rules.churn.embargo_days + 30 * n) for n in range(12)]

    spells = churn_rules.spells(rules.churn.foretold, known, AS_OF).persist()
    examples = snapshots.with_labels(snapshots.eligible(known.known, spells, days), spells, days, rules.churn)
    measured = measure.measured(known, examples, days, rules.activity.active_event_types)
    groups = {name: group.persist() for name, group in measured.items()}
    run.timed(lambda: sink(measure.table(examples, known, groups, rules.rfm.tiles)))
    run.told["rows"] = examples.count()


def churn_train_memberlake(run: Run) -> None:
    """Half of the examples to fit on, half to calibrate on: weights, 30 trees, isotonic."""
    frame = run.spark.read.parquet(str(run.folder / "churn_examples"))
    run.timed(lambda: fit(run, frame))
    run.told["rows"] = run.orders


def churn_score_memberlake(run: Run) -> None:
    """Probability, label, band and three factors of every member."""
    members = run.spark.read.parquet(str(run.folder / "churn_examples")).drop("label")
    pipeline = PipelineModel.load(str(run.folder / "churn_forest"))
    version = Version("churn", "1", "", {"as_of": str(AS_OF), "threshold": "0.5"}, is_champion=True)
    model = Loaded(version, pipeline, explain.effects(pipeline, members), {})
    run.timed(lambda: sink(score.scores(members, model, run.rules().churn.bands, version.threshold)))
    run.told["rows"] = run.orders


def churn_score_sklearn(run: Run) -> None:
    """Probability alone, of a forest of the same size, on one core, from memory."""
    from sklearn.ensemble import RandomForestClassifier

    columns = [f.name for f in DECLARED if not f.is_text]
    rows = run.spark.read.parquet(str(run.folder / "churn_examples")).select(*columns, "label")
    data = rows.limit(200_000).toPandas()  # what is scored again and again, so that memory does not decide
    forest = RandomForestClassifier(30, max_depth=6, min_samples_leaf=10, class_weight="balanced", n_jobs=1)
    forest.fit(data[columns].head(50_000), data["label"].head(50_000))
    times = max(run.orders // len(data), 1)
    run.timed(lambda: [forest.predict_proba(data[columns]) for _ in range(times)])
    run.told["rows"] = times * len(data)


def _a_million(ours: Mapping[int, Told]) -> Sequence[str]:
    return [
        f"{members:,} members: {told['seconds'] * 1e6 / told['rows']:.1f} s a million, "
        f"{told['cpu'] * 1e6 / told['rows']:.1f} s of one core."
        for members, told in ours.items()
    ]


CASES = {
    "churn_features": Case(
        f"Churn: {len(DECLARED)} features of twelve snapshots (scale: orders)",
        "linear in rows",
        data=(churn_tables,),
        sides=(churn_features_memberlake,),
        scales=(2e5, 2e6),
        is_long=True,
    ),
    "churn_train": Case(
        f"Churn: training on made examples, {len(DECLARED)} features",
        "none was set",
        data=(churn_examples,),
        sides=(churn_train_memberlake,),
        scales=(1e6,),
        is_long=True,
    ),
    "churn_score": Case(
        "Churn: scoring members, with factors",
        "a million members in under a minute on 2 cores",
        data=(churn_examples,),
        sides=(churn_score_memberlake, churn_score_sklearn),
        notes=_a_million,
        scales=(1e6, 5e6),
        is_long=True,
    ),
}
