"""Who a visitor was: the subject of an event is a member when one is known by as_of, else the visitor."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake import calendar


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

    Most visitors that come are as they were, or are named for the first time; the events of the rest are read again.

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
    known = held.groupBy("visitor_id").agg(
        F.count(F.lit(1)).alias("stretches"),
        F.min("member_id").alias("member_id"),
        F.min("identified_at").alias("since"),
    )
    said_again = (F.col("least") == F.col("member_id")) & (F.col("greatest") == F.col("member_id"))
    as_it_was = F.col("only_new") & (F.col("stretches") == 1) & said_again & (F.col("at") >= F.col("since"))
    is_first = F.col("only_new") & F.col("stretches").isNull()
    visitors = (
        told.join(known, on="visitor_id", how="left")
        .where(~F.coalesce(as_it_was, F.lit(False)))
        .select("visitor_id", is_first.alias("is_first"))
    )
    named_first = changed.join(visitors.where("is_first"), on="visitor_id", how="left_semi")
    others = events.join(visitors.where("NOT is_first"), on="visitor_id", how="left_semi")
    return visitors, stretches(named_first, zone).unionByName(stretches(others, zone))


def differing(before: DataFrame, after: DataFrame) -> DataFrame:
    """Where two sets of stretches differ: the subjects whose active days may belong to others now, and `from_on`, the
    day from which on; NULL when all their days may.

    One row a (visitor, subject): the visitor itself, and each member that it was before.
    """
    sides = before.withColumn("n", F.lit(1)).unionByName(after.withColumn("n", F.lit(-1)))
    columns = ("visitor_id", "identified_at", "identified_on", "member_id")
    balance = sides.groupBy(*columns).agg(F.sum("n").alias("n"))
    per_visitor = balance.groupBy("visitor_id").agg(
        F.min("identified_on").alias("first_on"),
        F.min(F.when(F.col("n") != 0, F.col("identified_on"))).alias("differs_on"),
        F.array_append(F.collect_set(F.when(F.col("n") >= 0, F.col("member_id"))), F.col("visitor_id")).alias(
            "subjects"
        ),
    )
    # what comes before the first stretch belongs to it, so a change of the first reaches back to the beginning
    from_on = F.when(F.col("differs_on") > F.col("first_on"), F.col("differs_on"))
    return per_visitor.where(F.col("differs_on").isNotNull()).select(
        F.explode("subjects").alias("subject_id"), from_on.alias("from_on")
    )


def _at(members: Column, instant: Column) -> Column:
    last = F.array_max(F.filter(members, lambda m: m["identified_at"] <= instant))
    return F.coalesce(last["member_id"], F.get(members, F.lit(0))["member_id"])
