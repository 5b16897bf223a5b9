"""Values and names as SQL text, quoted: what has no Column."""

from __future__ import annotations

from datetime import date
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F


def name(of: str) -> str:
    """A name in backticks."""
    return "`" + of.replace("`", "``") + "`"


def expression(of: str) -> Column:
    """An expression that a user wrote, and nothing else: a word after it Spark would take for a name of the outcome."""
    return F.expr(f"(\n{of}\n)")


def text(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def is_value(column: str, value: Any) -> str:
    """The column is the value, or one of a collection. MERGE takes no Column over Spark Connect, and Delta prunes by
    literals alone."""
    values = value if isinstance(value, list | tuple | set | frozenset) else [value]
    return f"{column} IN ({', '.join(sorted(map(_literal, values)))})" if values else "false"


def _literal(value: Any) -> str:
    if isinstance(value, date):
        return f"DATE'{value.isoformat()}'"
    return text(value) if isinstance(value, str) else str(int(value))
