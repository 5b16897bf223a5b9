"""Who a visitor was: the subject of an event is a member when one is known by as_of, else the visitor."""

from __future__ import annotations

from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake import calendar

BEGINNING = date(1970, 1, 1)  # no event is older


def stretches(events: DataFrame, zone: str) -> DataFrame:
    """Rows of gold.subject_identity: the stretches of each visitor, from one event that names a member to the next
    that names another. Of two that name members at one instant the greater event_id counts.

    The stretches that begin on or before a day are those that the events until that day give, so one table serves
    every as_of.
    """
    naming = events.where(F.col("member_id").isNotNull())
    of_pairs = naming.groupBy("visitor_id", "member_id").agg(F.min("occurred_at").alias("identified_at"))
    per_visitor = of_pairs.groupBy("visitor_id").agg(
        F.count(F.lit(1)).alias("members"),
        F.min("member_id").alias("member_id"),
        F.min("identified_at").alias("identified_at"),
    )
    columns = ("visitor_id", "identified_at", "member_id")
    of_one = per_visitor.where(F.col("members") == 1).select(*columns)
    shared = per_visitor.where(F.col("members") > 1).select("visitor_id")  # few: only theirs are put in order
    named = (
        naming.join(shared, on="visitor_id", how="left_semi")
        .groupBy("visitor_id", F.col("occurred_at").alias("identified_at"))
        .agg(F.max_by("member_id", "event_id").alias("member_id"))
    )
    earlier = F.lag("member_id").over(Window.partitionBy("visitor_id").orderBy("identified_at"))
    of_several = named.withColumn("earlier", earlier).where(~F.col("member_id").eqNullSafe(F.col("earlier")))
    identified_on = calendar.business_date(F.col("identified_at"), zone)
    return (
        of_one.unionByName(of_several.select(*columns))
        .withColumn("identified_on", identified_on)
        .select("visitor_id", "identified_at", "identified_on", "member_id")
    )


def with_subject(events: DataFrame, identity: DataFrame, as_of: date) -> DataFrame:
    """Adds `subject_id` and `is_member`.

    The member on the event, else the one that the visitor was last identified with at that instant, else the one it was
    first identified with afterwards; only by events until as_of. Else the visitor.
    """
    known = identity.where(F.col("identified_on") <= F.lit(as_of))
    members = known.groupBy("visitor_id").agg(
        F.array_sort(F.collect_list(F.struct("identified_at", "member_id"))).alias("_members")
    )
    nameless = events.where(F.col("member_id").isNull()).join(members, on="visitor_id", how="left")
    named = events.where(F.col("member_id").isNotNull()).withColumn("_member", F.col("member_id"))
    return (
        nameless.withColumn("_member", _at(F.col("_members"), F.col("occurred_at")))
        .drop("_members")
        .unionByName(named)
        .withColumns(
            {"subject_id": F.coalesce("_member", "visitor_id"), "is_member": F.col("_member").isNotNull()},
        )
        .drop("_member")
    )


def renewed(held: DataFrame, changed: DataFrame, events: DataFrame, zone: str) -> tuple[DataFrame, DataFrame]:
    """The visitors whose stretches may be others now, and their stretches.

    Most visitors that come are as they were, or are named for the first time; of those who are only named again by the
    one name they have, the changed events tell all. The events of the rest are read again.

    Args:
        held: gold.subject_identity before the change.
        changed: changed events with their `_change_type`, old and new form.
    """
    told = (
        changed.where(F.col("member_id").isNotNull())
        .groupBy("visitor_id")
        .agg(
            F.bool_and(F.col("_change_type") == "insert").alias("only_new"),
            F.min("member_id").alias("least"),
            F.max("member_id").alias("greatest"),
            F.min("occurred_at").alias("at"),
        )
    )
    known = (
        of_visitors(held, told)
        .groupBy("visitor_id")
        .agg(
            F.count(F.lit(1)).alias("stretches"),
            F.min("member_id").alias("member_id"),
            F.min("identified_at").alias("since"),
        )
    )
    of_one = (F.col("stretches") == 1) & (F.col("least") == F.col("member_id"))
    said_again = F.coalesce(of_one & (F.col("greatest") == F.col("member_id")), F.lit(False))
    visitors = (
        told.join(known, on="visitor_id", how="left")
        .where(~(F.col("only_new") & said_again & (F.col("at") >= F.col("since"))))
        .select("visitor_id", (F.col("only_new") & (F.col("stretches").isNull() | said_again)).alias("is_told"))
    )
    of_told, others = visitors.where("is_told"), visitors.where("NOT is_told")
    as_naming = of_visitors(held, of_told).select(
        "visitor_id", "member_id", F.col("identified_at").alias("occurred_at"), F.lit("").alias("event_id")
    )
    naming = of_visitors(changed, of_told).select(*as_naming.columns).unionByName(as_naming)
    return visitors, stretches(naming, zone).unionByName(stretches(of_visitors(events, others), zone))


