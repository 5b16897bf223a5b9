"""report: the health report of a day, pages for a browser, from the tables as they are."""

from collections.abc import Mapping, Sequence
from datetime import date

import memberlake
from memberlake import cli
from memberlake.conf import Conf
from memberlake.kpi import alerts, readings
from memberlake.kpi.alerts import Reading
from memberlake.lake.store import Lake
from memberlake.report import data, write
from memberlake.report.facts import Facts, Row
from memberlake.tables.gold.activity import ACTIVE_COUNTS, RETENTION, RFE_SCORES
from memberlake.tables.gold.churn import CHURN_MODELS, CHURN_SCORES, CHURN_STATUS, MODEL_MONITORING
from memberlake.tables.gold.coupons import (
    COUPON_DAYS,
    COUPON_FUNNEL,
    COUPON_LIABILITY,
    COUPON_MAPPING_REVIEW,
    COUPON_RUNS,
    VOUCHERS,
)
from memberlake.tables.gold.kpi import ALERTS, KPI
from memberlake.tables.gold.value import ABC_CLASSES, RFM_SCORES
from memberlake.tables.ops import REJECTS, RUNS
from memberlake.tables.silver import CAMPAIGN_CONTACTS, CAMPAIGNS, COUPON_EVENTS, EVENTS, MEMBERS, ORDERS

READS = (
    *(KPI, ALERTS, RFM_SCORES, RFE_SCORES, ABC_CLASSES, ACTIVE_COUNTS, RETENTION),
    *(CHURN_STATUS, CHURN_SCORES, CHURN_MODELS, MODEL_MONITORING),
    *(VOUCHERS, COUPON_RUNS, COUPON_FUNNEL, COUPON_DAYS, COUPON_LIABILITY, COUPON_MAPPING_REVIEW),
    *(MEMBERS, ORDERS, EVENTS, CAMPAIGNS, CAMPAIGN_CONTACTS, COUPON_EVENTS, RUNS, REJECTS),
)
WRITES = ()  # no table, but a folder of pages


def run(lake: Lake, conf: Conf, as_of: date) -> str:
    target = write.target(conf.report.folder, lake.conf.root)  # refuses a place that cannot be, before anything is read
    return str(write.folder(target, facts(lake, conf, as_of), conf.report.language, memberlake.__version__))


def facts(lake: Lake, conf: Conf, as_of: date) -> Facts:
    frames = data.Frames(**{table.name: lake.read(table) for table in READS})
    small = data.small(frames, as_of, conf.business_timezone)
    rows = {name: [row.asDict() for row in frame.collect()] for name, frame in small.items()}  # see data.small
    return Facts(
        rows={**rows, "alerts": as_then(rows["alerts"], frames, conf, as_of)},
        as_of=as_of,
        place=str(lake.conf.root or lake.conf.catalog),
        conf=conf,
        versions={table.full_name: last for table in READS if (last := lake.last_commit(table))},
        rules={rule.name: rule for rule in conf.alerts.rules},
        judged_until=lake.stands_at("alerts"),
    )


def as_then(listed: Sequence[Row], frames: data.Frames, conf: Conf, as_of: date) -> Sequence[Row]:
    """Those that a later day updated or closed with what their rules say of as_of."""
    later = [alerts.of_row(row) for row in listed if row["as_of"] > as_of]
    if not later:
        return listed
    names = {alert.rule for alert in later}
    rules = [rule for rule in conf.alerts.rules if rule.name in names]
    found = readings.of_day(frames.kpi, frames.model_monitoring, rules, later, conf, as_of)
    by_subject = {(each.rule, each.subject_id): each for each in found}
    return [row if row["as_of"] <= as_of else _as_read(row, by_subject, as_of) for row in listed]


def _as_read(row: Row, found: Mapping[tuple[str, str | None], Reading], as_of: date) -> Row:
    """An alert of whose day nothing is known has no value."""
    if reading := found.get((row["rule"], row["subject_id"])):
        new = {name: getattr(reading, name) for name in ("value", "threshold", "severity", "notify", "message")}
    else:
        new = {"value": None}
    return {**row, **new, "as_of": as_of}


if __name__ == "__main__":
    cli.main_job(run)
