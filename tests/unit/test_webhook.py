"""The webhook against a real HTTP server on this machine: taken, taken at the third try, refused, silent, not there."""

from __future__ import annotations

from datetime import date

import pytest
from tests.chat import Chat, chat

from memberlake.conf.kpi import WebhookConf
from memberlake.kpi import webhook
from memberlake.kpi.alerts import Alert

D = date(2026, 11, 20)
__all__ = ["chat"]  # the fixture
ALERT = Alert("a1", D, D, "fell", "metric", "revenue", 5.0, 10.0, "critical", "运营", "收入 is 5, below 10")


def test_an_alert_is_posted_as_json(chat: Chat) -> None:
    assert webhook.post(ALERT, chat.conf()) == "taken"
    ((headers, body),) = chat.got
    assert (headers["Idempotency-Key"], headers["Content-Type"]) == ("a1", "application/json")
    assert body == {
        "alert_id": "a1", "raised_on": "2026-11-20", "as_of": "2026-11-20", "rule": "fell", "subject_kind": "metric",
        "subject_id": "revenue", "value": 5.0, "threshold": 10.0, "severity": "critical", "notify": "运营",
        "message": "收入 is 5, below 10", "state": "open",
    }  # fmt: skip


def test_it_is_tried_again_and_then_taken(chat: Chat) -> None:
    chat.statuses = [503, None]
    waits: list[float] = []
    assert webhook.post(ALERT, chat.conf(), waits.append) == "taken"
    assert (len(chat.got), waits) == (3, [1.0, 2.0])


@pytest.mark.parametrize("status", [400, 500])
def test_a_refusal_is_no_error(chat: Chat, status: int) -> None:
    chat.statuses = [status] * 3
    assert webhook.post(ALERT, chat.conf(), lambda _: None) == "refused"
    assert len(chat.got) == 3


def test_nobody_there(chat: Chat) -> None:
    conf = chat.conf()
    chat.shutdown()
    chat.server_close()
    assert webhook.post(ALERT, conf, lambda _: None) == "none"
    nowhere = WebhookConf(url="http://no.such.host.invalid/", timeout_seconds=1, retries=0)
    assert webhook.post(ALERT, nowhere) == "none"
