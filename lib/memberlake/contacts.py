"""Contacts of campaigns: which were sent."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def only_sent(contacts: DataFrame) -> DataFrame:
    """Without those of control groups, who were sent nothing. NULL: sent."""
    return contacts.where(~F.coalesce("is_control", F.lit(False)))
