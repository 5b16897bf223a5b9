"""Models of Spark ML: prepared, weighted, searched, fitted and calibrated.

A fitted model is one pipeline: NULLs filled as the features declare, categories as numbers, a classifier, and a
calibrator that was fitted on a later snapshot. It is the same for the same examples and seed: the examples are laid
out by key, since a forest draws rows by their position.
"""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import exp
from typing import Any, Literal

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.ml import Estimator, Model, PipelineModel, Transformer
from pyspark.ml.classification import GBTClassifier, LinearSVC, LogisticRegression, RandomForestClassifier
from pyspark.ml.feature import OneHotEncoder, SQLTransformer, StringIndexer, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.ml.regression import IsotonicRegression
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.churn import evaluate
from memberlake.churn.features import DECLARED, NUMBERS, TEXTS, Feature
from memberlake.conf import ChurnConf
from memberlake.errors import UserError

log = logging.getLogger(__name__)

EXAMPLES_PER_PARTITION = 250_000
RECENCY = "recency_days"
_UNSEEN = "(none)"  # a category that is NULL
_ESTIMATORS: dict[str, Any] = {
    "random_forest": RandomForestClassifier,
    "logistic_regression": LogisticRegression,
    "linear_svm": LinearSVC,
    "gradient_boosted_trees": GBTClassifier,
}
_TREES = {"random_forest", "gradient_boosted_trees"}


@dataclass(frozen=True)
class Fitted:
    """A fitted model.

    Attributes:
        pipeline: from the columns of gold.churn_features to a calibrated probability.
        used: features that it looks at.
        dropped: features that were constant or NULL throughout the training part.
        parameters: of the classifier.
        tried: of each candidate that was searched, its parameters and mean PR-AUC.
    """

    pipeline: PipelineModel
    used: tuple[Feature, ...]
    dropped: tuple[str, ...]
    parameters: Mapping[str, float]
    tried: tuple[tuple[Mapping[str, float], float], ...]


