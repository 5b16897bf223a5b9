"""ABC classes and value tiers."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession

from memberlake.conf import AbcConf
from memberlake.tables.gold.value import ABC_CLASSES
from memberlake.value import abc

D = date(2026, 11, 20)
SPENDING = "member_id string, monetary decimal(18,2)"
CONF = AbcConf(
    look_back_days=365,
    a_below=Decimal("0.80"),
    b_below=Decimal("0.95"),
    high_share=Decimal("0.2"),
    middle_share=Decimal("0.3"),
)


def expected(spent: dict[str, Decimal]) -> list[tuple[object, ...]]:
    """By sorting, in one loop."""
    order = sorted(spent, key=lambda m: (-spent[m], not m.isdigit(), int(m) if m.isdigit() else 0, m))
    total, before, rows = sum(spent.values()), Decimal(0), []
    for member in order:
        share = before / total if total > 0 else Decimal(1)
        more = sum(amount > spent[member] for amount in spent.values())
        tier = "high" if more < len(spent) * 0.2 else "middle" if more < len(spent) * 0.5 else "low"
        kind = "A" if share < Decimal("0.80") else "B" if share < Decimal("0.95") else "C"
        rows.append((D, member, spent[member], float(share), kind, tier))
        before += spent[member]
    return rows


def same(spark: SparkSession, spent: dict[str, Decimal]) -> None:
    found = abc.classify(spark.createDataFrame([*spent.items()], SPENDING), CONF, D)
    wanted = spark.createDataFrame(expected(spent), ABC_CLASSES.struct)
    assert_df_equality(
        found, wanted, ignore_row_order=True, ignore_nullable=True, ignore_metadata=True, ignore_column_order=True
    )


def test_classes_and_tiers(spark: SparkSession) -> None:
    spent = {
        "9": "50.00",
        "10": "30.00",  # before it 50 of 100
        "text": "10.00",  # before it exactly 80 of 100: B
        "7": "5.00",
        "11": "5.00",  # before it exactly 95 of 100, for 7 is the smaller number: C
        "nothing": "0.00",
    }
    amounts = {member: Decimal(amount) for member, amount in spent.items()}
    same(spark, amounts)
    assert [row[4] for row in expected(amounts)] == ["A", "A", "B", "B", "C", "C"]


@pytest.mark.parametrize(("cents", "classes"), [((2, 1), "AA"), ((5, 3, 2, 1), "AAAB")])
def test_a_limit_between_two_cents(spark: SparkSession, cents: tuple[int, ...], classes: str) -> None:
    """0.80 of 0.03 is 0.024, and 0.02 is less; 0.95 of 0.11 is 0.1045, and 0.10 is less."""
    spending = spark.createDataFrame([(str(n), Decimal(n) / 100) for n in cents], SPENDING)
    found = abc.classify(spending, CONF, D).orderBy("cumulative_share")
    assert "".join(row["class"] for row in found.collect()) == classes


@pytest.mark.parametrize("seed", [1, 2])
def test_against_a_sort(spark: SparkSession, seed: int) -> None:
    """With ties, more members than ranges, and amounts below 0."""
    rng = random.Random(seed)
    spent = {str(n): Decimal(rng.choice([rng.randrange(-500, 90_000), 1_000])) / 4 for n in range(700)}
    same(spark, spent)


def test_nothing_spent(spark: SparkSession) -> None:
    """More was refunded than paid: the share cannot be had, and nobody is A."""
    same(spark, {"1": Decimal("1.00"), "2": Decimal("-1.00")})
    same(spark, {})


def test_shares_of_members_are_exact(spark: SparkSession) -> None:
    """As floats 0.1 + 0.2 is more than 0.3, and a fourth of ten members was within it."""
    conf = CONF.model_copy(update={"high_share": Decimal("0.1"), "middle_share": Decimal("0.2")})
    spending = spark.createDataFrame([(str(n), Decimal(n)) for n in range(10)], SPENDING)
    found = abc.classify(spending, conf, D).orderBy("monetary")
    assert [row.value_tier for row in found.collect()] == ["low"] * 7 + ["middle"] * 2 + ["high"]
