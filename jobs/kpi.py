"""kpi: the metrics of member operation by day, week and month; counts again only what changed rows touch."""

import contextlib
import logging
from datetime import date, timedelta

from pyspark.sql import functions as F

from memberlake import cli
from memberlake.activity.repair import last_as_of
from memberlake.conf import Conf
from memberlake.kpi import families, metrics, periods, since, table
from memberlake.kpi.cells import union
from memberlake.kpi.families import Inputs
from memberlake.lake.store import Lake
from memberlake.tables.gold.activity import ACTIVE_COUNTS
from memberlake.tables.gold.churn import CHURN_STATUS
from memberlake.tables.gold.coupons import VOUCHERS
from memberlake.tables.gold.kpi import KPI
from memberlake.tables.silver import (
    CAMPAIGN_CONTACTS,
    CAMPAIGN_COSTS,
    CAMPAIGN_RESPONSES,
    CAMPAIGNS,
    EVENTS,
    MEMBERS,
    ORDER_LINES,
    ORDERS,
    PRODUCTS,
)

CHANGING = (
    MEMBERS,
    ORDERS,
    EVENTS,
    CAMPAIGNS,
    CAMPAIGN_CONTACTS,
    CAMPAIGN_RESPONSES,
    CAMPAIGN_COSTS,
    VOUCHERS,
    CHURN_STATUS,
)
OF_CATEGORIES = (ORDER_LINES, PRODUCTS)
READS = (*CHANGING, *OF_CATEGORIES, ACTIVE_COUNTS)
WRITES = (KPI,)

log = logging.getLogger(__name__)


def run(lake: Lake, conf: Conf, as_of: date) -> None:
    tables = {
        MEMBERS.full_name: lake.read(MEMBERS),
        ORDERS.full_name: lake.read(ORDERS),
        ORDER_LINES.full_name: lake.read(ORDER_LINES),
        PRODUCTS.full_name: lake.read(PRODUCTS),
        EVENTS.full_name: lake.read(EVENTS),
        CAMPAIGNS.full_name: lake.read(CAMPAIGNS),
        CAMPAIGN_CONTACTS.full_name: lake.read(CAMPAIGN_CONTACTS),
        CAMPAIGN_RESPONSES.full_name: lake.read(CAMPAIGN_RESPONSES),
        CAMPAIGN_COSTS.full_name: lake.read(CAMPAIGN_COSTS),
        VOUCHERS.full_name: lake.read(VOUCHERS),
        CHURN_STATUS.full_name: lake.read(CHURN_STATUS),
    }
    stored, status = lake.read(KPI), tables[CHURN_STATUS.full_name]
    # what is collected here is a row a table, a metric or a snapshot
    data = families.data(tables, as_of, conf)
    filled = {r["name"] for r in since.filled(data).collect()}
    if not filled:
        return
    if VOUCHERS.full_name in filled and (stands_at := lake.stands_at("coupons")) not in {None, as_of}:
        said = "gold.vouchers is as of %s, and with it what coupons cost and whom orders are owed to: run coupons first"
        log.warning(said, stands_at)
    counted_at = lake.read(ACTIVE_COUNTS).transform(last_as_of).collect()[0]["as_of"]
    if counted_at not in {None, as_of}:
        said = "gold.active_counts is as of %s, and with it the activity metrics: run activity first"
        log.warning(said, counted_at)
    told = families.reached(stored).collect()
    looks = status.where(F.col("as_of") <= F.lit(as_of)).select("as_of").distinct().collect()
    # as of a day before the last one: everything up to it, and what changed stays for the next run to be told
    is_past = any(r["last"] > as_of for r in told)
    by_category = "category" in conf.kpi.dimensions
    changing = (*CHANGING, *OF_CATEGORIES) if by_category else CHANGING
    who_counts = (conf.activity.active_event_types, conf.activity.robot_threshold)
    rules = (conf.kpi, conf.orders, who_counts, conf.business_timezone)
    if is_past and not lake.goes_by("kpi", rules):
        lake.forget("kpi")  # the days it writes are by other rules than those after: the next run counts all again
    with contextlib.ExitStack() as stack:
        changes = {} if is_past else stack.enter_context(lake.since_last("kpi", *changing, rules=rules))
        partly = {t.full_name: rows for t, rows in changes.items() if rows is not None}
        zone, keep = conf.business_timezone, lambda frame: stack.enter_context(lake.kept(frame))
        # collected: a row a table
        days = since.changed(partly, tables, zone, keep).collect() if partly else []
        reached = {r["metric"]: r["reached"] for r in told}
        first_row = min((r["first_day"] for r in told if r["metric"] not in metrics.DERIVED), default=None)
        # gold.kpi begins with the first data, which is looked for where some change may touch that day
        if first_row and len(days) == len(changing) and all(r["day"] > first_row for r in days if r["day"]):
            first_data = first_row
        else:
            first_data = since.first_day(data, zone).collect()[0]["day"]  # one row
            if first_data != first_row:  # every metric has rows from there on
                reached, first_row = {}, min(first_data, first_row or first_data)
        inputs = Inputs(
            tables,
            stored,
            lake.spark.range(1),
            filled,
            sorted(r["as_of"] for r in looks),
            keep,
            as_of,
            conf,
        )
        anew, starts, is_anew = [], [as_of + timedelta(days=1)], F.lit(False)
        for family in families.BY_CATEGORY if by_category else families.FAMILIES:
            first = family.touched_since(inputs, reached, first_row, {r["name"]: r["day"] for r in days})
            if first > as_of or not family.is_there(inputs):
                continue
            touched = periods.touched(first, as_of)
            rows = family.rows(inputs, periods.spans(touched, first_data, as_of), first)
            anew.append(lake.settled(rows))  # all families in one plan take longer than one after the other
            starts.append(min(touched))
            is_anew |= F.col("metric").isin(*family.metrics) & periods.is_touched(first, as_of)
        # what stands beside it since the same month is written again with it: one commit, and files that end with a
        # month, which later nights leave alone
        on, is_derived, since_day = F.col("period_start"), F.col("metric").isin(*metrics.DERIVED), min(starts)
        stays = stored.where(on.between(since_day, as_of) & ~is_derived & ~is_anew)
        fresh = union(*anew, stays)
        counted = lake.settled(union(fresh, stored.where(on < since_day)).transform(table.only_needed, as_of))
        rows = union(fresh, table.derived(counted, lake.read(ACTIVE_COUNTS), conf.kpi, as_of, lake.settled))
        lake.replace(KPI, rows.hint("rebalance", "period"), (on <= as_of) & (is_derived | (on >= since_day)))


if __name__ == "__main__":
    cli.main_job(run)
