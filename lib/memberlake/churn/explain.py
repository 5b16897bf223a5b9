"""What moved a member's score: exact effects of the features, which add up to the score.

Trees: along the path to its leaf, each split changes the share of churners from the node's to the child's; the change
is the effect of the feature that was split on (Saabas 2014, "Interpreting random forests"). Spark gives each tree's
leaf, and a leaf's effects are constants, so an effect is a sum of look-ups, one a tree. Linear models: the coefficient
times the distance from the feature's mean, which is the exact Shapley value for independent features.

Effects are in units of the score before calibration: share of votes (forest), margin (boosting, SVM), log-odds
(logistic regression). They add up to the member's score less the base, the score at the roots or at the mean member.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.churn.features import TEXTS
from memberlake.churn.models import classifier_of, vector_features
from memberlake.lake import session

FACTORS = 3
_TEXTS = {f.name for f in TEXTS}


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


def with_effects(scored: DataFrame, effects: Effects) -> DataFrame:
    """Adds `effects`: one struct (size, feature, value, effect) for each feature that the model looks at.

    Those that moved the score most, either way, come first; of equal ones the first by name. `size` is -|effect|.
    """
    if effects.of_leaves:
        scored = scored.withColumn("_places", vector_to_array(F.col("leaves")).cast("array<int>"))
        columns = {f"_effect_{name}": _looked_up(trees) for name, trees in effects.of_leaves.items()}
    else:
        scored = scored.withColumn("_places", vector_to_array(F.col("features")))
        columns = {f"_effect_{name}": _weighted(terms) for name, terms in effects.weights.items()}
    entries = [
        F.struct(
            (-F.abs(f"_effect_{name}")).alias("size"),
            _told(name).alias("feature"),
            _value(name).alias("value"),
            F.col(f"_effect_{name}").alias("effect"),
        )
        for name in (effects.of_leaves or effects.weights)
    ]
    # sort_array, not array_sort: Spark interprets what a lambda is given, a thousand look-ups a member
    return scored.withColumns(columns).withColumn("effects", F.sort_array(F.array(*entries))).drop("_places", *columns)


def importance(scored: DataFrame, effects: Effects) -> dict[str, float]:
    """Share of each feature in all that was moved: the mean size of its effects among members. Greatest first."""
    entries = with_effects(scored, effects).select(F.explode("effects").alias("e"))
    name = F.split_part(F.col("e.feature"), F.lit("="), F.lit(1))
    sizes = entries.groupBy(name.alias("name")).agg(F.avg(F.abs("e.effect")).alias("size")).collect()  # a row a feature
    total = sum(row["size"] for row in sizes) or 1.0
    return {row["name"]: row["size"] / total for row in sorted(sizes, key=lambda row: (-row["size"], row["name"]))}


def top_factors() -> Column:
    """The first of `effects`."""
    first = [F.get("effects", F.lit(n)) for n in range(FACTORS)]
    told = [F.when(e.isNotNull(), F.struct(e["feature"], e["value"], e["effect"])) for e in first]
    return F.array_compact(F.array(*told))


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


def _looked_up(trees: Mapping[int, Sequence[float]]) -> Column:
    """The sum over trees of the constants at the leaf. Text that Spark parses once: thousands of literals are slow."""
    constants = [f"from_json('{[*values]}', 'array<double>')[_places[{tree}]]" for tree, values in trees.items()]
    return F.expr(" + ".join(constants))


def _weighted(terms: Sequence[tuple[int, float, float]]) -> Column:
    return reduce(Column.__add__, [F.lit(w) * (F.col("_places")[place] - F.lit(mean)) for place, w, mean in terms])


def _told(name: str) -> Column:
    return F.concat(F.lit(f"{name}="), F.coalesce(name, F.lit("?"))) if name in _TEXTS else F.lit(name)


def _value(name: str) -> Column:
    return F.lit(None).cast("double") if name in _TEXTS else F.col(name)


def _means(model: PipelineModel, examples: DataFrame, size: int) -> list[float]:
    vectors = model.transform(examples).select(vector_to_array(F.col("features")).alias("v"))
    found = vectors.agg(*[F.avg(F.col("v")[n]) for n in range(size)]).first()  # one row
    return [float(mean) for mean in found or ()]
