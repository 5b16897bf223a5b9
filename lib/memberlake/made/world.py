"""A made brand: its size, its calendar, and the draws that decide everything in it.

Every value is an expression over `range` and a hash of (seed, name of the draw, ids). So the rows are the same for a
seed whatever the number of partitions or cores, nothing is shuffled, and what a hash decides in one table (this
contact leads to an order) the same hash decides in every other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from memberlake.conf import MadeConf
from memberlake.lake.contract import MONEY

CHANNELS = ("store", "app", "mini_program", "web")
ORDERS_PER_MEMBER = 13.6  # what the rhythms, seasons and lives of members come to; measured, tested
ORDERS_PER_PARTITION = 250_000
CAMPAIGN_EVERY, CAMPAIGN_DAYS = 30, 14


@dataclass(frozen=True)
class World:
    """What is made.

    Attributes:
        orders: about this many; the number of everything else follows.
        zone: business time zone; shops are open from 9 to 22 there.
        partitions: of the made frames; decides files and tasks, never rows.
    """

    spark: SparkSession
    conf: MadeConf
    orders: int
    zone: str
    partitions: int | None = None

    @property
    def members(self) -> int:
        return max(round(self.orders / ORDERS_PER_MEMBER), 10)

    @property
    def products(self) -> int:
        return min(max(self.members // 50, 50), 20_000)

    @property
    def campaigns(self) -> int:
        return self.conf.days // CAMPAIGN_EVERY

    @property
    def robots(self) -> int:
        return max(round(self.members * self.conf.shares.robots), 1)

    def numbers(self, count: int) -> DataFrame:
        """A row for each of 0 .. count - 1, column `i`."""
        partitions = self.partitions or max(self.orders // ORDERS_PER_PARTITION, 1)
        return self.spark.range(0, count, 1, partitions).withColumnRenamed("id", "i")

    def few(self, count: int) -> DataFrame:
        """The same for what does not grow with the orders: one partition."""
        return self.spark.range(0, count, 1, 1).withColumnRenamed("id", "i")

    def draw(self, name: str, *ids: Column | str) -> Column:
        """A number in [0, 1), uniform over ids, independent between names."""
        named = hashlib.blake2b(f"{self.conf.seed}/{name}".encode(), digest_size=8).digest()
        key = F.lit(int.from_bytes(named, "big", signed=True))
        return F.shiftrightunsigned(F.xxhash64(key, *ids), 11) / F.lit(float(2**53))

    def happens(self, share: float, name: str, *ids: Column | str) -> Column:
        return self.draw(name, *ids) < share

    def whole(self, below: int | Column, name: str, *ids: Column | str) -> Column:
        """A whole number in 0 .. below - 1."""
        return F.floor(self.draw(name, *ids) * below).cast("int")

    def pick(self, values: Sequence[str], name: str, *ids: Column | str) -> Column:
        return _element(values, self.whole(len(values), name, *ids))

    def on(self, day: Column) -> Column:
        """The business date of a day's number; the first is 0."""
        return F.date_add(F.lit(self.conf.first_on), day.cast("int"))

    def at(self, day: Column, name: str, *ids: Column | str) -> Column:
        """An instant within the opening hours of a day, at a whole second."""
        second = 9 * 3600 + self.whole(13 * 3600, name, *ids)
        return F.to_utc_timestamp(F.timestamp_seconds(F.unix_date(self.on(day)) * 86_400 + second), self.zone)

    def midnight(self, day: Column) -> Column:
        return F.to_utc_timestamp(self.on(day).cast("timestamp"), self.zone)

    def season(self, day: Column) -> Column:
        """The share of planned purchases that happen on a day: by weekday, Monday first, and by month."""
        week, year = self.conf.weekdays, self.conf.months
        return _element(week, F.weekday(self.on(day))) * _element(year, F.month(self.on(day)) - 1)


def one_of(draw: Column, shares: dict[str, float], rest: str) -> Column:
    """The value whose share the draw falls into."""
    chosen, below = F.lit(rest), sum(shares.values())
    for value, share in reversed(shares.items()):
        chosen = F.when(draw < below, value).otherwise(chosen)
        below -= share
    return chosen


def money(cents: Column) -> Column:
    """Whole cents as money."""
    return (cents.cast("decimal(14,0)") * F.lit(Decimal("0.01"))).cast(MONEY)


def later(instant: Column, seconds: Column) -> Column:
    return F.timestamp_micros(F.unix_micros(instant) + seconds.cast("long") * 1_000_000)


def _element(values: Sequence[str] | Sequence[float], index: Column) -> Column:
    return F.array(*[F.lit(value) for value in values])[index]
