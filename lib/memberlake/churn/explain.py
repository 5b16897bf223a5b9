"""What moved a member's score: exact effects of the features, which add up to the score.

Trees: along the path to its leaf, each split changes the share of churners from the node's to the child's; the change
is the effect of the feature that was split on (Saabas 2014, "Interpreting random forests"). Spark gives each tree's
leaf, and a leaf's effects are constants, so an effect is a sum of look-ups, one a tree: NumPy looks up those of
thousands of members at once. Linear models: the coefficient times the distance from the feature's mean, which is the
exact Shapley value for independent features.

Effects are in units of the score before calibration: share of votes (forest), margin (boosting, SVM), log-odds
(logistic regression). They add up to the member's score less the base, the score at the roots or at the mean member.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.churn.features import TEXTS
from memberlake.churn.models import classifier_of, vector_features
from memberlake.lake import session

FACTORS = 3
_TEXTS = {f.name for f in TEXTS}

Moved = np.ndarray[Any, np.dtype[np.float64]]


class Effects(NamedTuple):
    """How to get the effects of a model.

    Attributes:
        base: the score where no effect is.
        of_leaves: for each feature and tree that splits on it, its effect at each leaf, numbered as by leafCol.
        weights: for each feature and its places in the vector: coefficient and mean.
    """

    base: float
    of_leaves: Mapping[str, Mapping[int, Sequence[float]]]
    weights: Mapping[str, Sequence[tuple[int, float, float]]]


def effects(model: PipelineModel, examples: DataFrame) -> Effects:
    """The effects of a model.

    Args:
        examples: those it was trained on: a linear model's effects are measured from their mean.
    """
    classifier, names = classifier_of(model), vector_features(model, examples)
    if hasattr(classifier, "trees"):
        return _of_trees(classifier, names)
    means = _means(model, examples, len(names))
    weights: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    for place, (name, weight) in enumerate(zip(names, classifier.coefficients.toArray().tolist(), strict=True)):
        weights[name].append((place, weight, means[place]))
    base = classifier.intercept + sum(w * m for each in weights.values() for _, w, m in each)
    return Effects(float(base), {}, dict(weights))


def order(effects: Effects) -> list[str]:
    """The features that the model looks at, by the name that is told of them."""
    return sorted(effects.of_leaves or effects.weights, key=lambda name: f"{name}=" if name in _TEXTS else name)


def of_members(effects: Effects) -> Column:
    """An array: the effect of each feature, in `order`."""
    return _found(
        effects, lambda moved: pa.FixedSizeListArray.from_arrays(moved.ravel(), moved.shape[1]), "array<double>"
    )


def top_factors(effects: Effects) -> Column:
    """The features that moved the score most, either way, as structs (feature, value, effect); of equal ones the first
    by name."""
    names = order(effects)
    count = min(FACTORS, len(names))

    def first(moved: Moved) -> pa.Array:
        at = np.argsort(-np.abs(moved), axis=1, kind="stable")[:, :count]
        columns = [pa.array(each.ravel()) for each in (at, np.take_along_axis(moved, at, axis=1))]
        return pa.FixedSizeListArray.from_arrays(pa.StructArray.from_arrays(columns, ["at", "effect"]), count)

    found = _found(effects, first, "array<struct<at:bigint,effect:double>>")
    told, value = F.array(*map(_told, names)), F.array(*map(_value, names))
    factors = [
        F.struct(told[e["at"]].alias("feature"), value[e["at"]].alias("value"), e["effect"].alias("effect"))
        for e in [found[n] for n in range(count)]
    ]
    return F.array(*factors)


def importance(scored: DataFrame, effects: Effects) -> dict[str, float]:
    """Share of each feature in all that was moved: the mean size of its effects among members. Greatest first."""
    sizes = [F.avg(F.abs(F.col("effects")[n])).alias(name) for n, name in enumerate(order(effects))]
    found = scored.select(of_members(effects).alias("effects")).agg(*sizes).first()  # one row
    assert found is not None
    total = sum(found) or 1.0
    return {name: size / total for name, size in sorted(found.asDict().items(), key=lambda each: (-each[1], each[0]))}


def _of_trees(classifier: Any, names: Sequence[str]) -> Effects:
    """A forest's score is the mean of its trees' shares; boosting's the weighted sum of its trees' values."""
    votes = "RandomForest" in type(classifier).__name__
    weights = [1 / classifier.getNumTrees] * classifier.getNumTrees if votes else classifier.treeWeights
    base = 0.0
    found: dict[str, dict[int, list[float]]] = defaultdict(dict)
    for n, (tree, weight) in enumerate(zip(classifier.trees, weights, strict=True)):
        root = session.tree_of(tree)
        base += weight * _share(root, votes)
        leaves = list(_leaves(root, votes, names, {}))
        for name in {name for leaf in leaves for name in leaf}:
            found[name][n] = [weight * leaf.get(name, 0.0) for leaf in leaves]
    return Effects(base, dict(found), {})


def _leaves(node: Mapping[str, Any], votes: bool, names: Sequence[str], so_far: Mapping[str, float]) -> Any:
    """The effects at each leaf below a node, left to right."""
    if "split" not in node:
        yield so_far
        return
    name = names[node["split"]["featureIndex"]]
    for child in (node["leftChild"], node["rightChild"]):
        moved = so_far.get(name, 0.0) + _share(child, votes) - _share(node, votes)
        yield from _leaves(child, votes, names, {**so_far, name: moved})


def _share(node: Mapping[str, Any], votes: bool) -> float:
    if not votes:
        return float(node["prediction"])
    others, churners = node["impurityStats"]["stats"]
    return float(churners / (others + churners))


def _found(effects: Effects, of: Callable[[Moved], pa.Array], returns: str) -> Column:
    """What is made of members' effects: of a batch of them, a row a member and a column a feature, in `order`."""
    names = order(effects)
    trees: dict[int, Moved] = {}
    for at, name in enumerate(names):
        for tree, values in effects.of_leaves.get(name, {}).items():
            trees.setdefault(tree, np.zeros((len(values), len(names))))[:, at] = values
    terms = [(at, *term) for at, name in enumerate(names) for term in effects.weights.get(name, ())]

    def found(places: pa.Array) -> pa.Array:
        place = places.flatten().to_numpy().reshape(len(places), -1)
        moved = np.zeros((len(places), len(names)))
        for tree in sorted(trees):
            moved += trees[tree].take(place[:, tree].astype(np.int64), axis=0)
        for at, n, weight, mean in terms:
            moved[:, at] += weight * (place[:, n] - mean)
        return of(moved)

    places = vector_to_array(F.col("leaves" if effects.of_leaves else "features"))
    column: Column = F.arrow_udf(found, returns)(places)  # type: ignore[attr-defined]  # PySpark's stubs lack it
    return column


def _told(name: str) -> Column:
    return F.concat(F.lit(f"{name}="), F.coalesce(name, F.lit("?"))) if name in _TEXTS else F.lit(name)


def _value(name: str) -> Column:
    return F.lit(None).cast("double") if name in _TEXTS else F.col(name)


def _means(model: PipelineModel, examples: DataFrame, size: int) -> list[float]:
    vectors = model.transform(examples).select(vector_to_array(F.col("features")).alias("v"))
    found = vectors.agg(*[F.avg(F.col("v")[n]) for n in range(size)]).first()  # one row
    return [float(mean) for mean in found or ()]
