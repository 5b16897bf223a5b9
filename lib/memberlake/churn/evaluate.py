"""How good scores are: one pass counts churners by score; everything else is arithmetic on that small table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake.conf.churn import Threshold

DIGITS = 5  # scores that agree so far count as ties; the order on a plateau of a calibration is in the last three
DECILES = 10


class Level(NamedTuple):
    """Members with one score, from the highest down.

    Attributes:
        total: sum of the exact scores.
        squares: sum of (score - label)^2.
    """

    score: float
    members: int
    churners: int
    total: float
    squares: float


def table(scored: DataFrame, score: str = "probability") -> list[Level]:
    """The levels of a score in 0..1, highest first: at most 100,001 rows, however many members.

    Args:
        scored: one row a member, with label (0 or 1) and the score.
    """
    exact = F.col(score)
    levels = scored.groupBy(F.round(exact, DIGITS).alias("score")).agg(
        F.count(F.lit(1)).alias("members"),
        F.count_if(F.col("label") == 1).alias("churners"),
        F.sum(exact).alias("total"),
        F.sum((exact - F.col("label")) * (exact - F.col("label"))).alias("squares"),
    )
    # collected: scores are rounded, so that there are few levels
    return sorted((Level(*row) for row in levels.collect()), reverse=True)


def measures(levels: Sequence[Level]) -> dict[str, float]:
    """The measures of docs/churn.md. Both classes must be there.

    - pr_auc: average precision, sum of (recall gained at a level) * (precision down to it).
    - roc_auc: share of pairs of a churner and another in the right order, ties half.
    - brier: mean of (probability - label)^2. ece: mean over deciles of |mean probability - share of churners|.
    - captured_K: share of churners among the K % with the highest scores; lift_K: that over K %. A level that
      straddles the bound counts in proportion.
    """
    members, churners = sum(e.members for e in levels), sum(e.churners for e in levels)
    others = members - churners
    average_precision = pairs = 0.0
    above = above_churners = 0
    for level in levels:
        above_others = above - above_churners
        below_others = others - above_others - (level.members - level.churners)
        pairs += level.churners * (below_others + (level.members - level.churners) / 2)
        above, above_churners = above + level.members, above_churners + level.churners
        average_precision += level.churners / churners * (above_churners / above)
    found = {
        "examples": float(members),
        "base_rate": churners / members,
        "pr_auc": average_precision,
        "roc_auc": pairs / (churners * others),
        "brier": sum(e.squares for e in levels) / members,
        "mean_probability": sum(e.total for e in levels) / members,
        "ece": sum(n * abs(mean - rate) for n, mean, rate in deciles(levels)) / members,
    }
    for percent in (5, 10, 20):
        captured = _churners_in_top(levels, members * percent / 100) / churners
        found |= {f"captured_{percent}": captured, f"lift_{percent}": captured / (percent / 100)}
    return found


def deciles(levels: Sequence[Level]) -> list[tuple[int, float, float]]:
    """Of up to ten groups of equal size (ties stay together): members, mean probability, share of churners."""
    members = sum(e.members for e in levels)
    groups: list[list[Level]] = [[] for _ in range(DECILES)]
    above = 0
    for level in levels:
        groups[min(int((above + level.members / 2) / members * DECILES), DECILES - 1)].append(level)
        above += level.members
    sizes = [(sum(e.members for e in g), g) for g in groups if g]
    return [(n, sum(e.total for e in g) / n, sum(e.churners for e in g) / n) for n, g in sizes]


def curve(levels: Sequence[Level]) -> Iterator[tuple[float, float, float, float]]:
    """At each level: score, share of members so far, recall, precision."""
    members, churners = sum(e.members for e in levels), sum(e.churners for e in levels)
    above = above_churners = 0
    for level in levels:
        above, above_churners = above + level.members, above_churners + level.churners
        yield level.score, above / members, above_churners / churners, above_churners / above


def threshold(levels: Sequence[Level], conf: Threshold) -> float:
    """The least probability at which a member is told to churn.

    - best_f1: of the levels, the one with the best F1 (the higher one of two).
    - costs: a member is told when missing them costs more than telling them for nothing: p * missed >= (1 - p) *
      needless.
    - capacity: the score of the last member that can be called on a day like that of the levels.
    """
    if conf.by == "costs":
        return conf.needless / (conf.needless + conf.missed)
    if conf.by == "best_f1":
        return max(_f1(levels))[1]
    above = 0
    for level in levels:
        above += level.members
        if above >= conf.capacity:
            return level.score
    return 0.0


def at_threshold(levels: Sequence[Level], threshold: float) -> dict[str, float]:
    """Had everyone at or above the threshold been told: their number, and precision (0 for none) and recall."""
    told = [e for e in levels if e.score >= threshold]
    members, churners = sum(e.members for e in told), sum(e.churners for e in told)
    return {
        "told": float(members),
        "precision": churners / members if members else 0.0,
        "recall": churners / sum(e.churners for e in levels),
    }


def _f1(levels: Sequence[Level]) -> Iterator[tuple[float, float]]:
    """At each level: F1 and score. F1 is one division of whole numbers, so that equal ones are equal."""
    churners = sum(e.churners for e in levels)
    above = above_churners = 0
    for level in levels:
        above, above_churners = above + level.members, above_churners + level.churners
        yield 2 * above_churners / (above + churners), level.score


def _churners_in_top(levels: Sequence[Level], count: float) -> float:
    found = 0.0
    for level in levels:
        found += level.churners * min(count / level.members, 1.0)
        count -= level.members
        if count <= 0:
            break
    return found
