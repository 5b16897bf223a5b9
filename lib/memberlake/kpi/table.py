"""Rows of gold.kpi: metrics of sums, and metrics of stored metrics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.conf.kpi import KpiConf
from memberlake.kpi import periods
from memberlake.kpi.attribution import METHODS
from memberlake.kpi.cells import CELL, SPAN, union
from memberlake.kpi.metrics import CHANGES, METRICS, TRENDS, WAITS, Metric
from memberlake.kpi.periods import PERIODS

_DECLARED = "metric string, of string, of_is_known boolean, by string, by_is_known boolean, dimensions array<string>"
_PERIOD = ("period", "period_start")
_ROW = (*_PERIOD, *CELL)  # the key of gold.kpi but for the metric
_CHANGING = {"revenue": "all", "member_revenue": "r", "member_orders": "o", "ordering_members": "m"}
_NEEDED = (
    *_CHANGING,
    *("registered_members", "visits", "orders", "marketing_revenue", "unattributed_revenue"),
    *("new_purchasing_members", "churned_members", "returned_members", "churn_rate", "churned_share"),
)


def rows(
    sums: Sequence[DataFrame],
    spans: DataFrame,
    names: Sequence[str],
    known: Collection[str],
    one: DataFrame,
    conf: KpiConf,
    as_of: date,
) -> DataFrame:
    """Metrics of sums by span.

    Args:
        sums: each measure is in one of the frames.
        spans: those before a running period only where the period itself is counted.
        names: of the metrics.
        known: measures that are 0 where no row says otherwise; any other is unknown there, and the metric absent.
        one: a frame of one row.
    """
    metrics = [METRICS[name] for name in names]
    used = {measure for metric in metrics for measure in metric.measures}
    if missing := sorted((used & {*known}).difference(*[part.columns for part in sums])):
        raise ValueError(f"no frame has the measure {', '.join(missing)}")  # else it would be 0 in every period
    declared = periods.literal(one, [_declared(metric, {*known}, conf) for metric in metrics], _DECLARED)
    numerator = F.coalesce(F.col("amounts")[F.col("of")], F.when(F.col("of_is_known"), 0.0))
    denominator = F.coalesce(F.col("amounts")[F.col("by")], F.when(F.col("by_is_known"), 0.0))
    ratio = F.try_divide("numerator", "denominator")
    return (
        _amounts(sums, spans, used)
        .join(F.broadcast(declared), on=F.array_contains("dimensions", F.col("dimension")), how="inner")
        .withColumn("numerator", numerator)
        .withColumn("denominator", denominator)
        .where(F.col("numerator").isNotNull() & (F.col("denominator").isNotNull() | F.col("by").isNull()))
        .where((F.col("dimension") == "all") | (F.col("numerator") != 0) | (F.coalesce("denominator", F.lit(0.0)) != 0))
        .withColumn("value", F.when(F.col("by").isNull(), F.col("numerator")).otherwise(ratio))
        .transform(_with_same_days_before, spans)
        .transform(with_completeness, as_of)
    )


def _amounts(sums: Sequence[DataFrame], spans: DataFrame, used: Collection[str]) -> DataFrame:
    """One row a span and cell, and one over all for each span: the `amounts` of the measures used, by name.

    A map, for a column each, in every frame, makes plans that take longer to make than to run.
    """
    nothing = (F.lit("all").alias("dimension"), F.lit("all").alias("dimension_value"), F.lit("").alias("measure"))
    cells = [spans.select(*SPAN, *nothing, F.lit(0.0).alias("amount"))]
    for part in sums:
        pairs = [column for m in part.columns if m in used for column in (F.lit(m), F.col(m).cast("double"))]
        cells.append(part.select(*SPAN, *CELL, F.explode(F.create_map(*pairs)).alias("measure", "amount")))
    amounts = F.map_from_entries(F.collect_list(F.struct("measure", "amount")))
    return union(*cells).where("amount IS NOT NULL").groupBy(*SPAN, *CELL).agg(amounts.alias("amounts"))


def _with_same_days_before(found: DataFrame, spans: DataFrame) -> DataFrame:
    """One row a period, metric and cell: a running period's with the value of the same days before."""
    now, before = ~F.col("is_before"), F.col("is_before")
    looked_at = spans.where("is_before").select("period", "period_start", F.lit(0.0).alias("none_before"))
    is_gone = (F.col("dimension") != "all") & F.col("same_days_before").isNotNull()  # a value that had something then
    count = F.when(~F.col("is_ratio"), F.col("none_before"))  # 0 where a value had no row in the days before
    return (
        found.groupBy("period", "period_start", "metric", *CELL)
        .agg(
            *[F.max(F.when(now, F.col(c))).alias(c) for c in ("numerator", "denominator", "value")],
            F.max(F.when(before, F.col("value"))).alias("same_days_before"),
            F.bool_and(F.col("by").isNotNull()).alias("is_ratio"),
        )
        .where(F.col("numerator").isNotNull() | is_gone)
        .withColumn("numerator", F.coalesce("numerator", F.lit(0.0)))
        .withColumn("denominator", F.coalesce("denominator", F.when(F.col("is_ratio"), 0.0)))
        .withColumn("value", F.when(F.col("is_ratio"), F.col("value")).otherwise(F.col("numerator")))
        .join(F.broadcast(looked_at), on=[*_PERIOD], how="left")
        .withColumn("same_days_before", F.coalesce("same_days_before", count))
        .drop("is_ratio", "none_before")
    )