def of_visitors(rows: DataFrame, visitors: DataFrame) -> DataFrame:
    """The rows of some visitors."""
    return rows.join(visitors.select("visitor_id").distinct(), on="visitor_id", how="left_semi")


def of_subjects(events: DataFrame, subjects: DataFrame, identity: DataFrame) -> DataFrame:
    """Events that may be of some subjects; all of theirs are among them."""
    members = subjects.select(F.col("subject_id").alias("member_id"))
    visitors = identity.join(members, on="member_id", how="left_semi").select(F.col("visitor_id").alias("who"))
    who = subjects.select(F.col("subject_id").alias("who")).unionByName(visitors).distinct()
    named = events.withColumn("who", F.coalesce("member_id", "visitor_id"))
    return named.join(who, on="who", how="left_semi").drop("who")


def subjects(visitors: DataFrame, *identity: DataFrame) -> DataFrame:
    """Whoever visitors may be by some stretches: themselves, or a member; one row a visitor and subject."""
    themselves = visitors.select("visitor_id", F.col("visitor_id").alias("subject_id"))
    named = [
        of_visitors(each, visitors).select("visitor_id", F.col("member_id").alias("subject_id")) for each in identity
    ]
    return reduce(DataFrame.unionByName, named, themselves).distinct()


def claims(before: DataFrame, after: DataFrame, renewed: DataFrame, until: date, as_of: date) -> DataFrame:
    """Whose days until `until` the days of a visitor may have been as of it, and may be as of `as_of`, where that is not
    the same: one row a visitor and subject, with `from_on`, the first such day, and `had_it`, for whoever had them.

    Args:
        before, after: gold.subject_identity as it was, and as it is now.
        renewed: visitors of whom it changed.
    """
    lately = before.where(F.col("identified_on") > F.lit(until)).select("visitor_id")
    visitors = renewed.select("visitor_id").unionByName(lately)
    was = of_visitors(before, visitors).where(F.col("identified_on") <= F.lit(until))
    now = of_visitors(after, visitors).where(F.col("identified_on") <= F.lit(as_of))
    differ = differing(was, now).where(F.col("from_on") <= F.lit(until))
    held = subjects(differ, was).withColumn("had_it", F.lit(True))
    either = held.unionByName(subjects(differ, now).withColumn("had_it", F.lit(False)))
    claimed = either.groupBy("visitor_id", "subject_id").agg(F.max("had_it").alias("had_it"))
    return claimed.join(differ, on="visitor_id", how="inner")


def differing(before: DataFrame, after: DataFrame) -> DataFrame:
    """The visitors of whom two sets of stretches differ, and `from_on`, the first day that may be another's now."""
    of_visitor = Window.partitionBy("visitor_id").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)

    def lasting(stretches: DataFrame, n: int) -> DataFrame:
        # the first stretch reaches back to the beginning, wherever in it the visitor was named
        is_later = F.col("identified_at") > F.min("identified_at").over(of_visitor)
        return stretches.select(
            "visitor_id",
            "member_id",
            F.when(is_later, F.col("identified_at")).alias("begins_at"),
            F.when(is_later, F.col("identified_on")).otherwise(F.lit(BEGINNING)).alias("from_on"),
            F.lit(n).alias("n"),
        )

    sides = lasting(before, 1).unionByName(lasting(after, -1))
    changed = sides.groupBy("visitor_id", "member_id", "begins_at", "from_on").agg(F.sum("n").alias("n"))
    return changed.where("n <> 0").groupBy("visitor_id").agg(F.min("from_on").alias("from_on"))


def _at(members: Column, instant: Column) -> Column:
    last = F.array_max(F.filter(members, lambda m: m["identified_at"] <= instant))
    return F.coalesce(last["member_id"], F.get(members, F.lit(0))["member_id"])
