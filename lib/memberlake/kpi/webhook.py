"""Posts alerts as JSON. Nothing here raises: a chat that is down must not stop the night's jobs."""

from __future__ import annotations

import json
import logging
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from http.client import HTTPException
from typing import Literal
from urllib.error import HTTPError

from memberlake.conf.kpi import WebhookConf
from memberlake.kpi.alerts import Alert

Answer = Literal["taken", "refused", "none"]

log = logging.getLogger(__name__)


def post(alert: Alert, conf: WebhookConf, wait: Callable[[float], None] = time.sleep) -> Answer:
    """Posts an alert, again after 1, 2, 4 ... seconds when the answer is not 2xx or does not come in time.

    The header Idempotency-Key is the alert's id, for a receiver that got it although the answer was lost.

    Returns:
        `taken`; `refused`, when the last answer was another HTTP status; or `none`, when there was no answer.
    """
    told = {k: v for k, v in asdict(alert).items() if k not in {"sent_at", "closed_on"}}
    body = json.dumps(told, default=str, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": alert.alert_id}
    answer: Answer = "none"
    for attempt in range(conf.retries + 1):
        if attempt:
            wait(2.0 ** (attempt - 1))
        try:
            request = urllib.request.Request(str(conf.url), body, headers)
            with urllib.request.urlopen(request, timeout=conf.timeout_seconds) as response:
                if 200 <= response.status < 300:
                    return "taken"
                answer, said = "refused", f"HTTP {response.status}"
        except (OSError, HTTPException, ValueError) as error:  # URLError, HTTPError and time-outs are OSErrors
            answer, said = "refused" if isinstance(error, HTTPError) else "none", str(error) or type(error).__name__
        log.warning("alert %s was not taken by the webhook: %s", alert.alert_id, said)
    return answer
