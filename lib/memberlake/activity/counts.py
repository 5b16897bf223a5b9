"""How many were active: calendar days, weeks, months and rolling windows of all dates, in one pass.

What a day adds to any window depends only on when the subject was there before and after. So days that agree in that
are counted together (`bits`): a table of days by days since the day before, however many subjects and windows there
are. A rolling window of w days is a running sum over dates: an active day opens it for its subject, unless it is still
open, and w days later it ends.

What begins and ends on a date is a sum over subjects (`changes`): where the days of some became others, their old part
is taken off and the new one added, and nobody else is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.activity import bits
from memberlake.activity.days import UNKNOWN, by_subject, sign

GRAINS = ("day", "week", "month")
SUMMED = bits.COUNTED
LIFECYCLE = SUMMED[1:]
STICKY = 30  # days: stickiness is the active of a day over those of this many
_VALUE = ["window", "dimension", "dimension_value"]
KEY = (*_VALUE, "due_on")


def range_start(since: date, windows: Sequence[int]) -> date:
    """The first day that counts of `since` and later depend on: the previous month's, or that of the widest window.

    To what begins and ends by days of `since` and later, a day before it adds the same as no day.
    """
    month_before = (since.replace(day=1) - timedelta(days=1)).replace(day=1)
    return min(month_before, since - timedelta(days=max([STICKY, *windows, 14])))


def with_member_columns(days: DataFrame, members: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Adds columns of silver.members, as known today; `unknown` where there is no value, or no member.

    `tier` is the attribute of that name.
    """
    if not columns:
        return days
    values = {c: F.col("attributes")["tier"] if c == "tier" else F.col(c).cast("string") for c in columns}
    wanted = members.select(F.col("member_id").alias("subject_id"), *[v.alias(c) for c, v in values.items()])
    joined = days.join(wanted.withColumn("_there", F.lit(True)), on="subject_id", how="left")
    said = {c: F.when(F.col("is_member"), F.col(c)) for c in columns}
    return joined.drop("_there").withColumns({c: F.coalesce(v, F.lit(UNKNOWN)) for c, v in said.items()})


def starts(counts: DataFrame) -> DataFrame:
    """The first day of each value of a dimension, by rows of gold.active_counts."""
    of_days = counts.where(F.col("window") == "day").groupBy("dimension", "dimension_value")
    return of_days.agg(F.min("period_start").alias("first_on"))


def per_window(changes: DataFrame, windows: Sequence[int], as_of: date) -> DataFrame:
    """Rows of gold.active_counts, but for `registered`, of the changes by all days until as_of.

    There is a row for every period from a value's first day to as_of, also where nobody was active.
    """
    firsts = changes.where((F.col("window") == "day") & (F.col("active") > 0)).select(
        "dimension", "dimension_value", F.col("due_on").alias("first_on")
    )
    all_periods = spine(firsts, sorted({STICKY, *windows}), None, as_of)
    so_far = Window.partitionBy(*_VALUE).orderBy("due_on").rowsBetween(Window.unboundedPreceding, 0)
    is_rolling = F.col("width").isNotNull()
    counted = (
        changes.where(F.col("due_on") <= F.lit(as_of))
        .unionByName(all_periods, allowMissingColumns=True)
        .groupBy(*KEY)
        .agg(F.max("width").alias("width"), *[F.coalesce(F.sum(name), F.lit(0)).alias(name) for name in SUMMED])
        .withColumn("active", F.when(is_rolling, F.sum("active").over(so_far)).otherwise(F.col("active")))
        .withColumns({name: F.when(~is_rolling, F.col(name)) for name in LIFECYCLE})
    )
    return as_rows(counted, windows, as_of)


def as_rows(counted: DataFrame, windows: Sequence[int], as_of: date) -> DataFrame:
    """Counts by window, dimension, value, `due_on` and width, as rows of gold.active_counts but for `registered`."""
    of_date = Window.partitionBy("dimension", "dimension_value", "period_end").rowsBetween(
        Window.unboundedPreceding, Window.unboundedFollowing
    )
    active_30 = F.max(F.when(F.col("width") == STICKY, F.col("active"))).over(of_date)
    laid_out = (
        counted.withColumn("period_start", F.coalesce(F.date_add("due_on", 1 - F.col("width")), F.col("due_on")))
        .withColumn("period_end", calendar.period_end(F.col("window"), F.col("due_on")))  # a rolling one ends as due
        .withColumn("active_30", F.when(F.col("window") == "day", active_30))
    )
    wanted = [*GRAINS, *[f"rolling_{w}" for w in windows]]
    return laid_out.where(F.col("window").isin(*wanted)).select(
        "window", "period_start", "period_end", "dimension", "dimension_value", *SUMMED,
        (F.col("period_end") <= F.lit(as_of)).alias("is_complete"),
        "active_30",
        F.try_divide("active", "active_30").alias("stickiness"),
        F.lit(None).cast("double").alias("relative_error"),
    )  # fmt: skip


