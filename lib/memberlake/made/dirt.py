"""What real files bring besides: rows again, rows that are out of date, rows that break the contract.

They are rows more, in files of their own: nothing of the clean rows is missing, and ingest must end in exactly those.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.lake.contract import Table
from memberlake.made.world import World
from memberlake.tables.silver import ORDERS

WHY = ("repeated", "outdated", "no key", "before 1990", "unknown status")
DUPLICATES, BREACHES = WHY[:2], WHY[2:]


def of(clean: DataFrame, table: Table, w: World) -> DataFrame | None:
    """The dirty rows that go with the clean ones of a table, and `why`; None for a table that gets none.

    A row that breaks the contract has a key of its own, so that it never stands for a clean one.
    """
    if table.happened_at is None:
        return None
    shares, key = w.conf.shares, table.key[0]

    def happens(share: float, why: str) -> Column:
        return F.when(w.happens(share, f"{table.name} {why}", *[F.col(name) for name in table.key]), why)

    breaks = {why: happens(shares.broken / 2, why) for why in ("no key", "before 1990")}
    kinds = [happens(shares.repeated, "repeated"), *breaks.values()]
    if table is ORDERS:
        kinds += [happens(shares.outdated, "outdated"), happens(shares.broken / 2, "unknown status")]
    dirty = clean.select("*", F.explode(F.array(*kinds)).alias("why")).where("why IS NOT NULL")

    def changed(name: str, why: str, value: Column) -> Column:
        return F.when(F.col("why") == why, value).otherwise(F.col(name))

    own_key = F.when(F.col("why").isin(*BREACHES), F.concat(F.lit("X"), key)).otherwise(F.col(key))
    dirty = dirty.withColumn(key, F.when(F.col("why") != "no key", own_key))
    dirty = dirty.withColumn(
        table.happened_at, changed(table.happened_at, "before 1990", F.lit("1970-01-01").cast("timestamp"))
    )
    if table is ORDERS:
        status = changed("status", "outdated", F.lit("created"))
        dirty = dirty.withColumn("updated_at", changed("updated_at", "outdated", F.col("ordered_at")))
        dirty = dirty.withColumn("status", F.when(F.col("why") == "unknown status", "?").otherwise(status))
    return dirty


def duplicates(dirty: DataFrame, table: Table) -> DataFrame:
    """Truth: which rows come once more, by table, key (as JSON) and why."""
    key = F.to_json(F.struct(*table.key)).alias("key")
    return dirty.where(F.col("why").isin(*DUPLICATES)).select(F.lit(table.full_name).alias("table"), key, "why")
