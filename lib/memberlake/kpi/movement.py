"""Who became churned in a period, and who came back: from the snapshots of gold.churn_status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake.kpi import periods
from memberlake.kpi.facts import CELL, SPAN, exploded, of_members, union
from memberlake.kpi.periods import Span


def seen_by(one: DataFrame, spans: Sequence[Span], snapshots: Sequence[date]) -> DataFrame:
    """The spans with the first snapshot that sees all of them; a span that none sees is left out."""
    rows = [
        {**vars(span), "as_of": min(seen)}
        for span in spans
        if not span.is_before and (seen := [day for day in snapshots if day >= span.last_on])
    ]
    return periods.literal(one, rows, periods.SNAPSHOT)


def preceded_by(one: DataFrame, spans: Sequence[Span], snapshots: Sequence[date]) -> DataFrame:
    """The spans with the last snapshot before them; a span without one is left out."""
    rows = [
        {**vars(span), "as_of": max(seen)}
        for span in spans
        if not span.is_before and (seen := [day for day in snapshots if day < span.first_on])
    ]
    return periods.literal(one, rows, periods.SNAPSHOT)


def asked(spans: Sequence[Span], snapshots: Sequence[date]) -> list[date]:
    """The snapshots of `seen_by` and `preceded_by`."""
    seen = {min(s) for span in spans if (s := [day for day in snapshots if day >= span.last_on])}
    before = {max(s) for span in spans if (s := [day for day in snapshots if day < span.first_on])}
    return sorted(seen | before)


def churned_before(status: DataFrame, preceded: DataFrame) -> DataFrame:
    """Keys of the span and member_id of those churned before it, and one row without member for the span itself."""
    churned = status.where("is_churned").select("as_of", "member_id")
    return union(
        F.broadcast(preceded).join(churned, on="as_of", how="inner").select(*SPAN, "member_id"), preceded.select(*SPAN)
    )


def sums(
    status: DataFrame, members: DataFrame, dimensions: Sequence[str], seen: DataFrame, preceded: DataFrame
) -> DataFrame:
    """Spans: churned_in, not_churned, churned, all_members, returned.

    Who was not churned at the start is read from the snapshot of the day before, when there is one; else those
    registered before the start are taken whom the later snapshot does not call churned since an earlier day.

    Args:
        status: gold.churn_status of the snapshots in `seen` and `preceded`.
        members: registered_on, and the dimensions of facts.described.
    """
    known = status.join(members, on="member_id", how="left")
    cells = {**of_members(dimensions), "kind": F.col("kind"), "permanence": F.col("permanence")}
    day = exploded(known, cells)
    # first small sums by day, so that no member is looked at once for every span
    came = F.coalesce("registered_on", F.lit(date(1970, 1, 1)))  # a member whom silver does not know was always there
    daily = union(
        day.groupBy("as_of", came.alias("day"), *CELL).agg(F.count(F.lit(1)).alias("came")),
        day.where("is_churned")
        .groupBy("as_of", F.col("churned_on").alias("day"), *CELL)
        .agg(F.count(F.lit(1)).alias("left")),
    ).na.fill(0, ["came", "left"])
    ends = (
        daily.join(F.broadcast(seen), on="as_of", how="inner")
        .where(F.col("day") <= F.col("last_on"))
        .groupBy(*SPAN, *CELL)
        .agg(
            F.sum(F.when(F.col("day") >= F.col("first_on"), F.col("left")).otherwise(0)).alias("churned_in"),
            F.sum("left").alias("churned"),
            F.sum("came").alias("all_members"),
            F.sum(F.when(F.col("day") < F.col("first_on"), F.col("came") - F.col("left")).otherwise(0)).alias(
                "derived"
            ),
        )
    )
    eve = F.broadcast(preceded.where(F.col("as_of") == F.date_sub("first_on", 1)))
    starts = (
        day.groupBy("as_of", *CELL)
        .agg(F.count_if(~F.col("is_churned")).alias("not_churned"))
        .join(eve, on="as_of", how="inner")
        .select(*SPAN, *CELL, "not_churned")
    )
    return (
        ends.join(starts, on=[*SPAN, *CELL], how="left")
        .withColumn("not_churned", F.coalesce("not_churned", "derived"))
        .drop("derived")
    )


def returned(status: DataFrame, seen: DataFrame, preceded: DataFrame) -> DataFrame:
    """Spans: members churned before the span whom the snapshot that sees its end does not call churned."""
    churned = status.where("is_churned").select("as_of", "member_id")
    still = (
        F.broadcast(seen).join(churned, on="as_of", how="inner").select(*SPAN, "member_id", F.lit(True).alias("still"))
    )
    before = churned_before(status, preceded.join(seen.select(*SPAN), on=[*SPAN], how="left_semi"))
    return (
        exploded(before.join(still, on=[*SPAN, "member_id"], how="left"), {})
        .groupBy(*SPAN, *CELL)
        .agg(F.count_if(F.col("member_id").isNotNull() & F.col("still").isNull()).alias("returned"))
    )


def since(changed: date, snapshots: Sequence[date]) -> date:
    """The first day whose numbers a changed snapshot may be asked for: the day after the snapshot before it."""
    earlier = [day for day in snapshots if day < changed]
    return max(earlier) + timedelta(days=1) if earlier else date.min