def _declared(metric: Metric, known: set[str], conf: KpiConf) -> dict[str, object]:
    return {
        "metric": metric.name,
        "of": metric.numerator,
        "of_is_known": metric.numerator in known,
        "by": metric.denominator,
        "by_is_known": metric.denominator in known,
        "dimensions": conf.dimensions_of(metric),
    }


def final_on() -> Column:
    """The day from which on a row of gold.kpi is final: its period's last, of a cohort the last of its time to buy."""
    wait = F.lit(0)
    for metric, days in WAITS.items():
        wait = F.when(F.col("metric") == metric, days).otherwise(wait)
    return F.date_add(calendar.period_end(F.col("period"), F.col("period_start")), wait)


def with_completeness(frame: DataFrame, as_of: date) -> DataFrame:
    """Adds is_complete and as_of, the last day that the row has seen."""
    final = final_on()
    return frame.withColumn("is_complete", final <= F.lit(as_of)).withColumn("as_of", F.least(final, F.lit(as_of)))


def only_needed(stored: DataFrame, as_of: date) -> DataFrame:
    """The rows up to as_of that other metrics are made of."""
    return stored.where(F.col("metric").isin(*_NEEDED) & (F.col("period_start") <= F.lit(as_of)))


def derived(
    stored: DataFrame,
    active: DataFrame,
    conf: KpiConf,
    as_of: date,
    keep: Callable[[DataFrame], DataFrame] = lambda frame: frame,
    active_before: DataFrame | None = None,
) -> DataFrame:
    """Metrics of stored metrics and of gold.active_counts, of every period up to as_of.

    Args:
        stored: of `only_needed`.
        keep: computes a frame once for all its uses.
        active_before: of `facts.actives`, on the same days before; where it is not given they have none.
    """
    parts = (_activity(stored, active, as_of, active_before), _per_visit(stored), _attributed(stored), _moved(stored))
    found = union(*parts).transform(with_completeness, as_of).transform(keep)
    trends = _trends(union(stored, found), conf.trend_periods)
    more = union(trends, _changes(stored)).transform(with_completeness, as_of)
    return union(found, more)


def _measured(
    metric: Column | str, numerator: Column, denominator: Column | None = None, same_days_before: Column | None = None
) -> list[Column]:
    name = F.lit(metric) if isinstance(metric, str) else metric
    none = F.lit(None).cast("double")
    under = none if denominator is None else denominator.cast("double")
    over = numerator.cast("double")
    value = over if denominator is None else F.try_divide(over, under)
    before = none if same_days_before is None else same_days_before
    named = {"metric": name, "numerator": over, "denominator": under, "value": value, "same_days_before": before}
    return [column.alias(name) for name, column in named.items()]


def _of(stored: DataFrame, metric: str, *columns: Column) -> DataFrame:
    return stored.where(F.col("metric") == metric).select(*_ROW, *columns)


def of_metric(metric: str, column: str) -> Column:
    """Of a group: what the row of the metric has in the column."""
    return F.max(F.when(F.col("metric") == metric, F.col(column)))


def _activity(stored: DataFrame, active: DataFrame, as_of: date, before: DataFrame | None) -> DataFrame:
    """Who was there, of the registered members, and of a month's users. A running period that was counted as of a later
    day is left out."""
    counted = active.crossJoin(active.agg(F.max("period_start").alias("newest_day")))
    is_whole, is_current = F.col("period_end") <= F.lit(as_of), F.col("newest_day") <= F.lit(as_of)
    seen = counted.where(is_whole | ((F.col("period_start") <= F.lit(as_of)) & is_current))
    by_period = seen.where(F.col("window").isin(*PERIODS)).withColumnRenamed("window", "period")
    by_period = by_period.transform(_with_before, before)
    members = by_period.where("dimension = 'kind' AND dimension_value = 'member'")
    registered = _of(
        stored,
        "registered_members",
        F.col("numerator").alias("registered_by_then"),
        F.col("same_days_before").alias("registered_before"),
    )
    rated = registered.where("dimension = 'all'").join(
        members.select(*_PERIOD, "active", "active_before"), on=[*_PERIOD], how="inner"
    )
    rate_before = F.try_divide("active_before", "registered_before")
    days = by_period.where("period = 'day' AND dimension = 'all' AND active_30 IS NOT NULL")
    return union(
        by_period.select(*_ROW, *_measured("active_subjects", F.col("active"), None, F.col("active_before"))),
        rated.select(*_ROW, *_measured("activity_rate", F.col("active"), F.col("registered_by_then"), rate_before)),
        days.select(*_ROW, *_measured("stickiness", F.col("active"), F.col("active_30"))),
    )


