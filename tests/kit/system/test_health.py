"""`python -m kit.system.health` tells a ready service from one that is not, with the standard library alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
REFUSED = b'{"error": {"message": "The adapter is ignored.", "code": "refused"}}'


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def check(port: int, host: str = "0.0.0.0") -> tuple[int, str]:
    variables = {"DOMAINKIT_HOST": host, "DOMAINKIT_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, "-S", "-m", "kit.system.health"]  # without site-packages
    environment = {**os.environ, **variables, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip()


def test_a_ready_service_is_healthy() -> None:
    with answering(200, b"{}") as port:
        assert check(port) == (0, "")


@pytest.mark.parametrize(
    ("body", "says"), [(REFUSED, "The adapter is ignored."), (b"<html>", "The service answered 503."), (b"[]", "503")]
)
def test_a_service_that_is_not_ready_is_not_healthy_and_the_reason_is_told(body: bytes, says: str) -> None:
    with answering(503, body) as port:
        code, told = check(port, "127.0.0.1")
    assert code == 1
    assert says in told


def test_no_answer_is_not_healthy() -> None:
    with answering(200, b"{}") as port:
        pass
    code, told = check(port)
    assert code == 1
    assert told.startswith(f"There is no answer from http://127.0.0.1:{port}/readyz")
