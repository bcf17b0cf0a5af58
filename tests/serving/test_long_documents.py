"""A long document takes time in proportion to its length, whatever it holds, and its work ends with its client.

The limits are wide, so that a busy machine does not fail them: where time grows with the square of the length, each
document takes minutes.
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
from serving.catalogue import Deployed
from serving.settings import Settings
from tests.serving.http import PATIENCE, Service, running
from tests.serving.paper import template_bundle
from tests.serving.stage import LINE, Stage
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
    with running(create_app(Settings(), Stage(found_nothing), [Deployed(legal, "verified")])) as shared:
        yield shared


def workers(service: int) -> list[psutil.Process]:
    """Return the processes that read requests: grandchildren that run. One that ended may not be collected yet."""
    below = [child for nursery in psutil.Process(service).children() for child in nursery.children()]
    return [each for each in below if each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("piece", PIECES)
def test_300000_characters_of_one_piece_are_answered(service: Service, piece: str) -> None:
    text = (piece * 300_000)[:300_000]
    began = time.monotonic()
    answer = service.http.post(ROUTE, json={"text": text})
    assert time.monotonic() - began < SECONDS
    assert answer.status_code == 200
    assert answer.json()["coverage"] == 1.0


def left_after_half_a_second(url: str, text: str) -> None:
    """Ask about a document, and leave while it is read."""
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}{ROUTE}", json={"text": text}, timeout=httpx.Timeout(PATIENCE, read=0.5))


@pytest.mark.parametrize("piece", [". ", ": A"])
def test_the_work_ends_with_its_client_and_keeps_no_service_from_ending(legal: Bundle, piece: str) -> None:
    with process(legal) as (program, url):
        left_after_half_a_second(url, piece * 3_000_000)
        time.sleep(0.5)
        assert not workers(program.pid)
        left_after_half_a_second(url, piece * 3_000_000)
        program.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert program.wait(PATIENCE) == -signal.SIGTERM
        assert time.monotonic() - began < 5
