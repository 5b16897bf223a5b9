"""Recency, frequency and monetary value of buyers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake import scoring
from memberlake.conf import RfmConf
from memberlake.lake.contract import MONEY
from memberlake.scoring import Measure

Monetary = Literal["sum", "mean", "last"]
_ALL = "all"  # the scope of all orders


def measures(thresholds: Mapping[str, tuple[float, ...]]) -> list[Measure]:
    """What RFM scores, in the order of the code."""
    return [
        Measure("recency_days", "r_score", less_is_better=True, thresholds=thresholds.get("r", ())),
        Measure("frequency", "f_score", thresholds=thresholds.get("f", ())),
        Measure("monetary", "m_score", thresholds=thresholds.get("m", ())),
    ]


def with_categories(orders: DataFrame, lines: DataFrame, products: DataFrame) -> DataFrame:
    """The orders as they are in scope `all`, and once more for each category that they hold, with its lines' amount.

    A line whose product is unknown, has no category or one that is called `all` too is in scope `all` only.
    """
    is_scope = F.col("category") != _ALL  # not of NULL
    categories = products.where(is_scope).select("product_id", F.col("category").alias("scope"))
    per_category = (
        lines.join(categories, on="product_id", how="inner")
        .groupBy("order_id", "scope")
        .agg(F.sum("amount").cast(MONEY).alias("net_amount"))
    )
    by_category = orders.drop("net_amount", "scope").join(per_category, on="order_id", how="inner")
    return with_scope_all(orders).unionByName(by_category)


def with_scope_all(orders: DataFrame) -> DataFrame:
    return orders.withColumn("scope", F.lit(_ALL))


def measure(orders: DataFrame, as_of: date, monetary: Monetary) -> DataFrame:
    """One row a (scope, member): recency_days, frequency, monetary. Guest orders have no member and no score.

    Args:
        orders: one row a (scope, order), with business_date and net_amount of the scope.
    """
    return (
        orders.where(F.col("member_id").isNotNull())
        .groupBy("scope", "member_id")
        .agg(
            F.date_diff(F.lit(as_of), F.max("business_date")).cast("int").alias("recency_days"),
            F.count(F.lit(1)).alias("frequency"),
            _monetary(monetary).alias("monetary"),
        )
    )


def cuts(buyers: DataFrame, conf: RfmConf) -> DataFrame:
    """The exact quantiles that the scores are cut at, one row a scope. Persist both frames (`Lake.kept`)."""
    return scoring.cuts(buyers, measures(conf.thresholds), conf.tiles)


def score(buyers: DataFrame, cuts: DataFrame, conf: RfmConf) -> DataFrame:
    """Adds to the measured buyers their scores."""
    return scoring.with_scores(buyers, cuts, measures(conf.thresholds), conf.tiles)


def combinations(scored: DataFrame, conf: RfmConf) -> DataFrame:
    """The combinations of scores that buyers have, with code, sum, weighted sum, rank and segment; persist them."""
    weights = [conf.weights[m] for m in ("r", "f", "m")] if conf.weights else []
    return scoring.described(scored, measures(conf.thresholds), conf, weights)


def _monetary(kind: Monetary) -> Column:
    if kind == "sum":
        return F.sum("net_amount").cast(MONEY)
    if kind == "mean":
        return (F.sum("net_amount") / F.count("net_amount")).cast(MONEY)  # avg() rounds to six decimals on the way
    return F.max_by("net_amount", F.struct("ordered_at", "order_id"))  # two orders of one instant: the greater id
