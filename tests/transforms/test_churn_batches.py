"""Factors and spreads, which NumPy tells of batches of members, against the definitions: at random, ties and NULLs."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DoubleType, StringType, StructField, StructType

from memberlake.churn import explain, monitor
from memberlake.churn.explain import Effects

NUMBERS = ("orders_90_before", "orders_90", "overdue", "age_years")
TEXTS = ("gender", "acquisition_channel")
NAMES = (*TEXTS, *NUMBERS)
MEMBERS = 300
Member = dict[str, Any]


def members(dice: random.Random, vector: Sequence[Sequence[float]]) -> list[Member]:
    """Few values, so that there are ties; `vector` has the choices for each place of the model's vector."""
    return [
        {name: dice.choice([None, -1.0, 0.0, 0.5, 2.0, math.inf]) for name in NUMBERS}
        | {name: dice.choice([None, "", "F", "M", "?"]) for name in TEXTS}
        | {"vector": [dice.choice(values) for values in vector]}
        for _ in range(MEMBERS)
    ]


def frame(spark: SparkSession, given: Sequence[Member], vector: str = "vector") -> DataFrame:
    fields = [StructField(name, StringType() if name in TEXTS else DoubleType()) for name in NAMES]
    rows = [(*[m[name] for name in NAMES], Vectors.dense(m["vector"])) for m in given]
    made = spark.createDataFrame(rows, StructType([*fields, StructField(vector, VectorUDT())]))
    return made.repartition(3)


def factors(member: Member, effects: dict[str, float]) -> list[tuple[str, float | None, float]]:
    """The definition: by size, then by what is told."""
    told = {
        name: f"{name}={'?' if member[name] is None else member[name]}" if name in TEXTS else name for name in NAMES
    }
    each = [(told[n], None if n in TEXTS else member[n], effect) for n, effect in effects.items()]
    return sorted(each, key=lambda factor: (-abs(factor[2]), factor[0]))[: explain.FACTORS]


def agree(found: DataFrame, effects: Effects, given: Sequence[Member], expected: Sequence[dict[str, float]]) -> None:
    every = explain.order(effects)
    rows = found.select("*", explain.top_factors(effects).alias("top"), explain.of_members(effects).alias("all"))
    told = [([row[n] for n in NAMES], [tuple(f) for f in row["top"]], row["all"]) for row in rows.collect()]
    wanted = [
        ([m[n] for n in NAMES], factors(m, moved), [moved[n] for n in every])
        for m, moved in zip(given, expected, strict=True)
    ]
    assert sorted(map(repr, told)) == sorted(map(repr, wanted))


def test_factors_of_trees_are_those_of_the_definition(spark: SparkSession) -> None:
    """Twelve trees, of which the first has one leaf; not every tree looks at every feature."""
    dice = random.Random(3)
    leaves = [1, *[dice.randint(2, 5) for _ in range(11)]]
    of_leaves = {
        name: {
            tree: [dice.choice([0.0, 0.1, -0.1, 0.25]) for _ in range(leaves[tree])]
            for tree in sorted(dice.sample(range(1, 12), 7))
        }
        for name in NAMES
    }
    given = members(dice, [range(count) for count in leaves])
    expected = []
    for member in given:
        expected.append({})
        for name, trees in of_leaves.items():
            expected[-1][name] = 0.0
            for tree, values in trees.items():
                expected[-1][name] += values[member["vector"][tree]]
    effects = Effects(0.5, of_leaves, {})
    agree(frame(spark, given, "leaves"), effects, given, expected)
    assert frame(spark, given, "leaves").limit(0).select(explain.top_factors(effects)).collect() == []


def test_factors_of_linear_models_are_those_of_the_definition(spark: SparkSession) -> None:
    """A text has several places. With fewer features than factors, all are told."""
    dice = random.Random(4)
    given = members(dice, [[0.0, 1.0, 3.0]] * 7)
    for names in (NAMES, NAMES[1:3]):
        weights = {name: [(n, dice.choice([-0.5, 0.3]), 1.0)] for n, name in enumerate(names)}
        weights[names[0]] = [(n, dice.choice([-0.5, 0.3]), 0.1 * n) for n in (0, 5, 6)]
        expected = [
            {n: sum((w * (m["vector"][place] - mean) for place, w, mean in terms), 0.0) for n, terms in weights.items()}
            for m in given
        ]
        agree(frame(spark, given, "features"), Effects(0.0, {}, weights), given, expected)


@pytest.mark.parametrize("count", [MEMBERS, 0])
def test_spreads_are_those_of_the_definition(spark: SparkSession, count: int) -> None:
    """A bound belongs to the bin below it; a feature that was NULL throughout has no bounds; a category may be new."""
    given = members(random.Random(5), [[0.0]])[:count]
    bounds: dict[str, Sequence[Any]] = {
        "orders_90": [0.0, 0.5, 1.0],
        "overdue": [],
        "age_years": [-1.0],
        monitor.SCORE: [0.5],
        "gender": ["M", "F"],
    }
    found = monitor.spreads(frame(spark, given).withColumnRenamed("orders_90_before", "probability"), bounds)
    for name, values in bounds.items():
        bins = [0] * (len(values) + 2)
        for value in (m["orders_90_before" if name == monitor.SCORE else name] for m in given):
            if value is None:
                bins[-1] += 1
            elif name == "gender":
                bins[values.index(value) if value in values else len(values)] += 1
            else:
                bins[sum(value > bound for bound in values)] += 1
        assert found[name] == (values, bins), name
