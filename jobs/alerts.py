"""alerts: opens, updates and closes alerts by the rules, and posts new ones to the webhook when there is one."""

import logging
import time
from dataclasses import asdict, replace
from datetime import date, datetime, timezone

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake import cli
from memberlake.conf import Conf
from memberlake.errors import UserError
from memberlake.kpi import alerts, periods, readings, webhook
from memberlake.kpi.alerts import Alert
from memberlake.lake.store import Lake
from memberlake.tables.gold.churn import MODEL_MONITORING
from memberlake.tables.gold.kpi import ALERTS, KPI

READS = (KPI, MODEL_MONITORING)
WRITES = (ALERTS,)

log = logging.getLogger(__name__)


def run(lake: Lake, conf: Conf, as_of: date) -> None:
    last = lake.stands_at("alerts")
    if last and as_of < last:
        if not lake.rebuild:
            said = (
                "alerts were judged until %s: a day before that opens and closes none (--rebuild takes back what was)"
            )
            log.warning(said, last)
            return
        lake.replace(ALERTS, lake.read(ALERTS).transform(_until, as_of))
    counted = lake.read(KPI).agg(F.max("as_of").alias("as_of")).collect()[0]["as_of"]  # one row; NULL without metrics
    if counted and counted < as_of:  # it would stand for judged, and no alert of the days between be opened
        raise UserError(f"gold.kpi is as of {counted}: run kpi as of {as_of} first")
    known = judge(lake, conf, as_of)
    lake.set_at("alerts", as_of)
    if conf.alerts.webhook.url is not None:
        post(lake, conf, [alert for alert in known if alert.state == "open" and alert.sent_at is None])


def _until(known: DataFrame, as_of: date) -> DataFrame:
    """Without what was opened or closed after as_of."""
    is_later = F.col("closed_on") > F.lit(as_of)
    kept = known.where(F.col("raised_on") <= F.lit(as_of))
    state, closed_on = F.when(is_later, "open").otherwise(F.col("state")), F.when(~is_later, F.col("closed_on"))
    return kept.withColumns({"state": state, "closed_on": closed_on})


def judge(lake: Lake, conf: Conf, as_of: date) -> list[Alert]:
    """Writes the alerts that changed. Returns those that matter still, as they are now."""
    # collected: an alert that is open, or was closed so lately that it matters still
    cooldown = max((rule.cooldown_days for rule in conf.alerts.rules), default=0)
    matters = (F.col("state") == "open") | (F.col("closed_on") >= F.date_sub(F.lit(as_of), cooldown))
    held = [alerts.of_row(row.asDict()) for row in lake.read(ALERTS).where(matters).collect()]
    found = readings.of_day(lake.read(KPI), lake.read(MODEL_MONITORING), conf.alerts.rules, held, conf, as_of)
    changed = alerts.advance(held, found, conf.alerts.rules, as_of)
    if not lake.ready(ALERTS):
        lake.append(ALERTS, lake.read(ALERTS))  # of no row: who reads the lake finds that there is no alert
    if changed:
        lake.put(ALERTS, periods.literal(lake.spark.range(1), map(asdict, changed), ALERTS.struct))
    return [*{alert.alert_id: alert for alert in (*held, *changed)}.values()]


def post(lake: Lake, conf: Conf, unsent: list[Alert]) -> None:
    """Posts alerts; keeps of each that was taken when that was."""
    started = time.monotonic()
    for alert in unsent:
        answer = webhook.post(alert, conf.alerts.webhook)
        if answer == "taken":
            sent = replace(alert, sent_at=datetime.now(timezone.utc))
            lake.put(ALERTS, periods.literal(lake.spark.range(1), [asdict(sent)], ALERTS.struct))
        elif answer == "none" or time.monotonic() - started > webhook.PATIENCE:
            return  # nobody there, or one who takes long to refuse; the next run tries again


if __name__ == "__main__":
    cli.main_job(run)
