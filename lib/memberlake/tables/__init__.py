"""All contracts of the lake, by schema."""

from memberlake.lake.contract import Table
from memberlake.tables import gold, ops, silver

ALL: tuple[Table, ...] = (*silver.TABLES, *gold.TABLES, *ops.TABLES)
BY_NAME: dict[str, Table] = {table.full_name: table for table in ALL}
