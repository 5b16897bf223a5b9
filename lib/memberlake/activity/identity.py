"""Who a visitor was: the subject of an event is a member when one is known by as_of, else the visitor."""

from __future__ import annotations

from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.conf import Conf

BEGINNING = date(1970, 1, 1)  # no event is older


def rules(conf: Conf) -> object:
    """The settings by which the job `activity` reads events: see `Lake.since_last`."""
    return conf.activity, conf.business_timezone


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
    # asked for all columns on both sides, which are never NULL: else Spark would count the pairs twice
    whole = per_visitor.where(F.col("member_id").isNotNull() & F.col("identified_at").isNotNull())
    of_one = whole.where(F.col("members") == 1).select(*columns)
    shared = whole.where(F.col("members") > 1).select("visitor_id")  # few: only theirs are put in order
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
    nameless = events.where(F.col("member_id").isNull()).join(per_visitor(known), on="visitor_id", how="left")
    named = events.where(F.col("member_id").isNotNull()).withColumn("_member", F.col("member_id"))
    return (
        nameless.withColumn("_member", stretch_at("occurred_at")["member_id"])
        .drop("stretches")
        .unionByName(named)
        .withColumns({"subject_id": F.coalesce("_member", "visitor_id"), "is_member": F.col("_member").isNotNull()})
        .drop("_member")
    )


def per_visitor(identity: DataFrame) -> DataFrame:
    """One row a visitor, with its `stretches` by time: identified_at, identified_on, member_id."""
    stretch = F.struct("identified_at", "identified_on", "member_id")
    return identity.groupBy("visitor_id").agg(F.array_sort(F.collect_list(stretch)).alias("stretches"))


def stretch_at(instant: str) -> Column:
    """The one of a visitor's `stretches` that a nameless event at this instant belongs to: the last that had begun,
    else the first."""
    first = F.get("stretches", F.lit(0))
    last = F.array_max(F.filter("stretches", lambda stretch: stretch["identified_at"] <= F.col(instant)))
    return F.when(F.size("stretches") == 1, first).otherwise(F.coalesce(last, first))  # mostly one; a lambda is slow


def renewed(held: DataFrame, changed: DataFrame) -> DataFrame:
    """The visitors whose stretches may be others now, and whether the changed events alone give them (`is_given`).

    Most visitors that come are as they were. Of those who are named for the first time, or again by the one name they
    have, the changed events give all.

    Args:
        held: gold.subject_identity before the change.
        changed: changed events with their `_change_type`, old and new form.
    """
    named = (
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
        of_visitors(held, named)
        .groupBy("visitor_id")
        .agg(
            F.count(F.lit(1)).alias("stretches"),
            F.min("member_id").alias("member_id"),
            F.min("identified_at").alias("since"),
        )
    )
    of_one = (F.col("stretches") == 1) & (F.col("least") == F.col("member_id"))
    said_again = F.coalesce(of_one & (F.col("greatest") == F.col("member_id")), F.lit(False))
    return (
        named.join(known, on="visitor_id", how="left")
        .where(~(F.col("only_new") & said_again & (F.col("at") >= F.col("since"))))
        .select("visitor_id", (F.col("only_new") & (F.col("stretches").isNull() | said_again)).alias("is_given"))
    )


def renewal(renewed: DataFrame, held: DataFrame, changed: DataFrame, events: DataFrame, zone: str) -> DataFrame:
    """The stretches of the visitors that `renewed` found. Those that are not given keep what began before anything
    changed; from there on their events are read.

    Runs a query: with the first of the changes as a literal the read of the events skips files.
    """
    given, others = renewed.where("is_given"), renewed.where("NOT is_given")
    first = of_visitors(changed, others).agg(F.min("occurred_at")).collect()[0][0]  # one row; NULL without others
    since = F.lit(first and calendar.utc(first)).cast("timestamp")
    before = of_visitors(held, given).unionByName(of_visitors(held, others).where(F.col("identified_at") < since))
    naming = before.select(
        "visitor_id", "member_id", F.col("identified_at").alias("occurred_at"), F.lit("").alias("event_id")
    )
    for rows, whose in ((changed, given), (events.where(F.col("occurred_at") >= since), others)):
        naming = naming.unionByName(of_visitors(rows, whose).select(*naming.columns))
    return stretches(naming, zone)


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


def subjects(visitors: DataFrame, *identities: DataFrame) -> DataFrame:
    """Whoever visitors may be by some stretches: themselves, or a member; a row a visitor and subject, or several."""
    themselves = visitors.select("visitor_id", F.col("visitor_id").alias("subject_id"))
    named = [of_visitors(each, visitors).withColumnRenamed("member_id", "subject_id") for each in identities]
    return reduce(DataFrame.unionByName, [each.select("visitor_id", "subject_id") for each in named], themselves)


def claims(before: DataFrame, after: DataFrame, renewed: DataFrame, until: date, as_of: date) -> DataFrame:
    """Who may have had the days of a visitor until `until` as of then, and who as of `as_of`, where that differs: a row
    a visitor and subject, with `from_on`, the first such day, and `had_it`, for whoever had them.

    Args:
        before, after: gold.subject_identity as it was, and as it is now.
        renewed: visitors of whom it changed.
    """
    lately = before.where(F.col("identified_on") > F.lit(until)).select("visitor_id")
    visitors = renewed.select("visitor_id").unionByName(lately).distinct()
    sides = [
        of_visitors(stretches, visitors)
        .where(F.col("identified_on") <= F.lit(day))
        .select("visitor_id", F.struct("identified_at", "identified_on", "member_id").alias(side))
        for stretches, day, side in ((before, until, "was"), (after, as_of, "now"))
    ]
    both = sides[0].unionByName(sides[1], allowMissingColumns=True).groupBy("visitor_id")
    lists = both.agg(*[F.array_sort(F.collect_list(side)).alias(side) for side in ("was", "now")])
    was, now = _lasting(F.col("was")), _lasting(F.col("now"))
    differing = F.array_union(F.array_except(was, now), F.array_except(now, was))
    had = F.array_append(F.col("was.member_id"), F.col("visitor_id"))
    subject = F.explode(F.array_union(had, F.col("now.member_id"))).alias("subject_id")
    from_on = F.array_min(F.transform(differing, lambda each: each["from_on"])).alias("from_on")
    found = lists.select("visitor_id", subject, from_on, had.alias("had")).where(F.col("from_on") <= F.lit(until))
    return found.withColumn("had_it", F.array_contains("had", F.col("subject_id"))).drop("had")


def _lasting(stretches: Column) -> Column:
    """The stretches of a visitor. The first reaches back to the beginning, wherever in it the visitor was named."""

    def lasting(stretch: Column, n: Column) -> Column:
        return F.struct(
            F.when(n > 0, stretch["identified_at"]).alias("begins_at"),
            F.when(n > 0, stretch["identified_on"]).otherwise(F.lit(BEGINNING)).alias("from_on"),
            stretch["member_id"].alias("member_id"),
        )

    return F.transform(stretches, lasting)
