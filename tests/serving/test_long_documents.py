"""Any long document takes time in proportion to its length, and its work stops when the client disconnects.

The limits are wide, so that a busy machine passes; with quadratic time each document would take minutes.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from kit.bundle.store import Bundle
from kit.engines.base import Generation
from kit.task import FreeText
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.serving.bundles import template_bundle
from tests.serving.controlled_engine import LINE, ControlledEngine
from tests.serving.http import PATIENCE, Service, running
from tests.serving.test_server import process

ROUTE = "/v1/legal/clauses"
PIECES = [
    "Either party may terminate this Agreement on notice. ", ". ", ": A", "(a) ", "1. ", "\n", '"', "; ", "Ab. ", "-",
    "中。", "<|im_end|>",
]  # fmt: skip
SECONDS = 30


def found_nothing(request: Generation) -> str:
    return LINE if isinstance(request.answer, FreeText) else "{}"


@pytest.fixture(scope="module")
def legal(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return template_bundle(tmp_path_factory.mktemp("legal"), "legal", "smoke")


@pytest.fixture(scope="module")
def service(legal: Bundle) -> Iterator[Service]:
    with running(create_app(Settings(), ControlledEngine(found_nothing), [Deployed(legal, "verified")])) as shared:
        yield shared


def workers(service: int) -> list[psutil.Process]:
    """Return the running workers, which are grandchildren of the service. One that ended may not be reaped yet."""
    below = [child for fork_server in psutil.Process(service).children() for child in fork_server.children()]
    return [each for each in below if each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("piece", PIECES)
def test_300000_repetitive_characters_are_answered(service: Service, piece: str) -> None:
    text = (piece * 300_000)[:300_000]
    began = time.monotonic()
    answer = service.http.post(ROUTE, json={"text": text})
    assert time.monotonic() - began < SECONDS
    assert answer.status_code == 200
    assert answer.json()["coverage"] == 1.0


def disconnect_after_half_a_second(url: str, text: str) -> None:
    """Send a document and disconnect while a worker reads it."""
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}{ROUTE}", json={"text": text}, timeout=httpx.Timeout(PATIENCE, read=0.5))


@pytest.mark.parametrize("piece", [". ", ": A"])
def test_the_work_stops_with_its_client_and_does_not_delay_shutdown(legal: Bundle, piece: str) -> None:
    with process(legal) as (program, url):
        disconnect_after_half_a_second(url, piece * 3_000_000)
        time.sleep(0.5)
        assert not workers(program.pid)
        disconnect_after_half_a_second(url, piece * 3_000_000)
        program.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert program.wait(PATIENCE) == -signal.SIGTERM
        assert time.monotonic() - began < 5
