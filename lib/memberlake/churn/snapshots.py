"""Which days a model is trained, calibrated and tested on, and who is an example on each with which label."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake.churn.facts import Facts, at_each
from memberlake.conf import ChurnConf, ChurnRule
from memberlake.errors import NotYet


class Split(NamedTuple):
    """Snapshots by time. The outcome windows of each part end before the next part's snapshot starts."""

    train: tuple[date, ...]
    calibrate: date
    test: date

    @property
    def every(self) -> list[date]:
        return [*self.train, self.calibrate, self.test]


def first_day(rule: ChurnRule, facts: Facts) -> DataFrame:
    """One row, `on`: the first day of the record that the rule looks at; NULL where there is none."""
    if rule.condition == "no_order":
        return facts.orders.agg(F.min("on").alias("on"))
    if rule.condition == "no_response":
        return facts.contacts.agg(F.min("on").alias("on"))
    return facts.events.where(F.col("event_type").isin(*(rule.event_types or ()))).agg(F.min("on").alias("on"))


def split(conf: ChurnConf, first: date | None, as_of: date) -> Split:
    """The snapshots of a training as of a day.

    The test is the last snapshot whose outcome is known. The one to calibrate on is the last whose outcome was known on
    the day before the test's, since the share of churners drifts; the last one to train on lies as far before that.

    Args:
        first: the first day of the record.

    Raises:
        NotYet: the record is too short; says from which day on it is long enough.
    """
    if first is None:
        raise NotYet(f"as of {as_of} the lake has nothing that rule {conf.label_rule} looks at: ingest it first")
    step = timedelta(days=conf.snapshot_every_days)
    apart = timedelta(days=conf.embargo_days + 1)  # from one part to the next
    test = as_of - timedelta(days=conf.embargo_days)
    calibrate = test - apart
    latest = calibrate - apart
    earliest = first + timedelta(days=conf.observe_days)
    if latest < earliest:
        needed = as_of + (earliest - latest)
        raise NotYet(
            f"as of {as_of} the record begins on {first}, too late for snapshots to train, calibrate and test on, "
            f"{conf.embargo_days} days and more apart; train as of {needed} or later, or set churn.gap_days, "
            f"churn.horizon_days or churn.observe_days lower"
        )
    count = min((latest - earliest) // step + 1, conf.max_snapshots)
    return Split(tuple(latest - n * step for n in reversed(range(count))), calibrate, test)


def eligible(known: DataFrame, spells: DataFrame, snapshots: Sequence[date]) -> DataFrame:
    """One row an (as_of, member_id): members known at the snapshot for whom the rule does not hold on it."""
    at = at_each(known, snapshots, lambda s: s >= F.col("known_on")).select("as_of", "member_id")
    churned = at_each(spells, snapshots, lambda s: _holds_in(s, s))
    return at.join(churned, on=["as_of", "member_id"], how="left_anti")


def with_labels(examples: DataFrame, spells: DataFrame, snapshots: Sequence[date], conf: ChurnConf) -> DataFrame:
    """Adds label: 1.0 when the rule holds on some day in (as_of + gap, as_of + gap + horizon], else 0.0."""

    def in_window(s: Column) -> Column:
        return _holds_in(F.date_add(s, conf.gap_days + 1), F.date_add(s, conf.embargo_days))

    will = at_each(spells, snapshots, in_window).select("as_of", "member_id").distinct()
    will = will.withColumn("label", F.lit(1.0))
    joined = examples.join(will, on=["as_of", "member_id"], how="left")
    return joined.withColumn("label", F.coalesce("label", F.lit(0.0)))


def drawn(examples: DataFrame, share: float, seed: int) -> DataFrame:
    """The examples of about a share of the members, drawn at random: each on all snapshots or on none. All of them for
    a share of 1."""
    place = F.pmod(F.xxhash64("member_id", F.lit(seed)), F.lit(1_000_000))
    return examples.where(place < F.lit(share) * 1_000_000)


def _holds_in(first: Column, last: Column) -> Column:
    """A spell holds on some day of first..last."""
    return (F.col("starts_on") <= last) & (F.col("ends_on").isNull() | (F.col("ends_on") > first))
