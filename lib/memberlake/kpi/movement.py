"""Who became churned in a period, and who came back: from the snapshots of gold.churn_status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.kpi.cells import CELL, SPAN, exploded, of_members, union
from memberlake.kpi.periods import PERIODS, Span

_KINDS = {"kind": ("explicit", "implicit"), "permanence": ("permanent", "temporary")}


def seen_by(spans: Sequence[Span], snapshots: Sequence[date]) -> list[dict[str, Any]]:
    """The spans with the first snapshot that sees all of them, as `as_of`; a span that none sees is left out."""
    return [
        {**vars(span), "as_of": min(seen)}
        for span in spans
        if (seen := [day for day in snapshots if day >= span.last_on])
    ]


def sums(status: DataFrame, members: DataFrame, dimensions: Sequence[str], seen: DataFrame) -> DataFrame:
    """Spans: churned_in and returned, members who became churned and who came back, each once a span; not_churned, on
    the day before it; churned and all_members, on its last day.

    A churn that is over was implicit and temporary; one that lasts is what the snapshot calls it.

    Args:
        status: gold.churn_status of the snapshots in `seen`.
        members: of cells.described.
        seen: of `seen_by`.
    """
    known = status.join(members, on="member_id", how="left")
    of_member = of_members(dimensions)
    # first small sums by day, so that no member is looked at once for every span
    came = (
        exploded(known, of_member)
        .groupBy("as_of", F.col("known_on").alias("day"), *CELL)
        .agg(F.count(F.lit(1)).alias("came"))
    )
    kinds = [F.struct(F.lit(k).alias(CELL[0]), F.lit(v).alias(CELL[1])) for k, values in _KINDS.items() for v in values]
    everyone = came.where("dimension = 'all'").select("as_of", "day", "came", F.inline(F.array(*kinds)))
    daily = union(came, everyone, _turns(known, of_member)).na.fill(0)

    def of_period(turn: str) -> Column:
        by_period = F.coalesce(*[F.when(F.col("period") == p, F.col(f"{turn}_{p}")) for p in PERIODS])
        return F.sum(F.when(F.col("day") >= F.col("first_on"), by_period).otherwise(0))

    there = F.col("came") - F.col("churned_on_day") + F.col("back_on_day")
    return (
        daily.join(F.broadcast(seen), on="as_of", how="inner")
        .where(F.col("day") <= F.col("last_on"))
        .groupBy(*SPAN, *CELL)
        .agg(
            of_period("churned_on").alias("churned_in"),
            of_period("back_on").alias("returned"),
            F.sum(F.when(F.col("day") < F.col("first_on"), there).otherwise(0)).alias("not_churned"),
            F.sum(F.col("came") - there).alias("churned"),
            F.sum("came").alias("all_members"),
        )
    )


def _turns(known: DataFrame, of_member: dict[str, Column]) -> DataFrame:
    """Daily, of each snapshot: churned_on_day and back_on_day, the beginnings and ends of churn; and of these
    churned_on_week and the like, the member's first in that week or month. Spans begin with their period, so the first
    in a period is the first in a span. Of an explicit or permanent churn there is only the one that lasts, so it is the
    first of its kind.
    """
    is_over, before = F.col("stretch")["back_on"].isNotNull(), F.get("stretches", F.col("n") - 1)
    ways = ("churned_on", "back_on")
    turns = F.array(
        *[
            F.struct(F.lit(w).alias("turn"), F.col("stretch")[w].alias("day"), before[w].alias("earlier_on"))
            for w in ways
        ]
    )
    each = (
        known.select("*", F.posexplode("stretches").alias("n", "stretch"))
        .withColumn("kind", F.when(is_over, "implicit").otherwise(F.col("kind")))
        .withColumn("permanence", F.when(is_over, "temporary").otherwise(F.col("permanence")))
        .select("*", F.inline(turns))
        .where(F.col("day").isNotNull())
    )
    is_alone = F.col(CELL[0]).isin(*_KINDS) & F.col(CELL[1]).isin("explicit", "permanent")

    def first_in(period: str) -> Column:
        earlier = F.when(~is_alone, F.col("earlier_on"))
        return earlier.isNull() | (earlier < F.date_trunc(period, "day"))

    counted = [F.count_if((F.col("turn") == w) & first_in(p)).alias(f"{w}_{p}") for w in ways for p in PERIODS]
    cells = {**of_member, **{name: F.col(name) for name in _KINDS}}
    return exploded(each, cells).groupBy("as_of", "day", *CELL).agg(*counted)


def since(changed: date, snapshots: Sequence[date]) -> date:
    """The first day whose numbers a changed snapshot may be asked for: the day after the snapshot before it."""
    earlier = [day for day in snapshots if day < changed]
    return max(earlier) + timedelta(days=1) if earlier else date.min
