"""report: the health report of a day, pages for a browser, from the tables as they are."""

from datetime import date

import memberlake
from memberlake import cli
from memberlake.conf import Conf
from memberlake.lake.store import Lake
from memberlake.report import data, write
from memberlake.report.facts import Facts
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
    return Facts(
        rows={name: [row.asDict() for row in frame.collect()] for name, frame in small.items()},  # see data.small
        as_of=as_of,
        place=str(lake.conf.root or lake.conf.catalog),
        conf=conf,
        versions={table.full_name: last for table in READS if (last := lake.last_commit(table))},
        rules={rule.name: rule for rule in conf.alerts.rules},
    )


if __name__ == "__main__":
    cli.main_job(run)
