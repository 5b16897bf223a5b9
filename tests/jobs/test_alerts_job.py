"""The alerts job on a real lake and a real webhook: an alert is opened, sent and closed once; the command shows it."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from click.testing import CliRunner, Result
from pyspark.sql import functions as F
from tests.chat import Chat, chat
from tests.conftest import configured
from tests.jobs.orders import rows

from memberlake import cli, explain, jobs
from memberlake.errors import UserError
from memberlake.kpi import webhook
from memberlake.lake.store import Lake
from memberlake.tables.gold.churn import MODEL_MONITORING
from memberlake.tables.gold.kpi import ALERTS, KPI

pytestmark = pytest.mark.lake
__all__ = ["chat"]  # the fixture

D = date(2026, 11, 20)
RULES = "alerts.rules=[{name: fell, metric: revenue, period: day, below: 10, severity: critical, notify: ops}]"


def memberlake(lake: Lake, *arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli.main, ["alerts", "--lake", str(lake.conf.root), *arguments])


def test_the_life_of_an_alert(lake: Lake, chat: Chat, far_east: None) -> None:
    def day(n: int, revenue: float, *, drift: bool = False) -> None:
        on = D + timedelta(days=n)
        row = {"period": "day", "period_start": on, "metric": "revenue", "dimension": "all", "dimension_value": "all"}
        number = {"numerator": revenue, "value": revenue, "is_complete": True, "as_of": on}
        lake.append(KPI, rows(lake.spark, KPI, [{**row, **number}]))
        score = {"model_name": "churn", "model_version": "1", "as_of": on, "metric": "psi:score", "value": 0.4}
        lake.append(
            MODEL_MONITORING, rows(lake.spark, MODEL_MONITORING, [{**score, "threshold": 0.2, "is_alert": drift}])
        )
        for _ in range(2):  # the second run of a day changes and sends nothing
            jobs.find("alerts").run(lake, conf, on)

    def sent() -> object:
        return lake.read(ALERTS).where("rule = 'fell'").select(F.unix_micros("sent_at")).collect()

    hook = chat.conf()
    conf = configured(RULES, f"alerts.webhook.url={hook.url}", "alerts.webhook.retries=0")
    chat.statuses = [500, 200]  # down at the first run, taken at the second
    day(0, 8.0)
    assert [body["rule"] for _, body in chat.got] == ["fell", "fell"]
    sent_first = sent()
    day(1, 7.0, drift=True)
    assert [body["subject_id"] for _, body in chat.got[2:]] == ["churn/1/psi:score"]
    day(2, 12.0, drift=True)
    assert len(chat.got) == 3
    shown = lake.read(ALERTS).orderBy("raised_on").select(
        "raised_on", "as_of", "rule", "subject_kind", "value", "severity", "notify", "state", "closed_on",
        F.col("sent_at").isNotNull(),
    )  # fmt: skip
    assert sent() == sent_first  # an update and the end leave it as it is
    later, last = D + timedelta(days=1), D + timedelta(days=2)
    assert [tuple(row) for row in shown.collect()] == [
        (D, last, "fell", "metric", 7.0, "critical", "ops", "closed", last, True),
        (later, last, "model_monitoring", "model", 0.4, "warning", None, "open", None, True),
    ]

    open_now = memberlake(lake)
    assert open_now.exit_code == 0, open_now.output
    assert [said in open_now.stdout for said in ("psi:score of model churn", "fell")] == [True, False]
    everything = memberlake(lake, "--all", "--exit-code", "--format", "json")
    assert everything.exit_code == 3
    assert [(a["rule"], a["state"]) for a in json.loads(everything.stdout)] == [
        ("fell", "closed"),
        ("model_monitoring", "open"),
    ]
    day(3, 12.0)  # the drift is over
    over = memberlake(lake, "--exit-code", "--format", "json")
    assert (over.exit_code, json.loads(over.stdout)) == (0, [])
    with pytest.raises(UserError, match=f"gold.kpi is as of {D + timedelta(days=3)}: run kpi as of 2042-11-20 first"):
        jobs.find("alerts").run(lake, conf, date(2042, 11, 20))
    day(-1, 5.0, drift=True)  # before the last day that was judged: what happened since is known
    assert lake.read(ALERTS).count() == 2
    assert len(chat.got) == 3


def test_an_alert_that_is_refused_keeps_no_other_back(lake: Lake, chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"model_name": "churn", "metric": "psi:score", "value": 0.4, "threshold": 0.2, "is_alert": True}

    def night(n: int, versions: str, statuses: list[int | None]) -> list[tuple[str, str, bool]]:
        monitored = [{**told, "as_of": D + timedelta(days=n), "model_version": v} for v in versions]
        lake.append(MODEL_MONITORING, rows(lake.spark, MODEL_MONITORING, monitored))
        chat.statuses = statuses
        jobs.find("alerts").run(lake, conf, D + timedelta(days=n))
        held = lake.read(ALERTS).orderBy("subject_id").collect()
        return [(a.subject_id, a.state, a.sent_at is not None) for a in held]

    hook = chat.conf()
    conf = configured("alerts.rules=[]", f"alerts.webhook.url={hook.url}", "alerts.webhook.retries=0")
    one, two, three = (f"churn/{v}/psi:score" for v in "123")
    assert night(0, "12", [400, 200]) == [(one, "open", False), (two, "open", True)]
    # version 2 was replaced by 3; who is silent is not asked again for the next alert
    assert night(1, "13", [None]) == [(one, "open", False), (two, "closed", True), (three, "open", False)]
    assert len(chat.got) == 3
    monkeypatch.setattr(webhook, "PATIENCE", 0.0)  # but a night waits for no chat that takes long to refuse each
    assert [is_sent for *_, is_sent in night(2, "13", [500, 500])] == [False, True, False]
    assert len(chat.got) == 4
    explain.job(lake, conf, jobs.find("alerts"), D + timedelta(days=3))  # which tells nobody
    assert len(chat.got) == 4


def test_a_day_too_far_is_taken_back(lake: Lake) -> None:
    """A mistaken --as-of closed an alert and opened another: with --rebuild it is as if it had not been judged."""
    of_all = {"period": "day", "dimension": "all", "dimension_value": "all", "is_complete": True}
    for n, visits, orders in ((0, 4.0, 9.0), (1, 3.0, 9.0), (30, 9.0, 2.0)):
        day = D + timedelta(days=n)
        told = [{"metric": m, "value": v, "period_start": day, "as_of": day} for m, v in
                (("visits", visits), ("orders", orders))]  # fmt: skip
        lake.append(KPI, rows(lake.spark, KPI, [{**of_all, **row} for row in told]))
    rules = [f"{{name: {name}, metric: {name}, period: day, below: 6}}" for name in ("orders", "visits")]
    conf = configured(f"alerts.rules=[{', '.join(rules)}]")

    def judged(n: int) -> list[tuple[object, ...]]:
        jobs.find("alerts").run(lake, conf, D + timedelta(days=n))
        shown = lake.read(ALERTS).orderBy("rule").select("rule", "raised_on", "value", "state", "as_of", "closed_on")
        return [tuple(alert) for alert in shown.collect()]

    first, later, far = D, D + timedelta(days=1), D + timedelta(days=30)
    assert judged(0) == [("visits", first, 4.0, "open", first, None)]
    too_far = [("orders", far, 2.0, "open", far, None), ("visits", first, 4.0, "closed", far, far)]
    assert judged(30) == too_far
    assert judged(1) == too_far
    lake.rebuild = True
    assert judged(1) == [("visits", first, 3.0, "open", later, None)]
    lake.rebuild = False
    assert judged(30) == [("orders", far, 2.0, "open", far, None), ("visits", first, 3.0, "closed", far, far)]


def test_a_week_that_is_running_in_the_table_is_not_judged(lake: Lake) -> None:
    """kpi ran as of a past day after the week was over: it is as of that day."""
    week = {"period": "week", "period_start": date(2026, 11, 9), "dimension": "all", "dimension_value": "all"}
    week |= {"numerator": 4.0, "value": 4.0}
    running, over = {"is_complete": False, "as_of": date(2026, 11, 12)}, {"is_complete": True, "as_of": D}
    lake.append(
        KPI, rows(lake.spark, KPI, [{**week, "metric": "orders", **running}, {**week, "metric": "visits", **over}])
    )
    rules = [f"{{name: {name}, metric: {name}, period: week, below: 6}}" for name in ("orders", "visits")]
    jobs.find("alerts").run(lake, configured(f"alerts.rules=[{', '.join(rules)}]"), D)
    assert [alert.rule for alert in lake.read(ALERTS).collect()] == ["visits"]


def test_alerts_of_a_lake_without_any(lake: Lake) -> None:
    lake.append(KPI, rows(lake.spark, KPI, []))
    jobs.find("alerts").run(lake, configured(), D)
    assert Lake(lake.spark, lake.conf).ready(ALERTS)
    shown = memberlake(lake, "--exit-code")
    assert shown.exit_code == 0, shown.output
    refused = memberlake(lake, "--loud")
    assert (refused.exit_code, "--loud" in refused.stderr) == (2, True)