def with_registered(counts: DataFrame, members: DataFrame, windows: Sequence[int], as_of: date, zone: str) -> DataFrame:
    """Adds `registered` and `activity_rate` to the rows of kind member; the others have NULL."""
    names = [*GRAINS, *[f"rolling_{w}" for w in windows]]
    at = F.least("period_end", F.lit(as_of))
    is_kind = (F.col("dimension") == "kind") & (F.col("dimension_value") == "member")
    registrations = (
        members.groupBy(calendar.business_date(F.col("registered_at"), zone).alias("at"))
        .agg(F.count(F.lit(1)).alias("n"))
        .select("at", "n", F.explode(F.array(*map(F.lit, names))).alias("window"))
    )
    until = Window.partitionBy("window").orderBy("at").rangeBetween(Window.unboundedPreceding, Window.currentRow)
    of_members = (
        counts.where(is_kind)
        .withColumn("at", at)
        .unionByName(registrations, allowMissingColumns=True)
        .withColumn("registered", F.coalesce(F.sum("n").over(until), F.lit(0)))
        .where(F.col("active").isNotNull())
        .withColumn("activity_rate", F.try_divide("active", "registered"))
        .drop("at", "n")
    )
    return of_members.unionByName(counts.where(~is_kind), allowMissingColumns=True)


def broken(counts: DataFrame) -> DataFrame:
    """Rows against the invariant: active = active of the period before - dormant + new + resurrected.

    All of these are counted, none is derived from the others, so that the check can fail.
    """
    ordered = Window.partitionBy(*_VALUE).orderBy("period_start")
    before = F.coalesce(F.lag("active").over(ordered), F.lit(0))
    balance = before - F.col("dormant") + F.col("new") + F.col("resurrected")
    return counts.where(F.col("new").isNotNull()).withColumn("balance", balance).where("active <> balance")


def value(dimension: str, of: Column) -> Column:
    return F.struct(F.lit(dimension).alias("dimension"), of.alias("dimension_value"))


def of_subject(dimensions: Sequence[str]) -> Column:
    """The values of a subject in all dimensions but `channel`, an array."""
    return F.array(*[value(d, of) for d, of in _values(dimensions).items()])


def _values(dimensions: Sequence[str]) -> dict[str, Column]:
    kind = F.when(F.col("is_member"), "member").otherwise("anonymous")
    said = {"all": F.lit("all"), "kind": kind}
    return {d: said.get(d, F.col(d)) for d in dimensions if d != "channel"}


def changes(days: DataFrame, windows: Sequence[int], dimensions: Sequence[str], is_together: bool = False) -> DataFrame:
    """Rows of gold.activity_changes: what some days of some subjects add to them.

    Runs a query: the first and the last of the days, and their number, shape the plan.

    Args:
        days: gold.activity_days until as_of and without robots, with a column for each dimension that is one of
            members, and `sign`: 1, or -1 to take off what the row once added.
        is_together: the days of a subject lie together as by `days.by_subject`.
    """
    ends = [F.coalesce(end("active_on"), F.lit(date(1970, 1, 1))) for end in (F.min, F.max)]  # of no days: any
    first, last, count = days.agg(*ends, F.count(F.lit(1))).collect()[0]  # one row
    days = days if is_together else by_subject(days, count)
    values = _values(dimensions)
    if is_parted := "channel" in dimensions:  # a row a subject, where `used` is NULL, and one for each of its channels
        nothing = F.array(F.lit(None).cast("string"))
        days = days.withColumn("used", F.explode(F.concat(nothing, "channels")))
        values = {**{d: F.when(F.col("used").isNull(), of) for d, of in values.items()}, "channel": F.col("used")}
    narrow = days.select(
        "subject_id", "active_on", "first_seen_on", sign(days).alias("sign"), *[of.alias(d) for d, of in values.items()]
    )
    counted = bits.changes(narrow, [*values], sorted({STICKY, *windows}), first, last, is_parted)
    return counted.groupBy(*KEY).agg(*[F.sum(name).alias(name) for name in SUMMED])


def spine(known: DataFrame, widths: Sequence[int], begin: date | None, as_of: date) -> DataFrame:
    """Every period of every value: window, width of a rolling one, dimension, dimension_value, on."""
    first = F.min("first_on")
    values = known.groupBy("dimension", "dimension_value").agg(
        (F.greatest(first, F.lit(begin)) if begin else first).alias("first_on")
    )

    def periods(window: str, grain: str, width: int | None = None) -> Column:
        step = F.expr({"day": "INTERVAL 1 DAY", "week": "INTERVAL 7 DAY", "month": "INTERVAL 1 MONTH"}[grain])
        starts = F.sequence(period(grain, "first_on"), period(grain, F.lit(as_of)), step)
        return F.struct(F.lit(window).alias("window"), F.lit(width).cast("int").alias("width"), starts.alias("starts"))

    windows = F.array(*[periods(g, g) for g in GRAINS], *[periods(f"rolling_{w}", "day", w) for w in widths])
    return values.select("dimension", "dimension_value", F.explode(windows).alias("of")).select(
        "of.window", "of.width", "dimension", "dimension_value", F.explode("of.starts").alias("due_on")
    )


def period(grain: str, day: str | Column) -> Column:
    """First day of the period that holds a day; weeks start on Monday."""
    return F.trunc(day, grain) if grain != "day" else F.col(day) if isinstance(day, str) else day