def arranged(examples: DataFrame, count: int) -> DataFrame:
    """The examples laid out by key alone, so that a seed draws the same rows on any number of cores."""
    parts = max(-(-count // EXAMPLES_PER_PARTITION), 1)
    return examples.repartition(parts, "member_id").sortWithinPartitions("as_of", "member_id")


def usable(train: DataFrame) -> tuple[Feature, ...]:
    """The features that differ among the examples.

    Raises:
        UserError: none does.
    """
    differs = [(F.min(_filled(f)) < F.max(_filled(f))).alias(f.name) for f in DECLARED]
    found = train.agg(*differs).first()  # one row
    used = tuple(f for f in DECLARED if found and found[f.name])
    if not used:
        raise UserError("all features are the same for every member: there is nothing to learn from")
    return used


def require_grid(conf: ChurnConf) -> None:
    """Stops where Spark ML would refuse a value of the grid, which it does in the middle of a training.

    Raises:
        UserError: names the parameter and the value.
    """
    for name, values in conf.grids[conf.model].items():
        for value in values:
            estimator = _ESTIMATORS[conf.model]()
            where, kind = f"churn.grids.{conf.model}: {name}", type(estimator).__name__
            if not estimator.hasParam(name) or name in {"seed", "maxBins"}:
                raise UserError(f"{where} is no parameter of Spark ML's {kind} that can be searched")
            try:
                estimator.set(estimator.getParam(name), value)
                estimator._transfer_params_to_java()  # Java knows the range
            except (TypeError, ValueError, PySparkException, Py4JJavaError):
                raise UserError(f"{where} cannot be {value:g} in Spark ML's {kind}") from None


def fit(train: DataFrame, calibrate: DataFrame, conf: ChurnConf, dates: Sequence[date]) -> Fitted:
    """A calibrated model of the kind that the configuration asks for.

    Args:
        train: examples with label, as `arranged`, and persisted: read several times.
        calibrate: examples of a later snapshot.
        dates: the snapshots of `train`, for the search.
    """
    used = usable(train)
    stages = _prepared(train, used, conf.model)
    prepare = PipelineModel(stages)
    candidates = _candidates(conf)
    tried = _searched(train, prepare, candidates, conf, dates) if len(candidates) > 1 else ()
    best = max(tried, key=lambda each: each[1])[0] if tried else candidates[0]
    classifier = _classifier(prepare.transform(train), conf, best)
    raw = classifier.transform(prepare.transform(calibrate))
    pipeline = PipelineModel([*stages, classifier, _calibrator(raw, conf.calibration)])
    dropped = tuple(f.name for f in DECLARED if f not in used)
    return Fitted(pipeline, used, dropped, best, tuple(tried))


def recency_alone(train: DataFrame) -> PipelineModel:
    """The baseline: a logistic regression of recency, which ranks as recency does."""
    recency = next(f for f in NUMBERS if f.name == RECENCY)
    stages: list[Transformer] = [_fill((recency,)), VectorAssembler(inputCols=[_in(recency)], outputCol="features")]
    names: dict[str, Any] = {
        "probabilityCol": "platt",
        "rawPredictionCol": "rawPrediction",
        "predictionCol": "predicted",
    }
    fitted = LogisticRegression(featuresCol="features", labelCol="label", **names).fit(
        PipelineModel(stages).transform(train)
    )
    return PipelineModel([*stages, fitted])


def with_probability(model: PipelineModel, frame: DataFrame, shift: float = 0.0) -> DataFrame:
    """Adds probability, calibrated; `uncalibrated`, the classifier's own, NULL where it has none; and raw columns.

    Args:
        shift: added to the log-odds of the probability: the season's, see season.py.
    """
    scored = model.transform(frame)
    own = _second("class_shares") if "class_shares" in scored.columns else F.lit(None).cast("double")
    if "platt" in scored.columns:
        calibrated = _second("platt")
    else:  # isotonic has plateaus: a hundredth of the classifier's own score keeps its order there
        ranked = F.coalesce(own, _squashed(_second("rawPrediction")))
        calibrated = 0.99 * F.col("prediction") + 0.01 * ranked
    bounded = F.greatest(F.least(calibrated, F.lit(1.0)), F.lit(0.0))
    odds = F.lit(exp(shift)) * bounded
    return scored.withColumns({"probability": odds / (odds + 1 - bounded), "uncalibrated": own})


def classifier_of(model: PipelineModel) -> Any:
    """The classifier among the stages: the last but the calibrator."""
    return model.stages[-2]


def vector_features(model: PipelineModel, frame: DataFrame) -> list[str]:
    """The feature that each place of the classifier's vector belongs to."""
    attributes = model.transform(frame.limit(0)).schema["features"].metadata["ml_attr"]["attrs"]
    places = {a["idx"]: a["name"] for kind in attributes.values() for a in kind}
    names = {name: f.name for f in DECLARED for name in (_in(f), f"index_{f.name}")}
    ordered = [places[n] for n in sorted(places)]
    return [names.get(place) or _of_hot(place) for place in ordered]


def _of_hot(place: str) -> str:
    """`hot_gender_F` is gender's."""
    return next(f.name for f in TEXTS if place.startswith(f"hot_{f.name}_"))


def _candidates(conf: ChurnConf) -> list[dict[str, float]]:
    """The combinations of the grid; of too many some that are drawn, since the first ones would differ in one value."""
    grid = conf.grids[conf.model]
    every = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if len(every) <= conf.max_candidates:
        return every
    log.info("churn.max_candidates: %d of %d combinations are tried", conf.max_candidates, len(every))
    return random.Random(conf.seed).sample(every, conf.max_candidates)


def _searched(
    train: DataFrame,
    prepare: PipelineModel,
    candidates: Sequence[Mapping[str, float]],
    conf: ChurnConf,
    dates: Sequence[date],
) -> list[tuple[Mapping[str, float], float]]:
    """PR-AUC of each candidate: fitted on snapshots whose outcomes were known by a later one, measured on that."""
    found: dict[int, list[float]] = {n: [] for n in range(len(candidates))}
    for known, last in _folds(conf, dates):
        earlier = prepare.transform(train.where(F.col("as_of").isin(*known)))
        later = prepare.transform(train.where(F.col("as_of") == F.lit(last)))
        if not (_has_both(earlier) and _has_both(later)):
            continue
        for n, candidate in enumerate(candidates):
            raw = _classifier(earlier, conf, candidate).transform(later)
            own = "class_shares" in raw.columns
            score = raw.withColumn("score", _second("class_shares") if own else _squashed(_second("rawPrediction")))
            found[n].append(evaluate.measures(evaluate.table(score, "score"))["pr_auc"])
    return [(candidates[n], sum(f) / len(f)) for n, f in found.items() if f]


def _folds(conf: ChurnConf, dates: Sequence[date]) -> list[tuple[list[date], date]]:
    """Snapshots to fit on, and a later one to measure on, before which the outcomes of those were known."""
    folds = [
        ([d for d in dates if d + timedelta(days=conf.embargo_days) < last], last) for last in dates[-conf.folds :]
    ]
    return [(known, last) for known, last in folds if known]


def _second(vector: str) -> Column:
    """What a vector says of the second class, the churners."""
    return vector_to_array(F.col(vector))[1]


def _squashed(raw: Column) -> Column:
    """Any raw score into 0..1, in the same order."""
    return 0.5 + raw / (2 * (1 + F.abs(raw)))


def _has_both(examples: DataFrame) -> bool:
    found = examples.agg(F.min("label") < F.max("label")).first()
    return bool(found and found[0])


def _classifier(prepared: DataFrame, conf: ChurnConf, parameters: Mapping[str, float]) -> Any:
    settings: dict[str, Any] = {**parameters, "featuresCol": "features", "labelCol": "label"}
    settings |= {"predictionCol": "predicted", "rawPredictionCol": "rawPrediction"}
    if conf.model != "linear_svm":
        settings["probabilityCol"] = "class_shares"
    if conf.model in _TREES:
        settings |= {"leafCol": "leaves", "seed": conf.seed, "maxBins": _bins(prepared)}
    if conf.imbalance == "downsample":
        prepared = _downsampled(prepared, conf.seed)
    if conf.imbalance == "weights":
        prepared = prepared.withColumn("weight", _weight(prepared))
        settings["weightCol"] = "weight"
    estimator = _ESTIMATORS[conf.model]()
    for name, value in settings.items():
        estimator.set(estimator.getParam(name), value)
    return estimator.fit(prepared)


def _shares(examples: DataFrame) -> tuple[int, int]:
    """Churners and others."""
    found = examples.agg(F.count_if(F.col("label") == 1), F.count(F.lit(1))).first()
    assert found is not None
    return found[0], found[1] - found[0]


def _weight(examples: DataFrame) -> Column:
    """Both classes weigh the same, to a millionth: in whole 2^-20, so that sums are exact and no order changes them."""
    churners, others = _shares(examples)
    of_each = [round((churners + others) / (2 * count) * 2**20) / 2**20 for count in (churners, others)]
    return F.when(F.col("label") == 1, of_each[0]).otherwise(of_each[1])


def _downsampled(examples: DataFrame, seed: int) -> DataFrame:
    """As many of the larger class as there are of the smaller, by a hash. Calibration corrects the probabilities."""
    churners, others = _shares(examples)
    larger, share = (0.0, churners / others) if churners < others else (1.0, others / churners)
    draw = F.pmod(F.xxhash64("as_of", "member_id", F.lit(seed)), F.lit(1_000_000)) / 1_000_000
    return examples.where((F.col("label") != larger) | (draw < share))


def _calibrator(raw: DataFrame, kind: Literal["isotonic", "platt"]) -> Model:
    given: dict[str, Any] = {"featuresCol": "rawPrediction", "labelCol": "label"}
    if kind == "isotonic":
        estimator: Estimator[Any] = IsotonicRegression(**given, featureIndex=1, predictionCol="prediction")
    else:
        given |= {"probabilityCol": "platt", "rawPredictionCol": "platt_raw", "predictionCol": "prediction"}
        estimator = LogisticRegression(**given)
    fitted: Model = estimator.fit(raw)
    return fitted


def _prepared(train: DataFrame, used: Sequence[Feature], model: str) -> list[Transformer]:
    """Stages from feature columns to the vector `features`, fitted on the training part."""
    texts = [f for f in used if f.is_text]
    stages: list[Transformer] = [_fill(used)]
    columns = [_in(f) for f in used if not f.is_text]
    if texts:
        indexes = [f"index_{f.name}" for f in texts]
        indexer = StringIndexer(inputCols=[_in(f) for f in texts], outputCols=indexes, handleInvalid="keep")
        stages.append(indexer.fit(stages[0].transform(train)))
        if model in _TREES:
            columns += indexes
        else:
            hot = [f"hot_{f.name}" for f in texts]
            encoder = OneHotEncoder(inputCols=indexes, outputCols=hot, handleInvalid="keep")
            stages.append(encoder.fit(PipelineModel(stages).transform(train)))
            columns += hot
    return [*stages, VectorAssembler(inputCols=columns, outputCol="features")]


def _fill(used: Sequence[Feature]) -> SQLTransformer:
    filled = [
        f"coalesce(`{f.name}`, '{_UNSEEN}') AS `{_in(f)}`"
        if f.is_text
        else f"CAST(coalesce(`{f.name}`, {f.never or 0}) AS DOUBLE) AS `{_in(f)}`"
        for f in used
    ]
    return SQLTransformer(statement=f"SELECT *, {', '.join(filled)} FROM __THIS__")


def _filled(feature: Feature) -> Column:
    return F.coalesce(feature.name, F.lit(_UNSEEN if feature.is_text else float(feature.never or 0)))


def _in(feature: Feature) -> str:
    return f"in_{feature.name}"


def _bins(prepared: DataFrame) -> int:
    """Spark's trees need a bin for each value of a category."""
    attributes = prepared.schema["features"].metadata["ml_attr"]["attrs"].get("nominal", [])
    return max([32, *[len(a.get("vals", ())) + 1 for a in attributes]])