def _with_before(actives: DataFrame, before: DataFrame | None) -> DataFrame:
    """Adds `active_before` to the running periods: 0 where a channel or kind had nobody; other dimensions have none."""
    if before is None:
        return actives.withColumn("active_before", F.lit(None).cast("double"))
    was = before.select(*_ROW, F.col("active").cast("double").alias("was"))
    looked_at = was.where("dimension = 'all'").select(*_PERIOD, F.lit(0.0).alias("nobody"))
    nobody = F.when(F.col("dimension").isin("channel", "kind"), F.col("nobody"))
    joined = actives.join(F.broadcast(was), on=[*_ROW], how="left")
    joined = joined.join(F.broadcast(looked_at), on=[*_PERIOD], how="left")
    return joined.withColumn("active_before", F.coalesce("was", nobody)).drop("was", "nobody")


def _per_visit(stored: DataFrame) -> DataFrame:
    """Lifetime conversion: orders and visits so far are running sums of few rows, one a day."""
    so_far = Window.partitionBy("dimension").orderBy("period_start").rowsBetween(Window.unboundedPreceding, 0)
    whole = stored.where("dimension = 'all'")
    of_day = [of_metric(m, "numerator").alias(m) for m in ("orders", "visits")]
    days = (
        whole.where("period = 'day'")
        .groupBy("dimension", "period_start")
        .agg(*of_day)
        .where("orders IS NOT NULL AND visits IS NOT NULL")
        .select(F.col("period_start").alias("as_of"), *[F.sum(m).over(so_far).alias(m) for m in ("orders", "visits")])
    )
    before = days.select(F.col("as_of").alias("same_on"), F.try_divide("orders", "visits").alias("same"))
    begun = F.when(F.col("period") == "week", F.date_sub("period_start", 7)).otherwise(F.add_months("period_start", -1))
    same = F.least(F.date_add(begun, F.date_diff("as_of", "period_start")), F.date_sub("period_start", 1))
    return (
        whole.where("metric = 'visits'")
        .select(*_ROW, "as_of", F.when(~F.col("is_complete"), same).alias("same_on"))
        .join(days, on="as_of", how="inner")
        .join(before, on="same_on", how="left")
        .select(*_ROW, *_measured("orders_per_visit", F.col("orders"), F.col("visits"), F.col("same")))
    )


def _attributed(stored: DataFrame) -> DataFrame:
    """What each method has of all revenue, and the rest; a method without a row had nothing. Of no revenue, then and on
    the same days before, there are no parts."""
    cells = [F.struct(F.lit("method").alias(CELL[0]), F.lit(method).alias(CELL[1])) for method in METHODS]
    cells.append(F.struct(F.lit("all").alias(CELL[0]), F.lit("all").alias(CELL[1])))
    total = (
        _of(stored, "revenue", F.col("numerator").alias("total"), F.col("same_days_before").alias("total_before"))
        .where("dimension = 'all'")
        .drop(*CELL)
        .select("*", F.inline(F.array(*cells)))
        .where("dimension = 'all' OR total <> 0 OR total_before <> 0")
    )
    shown = stored.where("metric = 'marketing_revenue' AND dimension IN ('all', 'method')")
    rest = stored.where("metric = 'unattributed_revenue' AND dimension = 'all'").withColumns(
        {"dimension": F.lit("method"), "dimension_value": F.lit("none")}
    )
    parts = shown.unionByName(rest).select(*_ROW, "numerator", "same_days_before")
    nothing = F.lit(0.0)
    before = F.try_divide(F.coalesce("same_days_before", nothing), "total_before")
    measured = _measured("attributed_share", F.coalesce("numerator", nothing), F.col("total"), before)
    return total.join(parts, on=[*_ROW], how="left").select(*_ROW, *measured)


