"""The webhook against a real HTTP server on this machine: taken, taken at the third try, refused, silent, not there."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
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


@pytest.mark.parametrize("status", [302, 400, 500])
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


def test_an_answer_that_drips_is_none() -> None:
    """The time-out is the whole answer's, not that of each of its bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            asked, _ = server.accept()
            with asked, contextlib.suppress(OSError):  # who asked is gone
                for byte in b"HTTP/1.1 200 OK\r\n" + b"X" * 20:
                    asked.send(bytes([byte]))
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        conf = WebhookConf(url=f"http://127.0.0.1:{server.getsockname()[1]}/", timeout_seconds=0.3, retries=0)
        started = time.monotonic()
        assert webhook.post(ALERT, conf) == "none"
        assert time.monotonic() - started < 1


@pytest.mark.parametrize("url", ["http://me:t0ken@chat.invalid/", "http://chat.invalid/?key=t0 ken"])
def test_an_address_that_is_none_is_not_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """It may hold a token."""
    assert webhook.post(ALERT, WebhookConf(url=url, timeout_seconds=1, retries=0)) == "none"
    assert caplog.messages == ["alert a1 was not taken by the webhook: InvalidURL"]
