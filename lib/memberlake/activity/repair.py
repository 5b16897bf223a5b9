"""What a night changes: the active days of some subjects, and with them the sums that they are part of.

Everything that is counted is a sum over subjects. So only two kinds of subjects are looked at: those who came on a new
date, and those of whose earlier days one may be another now, by a late or corrected event or by a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial, reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake.activity import days, identity

DAY = ["subject_id", "active_on"]


def last_as_of(counts: DataFrame) -> DataFrame:
    """The as_of of the run that wrote gold.active_counts, one row; NULL when nobody was active."""
    of_days = counts.where((F.col("window") == "day") & (F.col("dimension") == "all"))
    return of_days.agg(F.max("period_end").alias("as_of"))


def by_events(
    changed: DataFrame, identities: Sequence[DataFrame], types: Sequence[str], zone: str, until: date
) -> DataFrame:
    """Days of a subject, until `until`, on which an active event came, went or was changed, whoever it may belong to.

    Args:
        changed: changed events, old and new form.
        identities: gold.subject_identity as it was, and what came to it.
    """
    active = changed.transform(days.only_active, types).transform(days.only_until, until, zone)
    named = active.where(F.col("member_id").isNotNull()).select(F.col("member_id").alias("subject_id"), "active_on")
    nameless = active.where(F.col("member_id").isNull()).select("visitor_id", "active_on")
    subjects = identity.subjects(nameless, *identities)
    return named.unionByName(nameless.join(subjects, on="visitor_id", how="inner").select(*DAY)).distinct()


def asked(of_events: DataFrame, claims: DataFrame, fresh: DataFrame) -> DataFrame:
    """Subjects that are looked at, and whether they `may_have_moved`: have other days than they had, by events or
    claims. The others only came on a new date.

    Args:
        of_events: see `by_events`.
        claims: see `identity.claims`.
        fresh: rows of the new dates.
    """
    sides = ((of_events, True), (claims, True), (fresh, False))
    each = [rows.select("subject_id", F.lit(said).alias("may_have_moved")) for rows, said in sides]
    subjects = reduce(DataFrame.unionByName, each).groupBy("subject_id")
    return subjects.agg(F.max("may_have_moved").alias("may_have_moved"))


def lasts(held: DataFrame, asked: DataFrame, near: date) -> DataFrame:
    """The last day on which a subject used each channel, of the days from `near` on."""
    lately = held.where(F.col("active_on") >= F.lit(near)).transform(days.only_people)
    theirs = lately.join(asked, on="subject_id", how="left_semi")
    by_channel = theirs.select("subject_id", "is_member", "active_on", F.explode("channels").alias("channel"))
    return by_channel.groupBy("subject_id", "is_member", "channel").agg(F.max("active_on").alias("active_on"))


def others(asked: DataFrame, lasts: DataFrame) -> DataFrame:
    """Those of whom all days are needed: who may have moved, and who has not been there lately."""
    there = lasts.select("subject_id", F.lit(True).alias("was_there")).distinct()
    return asked.join(there, on="subject_id", how="left").where("may_have_moved OR was_there IS NULL")


def seen(held: DataFrame, others: DataFrame) -> DataFrame:
    """All days of theirs. A scan of all subjects and days, but of few columns."""
    return held.select(*DAY, "is_member", "is_robot").join(others, on="subject_id", how="left_semi")


def by_identity(claims: DataFrame, seen: DataFrame) -> DataFrame:
    """Days of a subject that a visitor's events may have left, or may have come to.

    Args:
        seen: all days of the subjects of the claims.
    """
    had = claims.where("had_it").join(seen, on="subject_id", how="inner")
    dates = had.where(F.col("active_on") >= F.col("from_on")).select("visitor_id", "active_on").distinct()
    return dates.join(claims, on="visitor_id", how="inner").select(*DAY).distinct()


def ends(held: DataFrame, asked: DataFrame, lasts: DataFrame, seen: DataFrame, moved: DataFrame) -> DataFrame:
    """The days that matter of those who did not move: the first of all, the last, and the last on each channel. When a
    day comes after them, what any other day adds to the sums stays as it is."""
    by_subject = seen.transform(days.only_people).groupBy("subject_id", "is_member")
    long_ago = by_subject.agg(F.max("active_on").alias("active_on"))
    firsts = held.where("first_seen_on").join(asked, on="subject_id", how="left_semi")
    firsts = firsts.select("subject_id", "is_member", "active_on", "first_seen_on")
    parts = reduce(partial(DataFrame.unionByName, allowMissingColumns=True), (lasts, long_ago, firsts))
    return (
        parts.join(moved, on="subject_id", how="left_anti")
        .groupBy("subject_id", "is_member", "active_on")
        .agg(
            F.collect_set("channel").alias("channels"),
            F.coalesce(F.max("first_seen_on"), F.lit(False)).alias("first_seen_on"),
        )
        .withColumn("is_robot", F.lit(False))
    )


def exchanged(before: DataFrame, again: DataFrame, counted: DataFrame, fresh: DataFrame, ends: DataFrame) -> DataFrame:
    """The rows of `before` with `sign` -1, and with 1 those that stand in their place and those of the new dates.

    Args:
        before: all rows of those who moved.
        again: days of a subject that are computed again.
        counted: what they are now, and perhaps other days.
        fresh: of the new dates.
    """
    firsts = ends.where("first_seen_on").select("subject_id", F.col("active_on").alias("known_first"))
    stays = before.drop("first_seen_on").join(again, on=DAY, how="left_anti")
    rows = stays.unionByName(counted.join(again, on=DAY, how="left_semi")).unionByName(fresh)
    after = rows.join(firsts, on="subject_id", how="left").transform(days.with_first_seen).drop("known_first")
    return before.withColumn("sign", F.lit(-1)).unionByName(after.withColumn("sign", F.lit(1)))


def with_ends(exchanged: DataFrame, ends: DataFrame) -> DataFrame:
    """Adds the days of `ends` to both sides."""
    both = ends.withColumn("sign", F.explode(F.array(F.lit(-1), F.lit(1))))
    return exchanged.unionByName(both, allowMissingColumns=True)


def of_dates(held: DataFrame, dates: Sequence[date], before: DataFrame, exchanged: DataFrame) -> DataFrame:
    """All rows of gold.activity_days on some dates, as they are now.

    Args:
        before: rows of `held` that no longer stand as they are.
    """
    on = F.col("active_on").isin(*dates)
    stays = held.where(on).join(before, on=DAY, how="left_anti")
    return exchanged.where(on & (F.col("sign") == 1)).drop("sign").unionByName(stays)


def differing(exchanged: DataFrame) -> DataFrame:
    """Rows that are not the same on both sides."""
    columns = [name for name in exchanged.columns if name != "sign"]
    return exchanged.groupBy(*columns).agg(F.sum("sign").alias("sign")).where("sign <> 0")


def added(held: DataFrame, more: DataFrame, key: Sequence[str], summed: Sequence[str]) -> DataFrame:
    """Sums by key, with more of them. Whole numbers: what was added can be taken off again, exactly."""
    sums = held.unionByName(more).groupBy(*key).agg(*[F.sum(name).alias(name) for name in summed])
    return sums.where(F.greatest(*[F.abs(name) for name in summed]) > 0)