def _moved(stored: DataFrame) -> DataFrame:
    """New buyers for each newly churned member. A cell without a row of one of them had none of it, also in the same
    days before."""

    def of(metric: str, name: str) -> DataFrame:
        return _of(stored, metric, F.col("numerator").alias(name), F.col("same_days_before").alias(f"{name}_before"))

    churned = of("churned_members", "churned").where(~F.col("dimension").isin("kind", "permanence"))
    new = of("new_purchasing_members", "new")
    # the periods with a row of both over all: without a snapshot or without orders the ratio is not known
    known = churned.where("dimension = 'all'").join(new.where("dimension = 'all'"), on=[*_PERIOD], how="left_semi")
    both = churned.join(new, on=[*_ROW], how="full").join(known, on=[*_PERIOD], how="left_semi")
    filled = both.na.fill(0.0, ["new", "churned", "new_before", "churned_before"])
    is_told = "dimension = 'all' OR new <> 0 OR churned <> 0 OR churned_before <> 0"  # else 0 of 0, then too
    filled = filled.where(is_told)
    before = F.try_divide("new_before", "churned_before")
    return filled.select(*_ROW, *_measured("movement_ratio", F.col("new"), F.col("churned"), before))


def _trends(stored: DataFrame, count: int) -> DataFrame:
    """Least-squares slopes over complete periods; one that has no value is passed over, and keeps its place."""
    number = (
        F.when(F.col("period") == "month", F.year("period_start") * 12 + F.month("period_start"))
        .when(F.col("period") == "week", F.floor(F.date_diff("period_start", F.lit(date(1970, 1, 5))) / 7))
        .otherwise(F.date_diff("period_start", F.lit(date(1970, 1, 1))))
    )
    last = Window.partitionBy("period", "metric", *CELL).orderBy("number").rangeBetween(-(count - 1), Window.currentRow)
    of = F.col("metric").isin(*TRENDS.values()) & F.col("is_complete") & (F.col("dimension") == "all")
    slopes = (
        stored.where(of)
        .withColumn("number", number.cast("long"))
        .withColumn("slope", F.regr_slope("value", F.col("number").cast("double")).over(last))
    )
    measured = _measured(F.concat("metric", F.lit("_trend")), F.col("slope"))
    return slopes.where("slope IS NOT NULL").select(*_ROW, *measured)


def _changes(stored: DataFrame) -> DataFrame:
    """The change of revenue and its exact parts: members x orders per member x order value, each factor's part the mean
    over the orders in which the factors may be changed (Shapley), so that none is favoured; and what guests changed.

    Without members' orders on one of the two sides all of the members' change is owed to their number.
    """
    letters = [*_CHANGING.values()]
    wide = (
        stored.where(F.col("metric").isin(*_CHANGING) & (F.col("dimension") == "all"))
        .groupBy(*_ROW)
        .agg(
            *[of_metric(metric, "value").alias(letter) for metric, letter in _CHANGING.items()],
            *[of_metric(metric, "same_days_before").alias(f"{letter}_same") for metric, letter in _CHANGING.items()],
            F.max("is_complete").alias("is_complete"),
        )
    )
    following = F.date_add(calendar.period_end(F.col("period"), F.col("period_start")), 1).alias("period_start")
    before = wide.select("period", following, *[F.col(letter).alias(f"{letter}_before") for letter in letters])
    both = wide.join(before, on=[*_PERIOD], how="inner")
    now = {letter: F.col(letter) for letter in letters}
    old = {p: F.when(F.col("is_complete"), F.col(f"{p}_before")).otherwise(F.col(f"{p}_same")) for p in letters}
    m1, f1, a1 = now["m"], now["o"] / now["m"], now["r"] / now["o"]
    m0, f0, a0 = old["m"], old["o"] / old["m"], old["r"] / old["o"]
    whole = now["r"] - old["r"]
    both_sides = (now["m"] > 0) & (old["m"] > 0)

    def part(d: Column, x0: Column, x1: Column, y0: Column, y1: Column) -> Column:
        return d * ((x0 * y0 + x1 * y1) / 3 + (x0 * y1 + x1 * y0) / 6)

    by_members = F.when(both_sides, part(m1 - m0, f0, f1, a0, a1)).otherwise(whole)
    by_frequency = F.when(both_sides, part(f1 - f0, m0, m1, a0, a1)).when(whole.isNotNull(), 0.0)
    parts = {
        "revenue_change": now["all"] - old["all"],
        "revenue_change_members": by_members,
        "revenue_change_frequency": by_frequency,
        "revenue_change_order_value": whole - by_members - by_frequency,
        "revenue_change_guests": now["all"] - old["all"] - whole,
    }
    assert tuple(parts) == CHANGES
    structs = [F.struct(F.lit(name).alias("metric"), amount.alias("amount")) for name, amount in parts.items()]
    return (
        both.select(*_ROW, F.inline(F.array(*structs)))
        .where("amount IS NOT NULL")
        .select(*_ROW, *_measured(F.col("metric"), F.col("amount")))
    )
