"""The metrics of gold.kpi in families: each is counted again from the first day that its own tables touch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from memberlake import calendar
from memberlake.conf import Conf
from memberlake.kpi import cells, facts, metrics, movement, periods, since, table
from memberlake.kpi.cells import CELL
from memberlake.kpi.metrics import (
    CAMPAIGNS,
    CHURN,
    CONTACTS,
    COSTS,
    EVENTS,
    MEASURES,
    MEMBERS,
    METRICS,
    ORDERS,
    RESPONSES,
    VOUCHERS,
)
from memberlake.kpi.periods import Span
from memberlake.kpi.since import Held
from memberlake.orders import only_counted

# measure to the metric whose rows of days hold it: what a day adds, and what has been added up to
_FLOWS = {
    **{f"new_{what}": f"new_{what}_members" for what in ("registered", "activated", "purchasing")},
    **{"cost": "marketing_cost", "leads": "leads", "goal_cost": "cost_per_goal", "goal_reached": "cost_per_goal"},
}
_STOCKS = {
    **{what: f"{what}_members" for what in ("registered", "activated", "reachable", "purchasing")},
    **{"life_orders": "lifetime_orders", "life_revenue": "lifetime_value"},
}
EVER = date(1970, 1, 2)
COSTLY_ORDERS = f"{ORDERS}#cost"


@dataclass(frozen=True)
class Inputs:
    """What the families are counted from.

    Attributes:
        tables: all rows, by table.
        stored: gold.kpi as it is.
        one: a frame of one row, to make literals of.
        filled: tables that have data up to as_of.
        snapshots: as_of of gold.churn_status up to as_of.
        keep: computes a frame once for all its uses.
    """

    tables: Mapping[str, DataFrame]
    stored: DataFrame
    one: DataFrame
    filled: Collection[str]
    snapshots: Sequence[date]
    keep: Callable[[DataFrame], DataFrame]
    as_of: date
    conf: Conf

    def until(self, name: str, first: date = EVER, last: date | None = None) -> DataFrame:
        """Rows of the table from `first` to `last` (as_of) with their business_date; of orders those that count."""
        return _until(self.tables, name, first, last or self.as_of, self.conf)

    @property
    def known(self) -> set[str]:
        """Measures that are 0 where nothing says otherwise; those of churn are known per snapshot only."""
        found = {m for m, measure in MEASURES.items() if {*measure.needs} <= {*self.filled}}
        found |= {"cost"} if {COSTS, CONTACTS, VOUCHERS, COSTLY_ORDERS} & {*self.filled} else set()
        found |= {"goal_cost"} if {COSTS, CONTACTS} & {*self.filled} else set()
        return {m for m in found if CHURN not in MEASURES[m].needs}

    @property
    def sourced(self) -> set[str]:
        """Measures whose tables have rows: those that are known, and those of churn where there is a snapshot."""
        of_churn = {m: {*measure.needs} - {CHURN} for m, measure in MEASURES.items() if CHURN in measure.needs}
        return self.known | {m for m, others in of_churn.items() if self.snapshots and others <= {*self.filled}}

    @property
    def members(self) -> DataFrame:
        return cells.described(self.tables[MEMBERS], self.conf.kpi.of_members)


@dataclass(frozen=True)
class Family:
    """Metrics that are counted together.

    Attributes:
        tables: whose changes touch them.
        rows: what they are in spans; from the last argument on everything is counted anew.
        reach_days: a change touches periods that end up to so many days before it.
    """

    metrics: tuple[str, ...]
    tables: frozenset[str]
    rows: Callable[[Inputs, Sequence[Span], date], DataFrame]
    reach_days: int = 0

    def is_there(self, inputs: Inputs) -> bool:
        """False for churn without a snapshot."""
        return bool(inputs.snapshots) or self.metrics != metrics.CHURN_METRICS

    def recount(self, inputs: Inputs, first_data: date, day: date) -> DataFrame:
        """Rows of the periods that end on `day` or later, but not before the first data."""
        if not self.is_there(inputs):
            return inputs.stored.limit(0)
        spans = periods.spans(periods.touched(day, inputs.as_of), first_data, inputs.as_of)
        return self.rows(inputs, spans, day)

    def expected(self, inputs: Inputs) -> list[str]:
        """The metrics that have a row for every period: where one of them has none, it is new to the lake."""
        if self.metrics == metrics.CHURN_METRICS:
            return ["churned_members"] if inputs.snapshots else []
        always = [METRICS[name] for name in self.metrics if METRICS[name].by != ("goal",)]
        return [m.name for m in always if {*m.measures} <= inputs.known]

    def is_lost(self, inputs: Inputs, stored: Collection[str]) -> bool:
        """True when one of the stored metrics has a table without rows now, and so no rows in any period."""
        mine = [METRICS[name] for name in self.metrics if name in stored]
        return any(not {*m.measures} <= inputs.sourced for m in mine)

    def touched_since(self, inputs: Inputs, held: Held, changed: Mapping[str, date | None]) -> date:
        """The first day from which the family is counted again.

        Args:
            held: its first row is of the first data, or was made of data now gone.
            changed: of each table the first day that its changes touch, None without changes; a table that is not here
                is new as a whole.
        """
        reached, first_row, expected = held.reached, held.first_row, self.expected(inputs)
        if not self.tables <= changed.keys() or not {*expected} <= reached.keys() or self.is_lost(inputs, reached):
            return first_row
        days = [min([reached[name] for name in expected], default=inputs.as_of) + timedelta(days=1)]
        for name in self.tables:
            if day := changed[name]:
                days.append(movement.since(day, inputs.snapshots) if name == CHURN else day)
        return max(first_row, min(days) - timedelta(days=self.reach_days)) if min(days) > date.min else first_row


def active_before(inputs: Inputs, daily: DataFrame, first_data: date) -> DataFrame:
    """Who was active on the same days of the week and the month before the running ones.

    Args:
        daily: gold.activity_days, as of the same day.
    """
    begun = {periods.start(period, inputs.as_of) for period in ("week", "month")}
    same = [span for span in periods.spans(begun, first_data, inputs.as_of) if span.is_before]
    on = F.col("active_on")  # files of other dates are not read
    near = [on.between(span.first_on, span.last_on) for span in same]
    days = periods.with_days(periods.frame(inputs.one, same))
    return facts.actives(daily.where(reduce(Column.__or__, near, F.lit(False))), days)


Due = Sequence[tuple[Family, date]]  # families that are counted again, each from its day on


def only_due(families: Sequence[Family], inputs: Inputs, held: Held, changed: Mapping[str, date | None]) -> Due:
    """Those that have to count a day up to as_of again."""
    touched = [(family, family.touched_since(inputs, held, changed)) for family in families]
    return [(family, day) for family, day in touched if day <= inputs.as_of]


def first_written(due: Due, as_of: date) -> date:
    """The first day of the slice of gold.kpi that is written anew; the day after as_of when nothing is due."""
    return min((periods.touched(day, day)[0] for _, day in due), default=as_of + timedelta(days=1))


def is_written(due: Due, as_of: date) -> Column:
    """Rows of the slice: all since its first day, and derived metrics of all periods."""
    on = F.col("period_start")
    return (on <= as_of) & (F.col("metric").isin(*metrics.DERIVED) | (on >= first_written(due, as_of)))


def stays(due: Due, as_of: date) -> Column:
    """Rows of the slice that no family counts again, of metrics that are declared still. They are written with it: one
    commit, and files that end with a month, which later nights leave alone."""
    metric, is_anew = F.col("metric"), F.lit(False)
    for family, day in due:
        is_anew |= metric.isin(*family.metrics) & periods.is_touched(day, as_of)
    in_slice = F.col("period_start").between(first_written(due, as_of), as_of)
    return in_slice & metric.isin(*METRICS) & ~metric.isin(*metrics.DERIVED) & ~is_anew


def _until(tables: Mapping[str, DataFrame], name: str, first: date, as_of: date, conf: Conf) -> DataFrame:
    if name == COSTS:
        on = F.col("cost_date")
        return tables[name].where(on.between(F.lit(first), F.lit(as_of))).withColumn("business_date", on)
    found = calendar.dated(tables[name], since.instant(name), first, as_of, conf.business_timezone)
    return only_counted(found, conf.orders.counted_statuses) if name == ORDERS else found


def data(tables: Mapping[str, DataFrame], as_of: date, conf: Conf) -> dict[str, DataFrame]:
    """Rows up to as_of of each table that counts; of orders that cost something too."""
    names = (MEMBERS, ORDERS, EVENTS, COSTS, CONTACTS, RESPONSES, VOUCHERS)
    seen = {name: _until(tables, name, EVER, as_of, conf) for name in names}
    costly = [F.coalesce(c, F.lit(0)) > 0 for c in ("coupon_amount", "points_redeemed", "points_granted")]
    return {**seen, COSTLY_ORDERS: seen[ORDERS].where(costly[0] | costly[1] | costly[2])}


def _rows(inputs: Inputs, sums: Sequence[DataFrame], listed: DataFrame, names: Sequence[str]) -> DataFrame:
    return table.rows(sums, listed, names, inputs.known, inputs.one, inputs.conf.kpi, inputs.as_of)


def _flows(inputs: Inputs, daily: DataFrame, spans: Sequence[Span], names: Sequence[str]) -> DataFrame:
    listed = periods.frame(inputs.one, spans)
    return _rows(inputs, [cells.flows(daily, periods.with_days(listed))], listed, names)


def _operation(inputs: Inputs, spans: Sequence[Span], first: date) -> DataFrame:
    """Members, orders and money. What each of the days before `first` added is taken from gold.kpi; their orders are
    looked at again only for members, who count once a period."""
    kpi, zone, as_of = inputs.conf.kpi, inputs.conf.business_timezone, inputs.as_of
    earliest = min(span.first_on for span in spans)
    listed = periods.frame(inputs.one, spans)
    days = periods.with_days(listed)
    contacts = inputs.until(CONTACTS, earliest - timedelta(days=kpi.attribution_days))
    orders = facts.orders(
        inputs.until(ORDERS, earliest), inputs.members, contacts, inputs.tables[VOUCHERS], kpi, zone
    ).transform(inputs.keep)
    sums = _order_sums(inputs, orders, days).transform(inputs.keep)
    new = orders.where(F.col("business_date") >= F.lit(first))
    buyers = facts.buyers(new, kpi.of_members).transform(inputs.keep)
    buyers.count()  # so Spark knows how few they are
    earlier = inputs.until(ORDERS, last=first - timedelta(days=1))
    firsts = facts.first_orders(buyers, earlier, kpi.of_members)
    by_member = facts.member_days(inputs.tables[MEMBERS], kpi.of_members, first, as_of, zone)
    redeemed = inputs.until(VOUCHERS, first).where("redeemed_amount IS NOT NULL")
    campaigns = inputs.tables[CAMPAIGNS]
    money = facts.costs(inputs.until(COSTS, first), inputs.until(CONTACTS, first), redeemed, new, campaigns, kpi)
    responses = facts.responses(inputs.until(RESPONSES, first), inputs.tables[CONTACTS], campaigns, kpi.goals)
    piled = sums.where((F.col("period") == "day") & (F.col("period_start") >= F.lit(first))).select(
        F.col("period_start").alias("business_date"),
        *CELL,
        F.col("member_orders").alias("new_life_orders"),
        F.col("member_revenue").alias("new_life_revenue"),
    )
    before = _of_days(inputs.stored, min(earliest, first - timedelta(days=1)), first)
    daily = cells.union(by_member, firsts, money, responses, piled, before).transform(inputs.keep)
    found = [
        sums,
        cells.flows(daily.select("business_date", *CELL, *_FLOWS), days),
        cells.stocks(daily, listed, {f"new_{m}": m for m in _STOCKS}, first),
    ]
    if ORDERS in inputs.filled and (seen := movement.seen_by(spans, inputs.snapshots)):
        looked_at = periods.with_days(periods.literal(inputs.one, seen, periods.SNAPSHOT))
        found.append(facts.winbacks(orders, campaigns, looked_at, _status(inputs, seen)))
    return _rows(inputs, found, listed, metrics.OPERATION)


def _order_sums(inputs: Inputs, orders: DataFrame, days: DataFrame) -> DataFrame:
    """Sums of orders by span."""
    kpi = inputs.conf.kpi
    of_order = {"method": F.col("method")}
    if "channel" in kpi.dimensions:
        of_order["channel"] = F.col("channel")
    owed = cells.exploded(orders.where("method <> 'none'"), {"campaign": F.col("campaign_id")}, with_all=False)
    parts = [cells.exploded(orders, of_order, with_all=False), owed]
    if "category" in kpi.dimensions:
        parts.append(facts.with_categories(orders, inputs.tables[since.LINES], inputs.tables[since.PRODUCTS]))
    # a member has one value of each dimension of members: first their orders are added up, then the rows multiplied
    of_member = cells.of_members(kpi.of_members)
    members = cells.exploded(facts.orders_by_member(orders, days, of_member.values()), of_member)
    return facts.order_sums(cells.union(members, facts.orders_by_member(cells.union(*parts), days, CELL)))


def _of_days(stored: DataFrame, first: date, until: date) -> DataFrame:
    """Daily: what gold.kpi has of the days before `until`."""
    known = {**_FLOWS, **_STOCKS}
    amounts = [
        table.of_metric(metric, _side(measure, metric)).cast("decimal(38,6)").alias(measure)
        for measure, metric in known.items()
    ]
    on = F.col("period_start")
    of_day = stored.where((F.col("period") == "day") & (on >= F.lit(first)) & (on < F.lit(until)))
    held = of_day.where(F.col("metric").isin(*known.values()))
    return held.groupBy(on.alias("business_date"), *CELL).agg(*amounts)


def _side(measure: str, metric: str) -> str:
    return "numerator" if METRICS[metric].numerator == measure else "denominator"


def _status(inputs: Inputs, seen: Sequence[Mapping[str, Any]]) -> DataFrame:
    """The snapshots that are looked at."""
    return inputs.tables[CHURN].where(F.col("as_of").isin({look["as_of"] for look in seen}))


def _movement(inputs: Inputs, spans: Sequence[Span], _: date) -> DataFrame:
    """Who churned and who came back."""
    # a running period that no snapshot sees is compared with nothing
    spans = [span for span in spans if not span.is_before or inputs.as_of in inputs.snapshots]
    seen = movement.seen_by(spans, inputs.snapshots)
    looks = periods.literal(inputs.one, seen, periods.SNAPSHOT)
    sums = movement.sums(_status(inputs, seen), inputs.members, inputs.conf.kpi.of_members, looks)
    listed = periods.frame(inputs.one, spans)
    return _rows(inputs, [sums], listed, metrics.CHURN_METRICS)


def _visits(inputs: Inputs, spans: Sequence[Span], first: date) -> DataFrame:
    """Visits. Those of the days before `first` are taken from gold.kpi."""
    stored = inputs.stored
    earlier = stored.where(
        (F.col("metric") == "visits") & (F.col("period") == "day") & (F.col("period_start") < F.lit(first))
    ).select(F.col("period_start").alias("business_date"), *CELL, F.col("numerator").cast("long").alias("visits"))
    activity = inputs.conf.activity
    came = facts.visits(inputs.until(EVENTS, first), activity.active_event_types, activity.robot_threshold)
    return _flows(inputs, cells.union(came, earlier), spans, ("visits",))


def _cohorts(inputs: Inputs, spans: Sequence[Span], _: date) -> DataFrame:
    """What those who registered in a period did soon after."""
    now = [span for span in spans if not span.is_before]
    names = [name for name in metrics.COHORT if METRICS[name].numerator in inputs.known]
    first = min(span.first_on for span in now)
    daily = facts.cohorts(inputs.until(MEMBERS, first), inputs.until(ORDERS, first), inputs.conf.kpi.of_members)
    return _flows(inputs, daily, now, names)


OPERATION = Family(
    metrics.OPERATION, frozenset({MEMBERS, ORDERS, COSTS, CONTACTS, RESPONSES, CAMPAIGNS, VOUCHERS, CHURN}), _operation
)
FAMILIES = (
    OPERATION,
    Family(metrics.CHURN_METRICS, frozenset({CHURN, MEMBERS}), _movement),
    Family(("visits",), frozenset({EVENTS}), _visits),
    Family(metrics.COHORT, frozenset({MEMBERS, ORDERS}), _cohorts, max(metrics.COHORT_DAYS)),
)
BY_CATEGORY = (Family(OPERATION.metrics, OPERATION.tables | {since.LINES, since.PRODUCTS}, _operation), *FAMILIES[1:])
