"""Columns that tables of several domains have."""

from memberlake.lake.contract import DATE, Column

AS_OF = Column("as_of", DATE, "cut-off: rows with a later business date are not seen", required=True)
