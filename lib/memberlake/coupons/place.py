"""A part of the tables of vouchers, by coupons and months given as literals: Delta reads and writes no other files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

_MOST = 1000  # coupons listed in a condition; with more of them, all coupons of the months are meant


@dataclass(frozen=True)
class Place:
    """Coupons and issued months; the whole of both when coupons is None."""

    coupons: frozenset[str] | None = frozenset()
    months: frozenset[date] = frozenset()

    def plus(self, rows: Iterable[Row]) -> Place:
        """With the coupon_id and the issued_month, unless NULL, of more rows."""
        if self.coupons is None:
            return self
        listed = [(row["coupon_id"], row["issued_month"]) for row in rows]
        months = {month for _, month in listed if month}
        return Place(self.coupons | {coupon for coupon, _ in listed}, self.months | months)

    @property
    def slice(self) -> dict[str, Any]:
        """What Lake.replace takes."""
        return {} if self.coupons is None else {**self.all_months, "issued_month": sorted(self.months)}

    @property
    def all_months(self) -> dict[str, Any]:
        """The same for tables that are written by coupon."""
        return {} if self.coupons is None or len(self.coupons) > _MOST else {"coupon_id": sorted(self.coupons)}

    def of(self, rows: DataFrame) -> DataFrame:
        """The rows within."""
        return rows.where(_among(self.slice))

    def of_any_month(self, rows: DataFrame) -> DataFrame:
        """The rows of the coupons."""
        return rows.where(_among(self.all_months))

    def in_other_months(self, rows: DataFrame) -> DataFrame:
        """The rows of the coupons that are not within: none of the whole."""
        return self.of_any_month(rows).where(~_among(self.slice))

    def of_others(self, rows: DataFrame) -> DataFrame:
        """The rows of other coupons."""
        return rows.where(~_among(self.all_months))


def _among(slice: dict[str, Any]) -> Column:
    return reduce(Column.__and__, (F.col(name).isin(values) for name, values in slice.items()), F.lit(True))
