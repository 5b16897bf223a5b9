"""Churn rules: from when to when each holds for a member, and what that makes of them as of a day.

A rule holds over *spells*: from `starts_on` to the day before `ends_on`; NULL is a spell that has not ended. Spells of
several rules that touch or overlap make one *stretch* of churn; the day a stretch ends the member is back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake.churn.facts import Facts, in_order
from memberlake.conf import ChurnRule


def spells(rule: ChurnRule, facts: Facts, as_of: date) -> DataFrame:
    """One row a spell of a known member: member_id, starts_on (as_of or before), ends_on.

    - `event`: from the first such event on, for ever.
    - `no_event`, `no_order`: N days after the last one, until the next one. Who never did it counts from the day they
      were known, but not from before the lake has any: absence shows only where presence would have been recorded.
    - `no_response`: k care contacts in a row that nobody answered within d days, from the day the last of them ran
      out, until the member answers a later one.
    """
    if rule.condition == "no_order":
        found = _absences(facts.orders, facts.known, rule.days or 0)
    elif rule.condition == "no_response":
        found = _silences(facts, rule.contacts or 0, rule.days or 0)
    else:
        events = facts.events.where(
            F.col("event_type").isin(*(rule.event_types or ())) & F.col("member_id").isNotNull()
        )
        if rule.condition == "no_event":
            found = _absences(in_order(events.select("member_id", "on")), facts.known, rule.days or 0)
        else:
            found = events.groupBy("member_id").agg(
                F.min("on").alias("starts_on"), F.lit(None).cast("date").alias("ends_on")
            )
    return found.where(F.col("starts_on") <= F.lit(as_of)).join(
        facts.known.select("member_id"), on="member_id", how="left_semi"
    )


def stretches(rules: Sequence[ChurnRule], facts: Facts, as_of: date) -> DataFrame:
    """One row a stretch of churn by the enabled rules: member_id, churned_on, back_on (NULL: not back), rules.

    `rules` are the names of those that hold as of the day, in the order of the configuration.
    """
    enabled = [rule for rule in rules if rule.enabled]
    every = [spells(rule, facts, as_of).withColumn("rule", F.lit(n)) for n, rule in enumerate(enabled)]
    endless, holds = F.lit(date.max), F.col("ends_on") > F.lit(as_of)
    # truths, not a set of names: Spark keeps those in its hash table
    held = [F.when(F.bool_or(holds & (F.col("rule") == n)), rule.name) for n, rule in enumerate(enabled)]
    if not every:
        every = [facts.known.limit(0).selectExpr("member_id", "known_on starts_on", "known_on ends_on", "0 rule")]
    of_member = Window.partitionBy("member_id").orderBy("starts_on", "ends_on", "rule")
    before = of_member.rowsBetween(Window.unboundedPreceding, -1)
    up_to_here = of_member.rowsBetween(Window.unboundedPreceding, 0)
    return (
        reduce(DataFrame.unionByName, every)
        .withColumn("ends_on", F.coalesce("ends_on", endless))
        .withColumn("touches", F.coalesce(F.col("starts_on") <= F.max("ends_on").over(before), F.lit(False)))
        .withColumn("stretch", F.count_if(~F.col("touches")).over(up_to_here))
        .groupBy("member_id", "stretch")
        .agg(
            F.min("starts_on").alias("churned_on"),
            F.nullif(F.max("ends_on"), endless).alias("back_on"),
            F.array_compact(F.array(*held).cast("array<string>")).alias("rules"),
        )
        .drop("stretch")
    )


def status(known: DataFrame, stretches: DataFrame, rules: Sequence[ChurnRule]) -> DataFrame:
    """One row a known member: known_on, is_churned, kind, permanence, rules, churned_on, came_back_on, stretches.

    `came_back_on` is the day the last stretch ended; NULL while churned, and for those who never were. `stretches` are
    all of them by time, from the day on which the member was known: who had left before has not left later.
    """
    every = stretches.groupBy("member_id").agg(
        F.array_sort(F.collect_list(F.struct("churned_on", "back_on", "rules"))).alias("every")
    )
    explicit = [rule.name for rule in rules if rule.kind == "explicit"]
    permanent = [rule.name for rule in rules if rule.permanence == "permanent"]
    no_names = F.array().cast("array<string>")
    last = F.element_at("every", -1)
    held = F.coalesce(last["rules"], no_names)
    churned = F.size(held) > 0
    later = F.filter("every", lambda s: F.coalesce(s["back_on"] > F.col("known_on"), F.lit(True)))
    while_known = F.transform(
        later,
        lambda s: F.struct(F.greatest(s["churned_on"], "known_on").alias("churned_on"), s["back_on"].alias("back_on")),
    )
    return known.join(every, on="member_id", how="left").select(
        "member_id",
        "known_on",
        churned.alias("is_churned"),
        F.when(churned, _either(held, explicit, "explicit", "implicit")).alias("kind"),
        F.when(churned, _either(held, permanent, "permanent", "temporary")).alias("permanence"),
        held.alias("rules"),
        F.when(churned, last["churned_on"]).alias("churned_on"),
        F.when(~churned, last["back_on"]).alias("came_back_on"),
        F.coalesce(while_known, F.array().cast("array<struct<churned_on:date,back_on:date>>")).alias("stretches"),
    )


def _absences(done: DataFrame, known: DataFrame, days: int) -> DataFrame:
    """Args: done: what each member did and when, in the order of `facts.in_order`."""
    of_member = Window.partitionBy("member_id").orderBy("on")
    days_done = done.select("member_id", "on").distinct().withColumn("ends_on", F.lead("on").over(of_member))
    first = done.agg(F.min("on").alias("first_on"))  # one row; NULL where nobody ever did it
    since = known.crossJoin(F.broadcast(first)).where(F.col("first_on").isNotNull())
    since = since.select("member_id", F.greatest("known_on", "first_on").alias("on"))
    first_done = done.groupBy("member_id").agg(F.min("on").alias("ends_on"))
    before_it = since.join(first_done, on="member_id", how="left").where(
        F.col("ends_on").isNull() | (F.col("on") < F.col("ends_on"))  # who did it before they were known: from then on
    )
    starts_on = F.date_add("on", days)
    return (
        days_done.unionByName(before_it)
        .where(F.col("ends_on").isNull() | (F.col("ends_on") > starts_on))
        .select("member_id", starts_on.alias("starts_on"), "ends_on")
    )


def _silences(facts: Facts, contacts: int, days: int) -> DataFrame:
    care = facts.contacts.join(facts.campaigns.where("is_care").select("campaign_id"), "campaign_id", "left_semi")
    within = (F.col("answer_on") >= F.col("on")) & (F.date_diff("answer_on", "on") <= days)
    answers = facts.responses.select("contact_id", F.col("on").alias("answer_on"))
    sent = (
        care.join(answers, on="contact_id", how="left")
        .groupBy("member_id", "sent_at", "contact_id", "on")
        .agg(F.min(F.when(within, F.col("answer_on"))).alias("answered_on"))
    )
    of_member = Window.partitionBy("member_id").orderBy("sent_at", "contact_id")
    up_to_here = of_member.rowsBetween(Window.unboundedPreceding, 0)
    later = of_member.rowsBetween(1, Window.unboundedFollowing)
    of_run = Window.partitionBy("member_id", "run").orderBy("sent_at", "contact_id")
    return (
        sent.withColumn("run", F.count("answered_on").over(up_to_here))
        .withColumn("ends_on", F.min("answered_on").over(later))
        .where(F.col("answered_on").isNull())
        .withColumn("nth", F.row_number().over(of_run))
        .where(F.col("nth") == contacts)
        .withColumn("starts_on", F.date_add("on", days))
        .where(F.col("ends_on").isNull() | (F.col("ends_on") > F.col("starts_on")))
        .select("member_id", "starts_on", "ends_on")
    )


def _either(held: Column, names: Sequence[str], some: str, none: str) -> Column:
    if not names:
        return F.lit(none)
    return F.when(F.arrays_overlap(held, F.array(*map(F.lit, names))), some).otherwise(none)
