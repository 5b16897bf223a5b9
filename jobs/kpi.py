"""kpi: the metrics of member operation by day, week and month; counts again from the first day changed rows touch."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake import cli
from memberlake.activity.repair import last_as_of
from memberlake.conf import Conf
from memberlake.kpi import families, since, table
from memberlake.kpi.cells import union
from memberlake.kpi.families import Inputs
from memberlake.kpi.metrics import METRICS
from memberlake.kpi.since import Held
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.tables.gold.activity import ACTIVE_COUNTS, ACTIVITY_DAYS
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
READS = (*CHANGING, *OF_CATEGORIES, ACTIVE_COUNTS, ACTIVITY_DAYS)
WRITES = (KPI,)

log = logging.getLogger(__name__)


def run(lake: Lake, conf: Conf, as_of: date) -> None:
    tables = {table.full_name: lake.read(table) for table in (*CHANGING, *OF_CATEGORIES)}
    stored, zone = lake.read(KPI), conf.business_timezone
    # what is collected here is a row a table, a metric or a snapshot
    data = families.data(tables, as_of, conf)
    filled = {r["name"] for r in since.filled(data).collect()}
    if not filled:
        return
    active_as_of = lake.read(ACTIVE_COUNTS).transform(last_as_of).collect()[0]["as_of"]  # one row
    warn_of_other_days(lake, filled, active_as_of, as_of)
    held = since.held(since.reached(stored).collect())
    snapshots = [r["as_of"] for r in tables[CHURN_STATUS.full_name].select("as_of").distinct().collect()]
    by_category = "category" in conf.kpi.dimensions
    changing = (*CHANGING, *OF_CATEGORIES) if by_category else CHANGING
    with contextlib.ExitStack() as stack:

        def keep(frame: DataFrame) -> DataFrame:
            return stack.enter_context(lake.kept(frame))

        changes = stack.enter_context(changes_of(lake, conf, changing, held, snapshots, as_of))
        changed = {r["name"]: r["day"] for r in since.changed(changes, tables, zone, keep).collect()} if changes else {}
        if held.begins_with_data(changed, [t.full_name for t in changing]):
            first_data = held.first_row
        else:  # looked for in all tables
            first_data = since.first_day(data, zone).collect()[0]["day"]
        seen = sorted(day for day in snapshots if day <= as_of)
        inputs = Inputs(tables, stored, lake.spark.range(1), filled, seen, keep, as_of, conf)
        chosen = families.BY_CATEGORY if by_category else families.FAMILIES
        due = families.only_due(chosen, inputs, held.beginning(first_data), changed)
        write(lake, inputs, due, first_data, active_as_of)


@contextlib.contextmanager
def changes_of(
    lake: Lake, conf: Conf, tables: Sequence[Table], held: Held, snapshots: Sequence[date], as_of: date
) -> Iterator[dict[str, DataFrame]]:
    """The rows that changed since the last run, by table; those that it has not seen, or saw by other rules, are left
    out. None as of a day before its last: everything up to that day is counted, and the next run is given the changes.
    """
    who_counts = (conf.activity.active_event_types, conf.activity.robot_threshold)
    rules = (conf.kpi, conf.orders, who_counts, conf.business_timezone, tuple(METRICS))  # a new metric has no days yet
    if held.last_row <= as_of:
        with lake.since_last("kpi", *tables, rules=rules) as changes:
            yield {table.full_name: rows for table, rows in changes.items() if rows is not None}
        return
    # days without churn that a later snapshot sees, or by other rules than those after: the next run counts all again
    is_blind = as_of < max(snapshots, default=as_of) and as_of not in snapshots
    if is_blind or not lake.goes_by("kpi", rules):
        lake.forget("kpi")
    yield {}


def warn_of_other_days(lake: Lake, filled: set[str], active_as_of: date | None, as_of: date) -> None:
    """Tables that have no as_of of their own may stand at another day, and what is made of them with it."""
    vouchers_as_of = lake.stands_at("coupons") if VOUCHERS.full_name in filled else None
    if vouchers_as_of not in {None, as_of}:
        said = "gold.vouchers is as of %s, and with it what coupons cost and whom orders are owed to: run coupons first"
        log.warning(said, vouchers_as_of)
    if active_as_of not in {None, as_of}:
        said = "gold.active_counts is as of %s, and with it the activity metrics: run activity first"
        log.warning(said, active_as_of)


def write(lake: Lake, inputs: Inputs, due: families.Due, first_data: date, active_as_of: date | None) -> None:
    """Counts the families that are due again, and all that is made of stored metrics."""
    stored, as_of, conf = inputs.stored, inputs.as_of, inputs.conf
    # all families in one plan take longer than one after the other
    anew = [lake.settled(family.recount(inputs, first_data, day)) for family, day in due]
    fresh = union(*anew, stored.where(families.stays(due, as_of)))
    before = stored.where(F.col("period_start") < families.first_written(due, as_of))
    counted = lake.settled(union(fresh, before).transform(table.only_needed, as_of))
    active, active_before = lake.read(ACTIVE_COUNTS), None
    if active_as_of == as_of and not conf.activity.approximate:
        active_before = families.active_before(inputs, lake.read(ACTIVITY_DAYS), first_data)
    rows = union(fresh, table.derived(counted, active, conf.kpi, as_of, lake.settled, active_before))
    lake.replace(KPI, rows.hint("rebalance", "period"), families.is_written(due, as_of))


if __name__ == "__main__":
    cli.main_job(run)
