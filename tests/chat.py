"""A real HTTP server on this machine that alerts are posted to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from memberlake.conf.kpi import WebhookConf


class Chat(HTTPServer):
    """Answers with the statuses given, then 200; None is silence."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses: list[int | None] = []
        self.got: list[tuple[dict[str, str], Any]] = []

    def conf(self, **given: Any) -> WebhookConf:
        return WebhookConf(url=f"http://127.0.0.1:{self.server_port}/hook", timeout_seconds=0.3, retries=2, **given)


class _Handler(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({**self.headers}, json.loads(body)))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status is None:
            time.sleep(0.5)
            return
        self.send_response(status)
        self.send_header("Location", "/elsewhere")  # of a redirection
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def chat() -> Iterator[Chat]:
    server = Chat()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
