"""Of several rows with one key the newest, whatever their order, batches or repetition."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.lake.contract import Table


def repeated_keys(frame: DataFrame, table: Table) -> DataFrame:
    """Digests of the keys that stand more than once; two keys of one digest are among them."""
    return frame.groupBy(_key_digest(table)).count().where("count > 1").drop("count")


def newest(frame: DataFrame, table: Table, repeated: DataFrame | None = None) -> DataFrame:
    """One row a key: the latest version, at equal versions the greater content. Independent of the rows' order.

    Ranking whole rows is dear, and few keys stand twice: the rest goes past it.

    Args:
        repeated: the frame's repeated_keys, where they are there already.
    """
    repeated = repeated_keys(frame, table) if repeated is None else repeated
    digested = frame.withColumn("_key", _key_digest(table))
    several = digested.join(repeated, on="_key", how="left_semi")
    latest = F.max_by(F.struct(*table.column_names), F.expr(f"({rank_sql(table)})")).alias("row")
    once = digested.join(repeated, on="_key", how="left_anti").drop("_key")
    return once.unionByName(several.groupBy(*table.key).agg(latest).select("row.*"))


def _key_digest(table: Table) -> Column:
    return F.xxhash64(*table.key).alias("_key")


def rank_sql(table: Table) -> str:
    """Orders the rows of one key: (version, content as JSON); a NULL version is the oldest."""
    return f"struct({_version(table)} AS version, {_content(table)} AS content)"


def is_later_sql(table: Table, a: str, b: str) -> str:
    """Whether row `a` is later than row `b` of its key, by the same order.

    MERGE compares no structs where a version may be NULL in one row, and cannot be in the other.
    """
    version, other = _version(table, f"{a}."), _version(table, f"{b}.")
    return (
        f"{version} > {other} OR ({version} IS NOT NULL AND {other} IS NULL)"
        f" OR ({version} <=> {other} AND {_content(table, f'{a}.')} > {_content(table, f'{b}.')})"
    )


def _version(table: Table, prefix: str = "") -> str:
    return f"{prefix}`{table.version}`" if table.version else "0"


def _content(table: Table, prefix: str = "") -> str:
    row = f"struct({', '.join(f'{prefix}`{name}`' for name in table.column_names)})"
    # to_json stops at milliseconds by itself, and rows that differ below would tie
    return f"to_json({row}, map('timestampFormat', 'yyyy-MM-dd HH:mm:ss.SSSSSS'))"
