"""Is a table on disk the one of its contract? Delta would take another silently."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import SparkSession

from memberlake.errors import UserError
from memberlake.lake.contract import CONTRACT_VERSION, Table

VERSION_PROPERTY = "memberlake.contract"


def require(spark: SparkSession, table: Table, name: str, properties: Mapping[str, str]) -> None:
    """Stops where it is another.

    Args:
        name: the table's name in SQL.

    Raises:
        UserError: it was made by another version of memberlake, or someone changed it; lists the differences.
    """
    version = properties.get(VERSION_PROPERTY)
    if version is None:
        raise UserError(f"{table.full_name} is a Delta table, but not made by memberlake: move it away")
    if int(version) > CONTRACT_VERSION:
        raise UserError(
            f"{table.full_name} was made by a newer memberlake (contract {version}, this one has {CONTRACT_VERSION}): "
            f"update memberlake"
        )
    is_older = int(version) < CONTRACT_VERSION
    if differences := _drift(spark, table, name, properties, with_comments=not is_older):
        if is_older:
            raise UserError(
                f"{table.full_name} was made by an older memberlake: {'; '.join(differences)}. Move the table away "
                f"and run its job again: gold is made of silver"
            )
        raise UserError(
            f"{table.full_name} was changed by someone else: {'; '.join(differences)}. "
            f"Undo that, for example with RESTORE, or move the table away"
        )


def _drift(
    spark: SparkSession, table: Table, name: str, properties: Mapping[str, str], *, with_comments: bool
) -> list[str]:
    """What differs between the table as it is and its contract. Comments of an older contract only say it in other
    words."""
    found = {f.name: f for f in spark.table(name).schema.fields}
    wanted = {f.name: f for f in table.struct.fields}
    said = [f"column {column} is gone" for column in wanted if column not in found]
    said += [f"column {column} is not in the contract" for column in found if column not in wanted]
    for column in wanted.keys() & found.keys():
        is_, should = found[column], wanted[column]
        if is_.dataType.simpleString() != should.dataType.simpleString():
            said.append(f"{column} is {is_.dataType.simpleString()}, not {should.dataType.simpleString()}")
        if is_.nullable != should.nullable:
            said.append(f"{column} {'may' if is_.nullable else 'may not'} be null")
        if with_comments and is_.metadata.get("comment") != should.metadata["comment"]:
            said.append(f"the comment of {column} differs")
    prefix = "delta.constraints."
    checks = {k.removeprefix(prefix): v for k, v in properties.items() if k.startswith(prefix)}
    for check in sorted({*checks.items()} ^ {*table.checks}):
        said.append(f"the constraint {check[0]} ({check[1]}) is on one side only")
    if (partitions := _partitions(spark, name)) != table.partitioned_by:
        said.append(f"it is partitioned by {list(partitions)}, not {list(table.partitioned_by)}")
    return sorted(said)


def _partitions(spark: SparkSession, name: str) -> tuple[str, ...]:
    described = [row["col_name"] for row in spark.sql(f"DESCRIBE TABLE {name}").collect()]  # a row a column
    return tuple(described[described.index("# col_name") + 1 :]) if "# col_name" in described else ()
