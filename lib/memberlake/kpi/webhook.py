"""Posts alerts as JSON. Nothing here raises: a chat that is down must not stop the night's jobs."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from http.client import HTTPException
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from memberlake.conf.kpi import WebhookConf
from memberlake.kpi.alerts import Alert

Answer = Literal["taken", "refused", "none"]

PATIENCE = 60.0  # seconds after which a run that is refused asks no more: each alert may take all its retries

log = logging.getLogger(__name__)


def post(alert: Alert, conf: WebhookConf, wait: Callable[[float], None] = time.sleep) -> Answer:
    """Posts an alert, again after 1, 2, 4 ... seconds when the answer is not 2xx or does not come in time.

    The header Idempotency-Key is the alert's id, for a receiver that got it although the answer was lost.

    Returns:
        `taken`; `refused`, when the last answer was another HTTP status; or `none`, when there was no answer.
    """
    fields = {k: v for k, v in asdict(alert).items() if k not in {"sent_at", "closed_on"}}
    body = json.dumps(fields, default=str, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": alert.alert_id}
    answer: Answer = "none"
    for attempt in range(conf.retries + 1):
        if attempt:
            wait(2.0 ** (attempt - 1))
        try:
            _ask(Request(str(conf.url), body, headers), conf.timeout_seconds)
            return "taken"
        except OSError as error:  # URLError, HTTPError and time-outs are
            answer, said = "refused" if isinstance(error, HTTPError) else "none", str(error) or type(error).__name__
        except (HTTPException, ValueError) as error:
            answer, said = "none", type(error).__name__  # its text may quote the address, and with it a token
        log.warning("alert %s was not taken by the webhook: %s", alert.alert_id, said)
    return answer


class _Stay(HTTPRedirectHandler):
    """Follows no redirection: that would be a GET without the alert, and whatever page answers it took none."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _ask(request: Request, seconds: float) -> None:
    """Raises what went wrong, an HTTPError for an answer that is not 2xx.

    In a thread, for a socket's time-out begins anew with every byte: an answer that drips would never end.
    """
    ended: SimpleQueue[Exception | None] = SimpleQueue()

    def ask() -> None:
        try:
            build_opener(_Stay).open(request, timeout=seconds).close()
            ended.put(None)
        except Exception as error:
            ended.put(error)

    Thread(target=ask, daemon=True).start()
    try:
        error = ended.get(timeout=seconds)
    except Empty:
        raise TimeoutError("timed out") from None
    if error:
        raise error
