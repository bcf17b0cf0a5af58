"""A service that is killed loses no token that a client got: the next start, or `kit usage`, adds its open requests."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from kit.bundle.store import Bundle
from tests.serving.http import PATIENCE, eventually
from tests.serving.ledger.conftest import Place

PAUSES, ENDS = 7, 9  # tokens: the engine of the process waits for ever after the third token of the first kind
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}


@contextmanager
def process(bundle: Bundle, place: Place, counts: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    words = [str(bundle.folder), bundle.digest, str(place.state), str(counts), *([place.url] if place.url else [])]
    command = [sys.executable, "-m", "tests.serving.ledger.counting", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running, running.stdout.readline().strip()
        finally:
            running.kill()


def counted(counts: Path) -> tuple[int, int]:
    """Return what the engine noted: the tokens that it read, and those that it handed over."""
    noted = counts.read_bytes()
    return noted.count(b"r"), noted.count(b"w")


def received(url: str, tokens: int) -> int:
    """Ask for a stream and count the pieces of text until the service dies, or the answer ends."""
    pieces, address, body = 0, f"{url}/v1/chat/completions", CHAT | {"max_tokens": tokens}
    with (
        suppress(httpx.RemoteProtocolError, httpx.ReadError),
        httpx.stream("POST", address, json=body, timeout=PATIENCE) as answer,
    ):
        for line in answer.iter_lines():
            pieces += '"delta":{"content":"' in line and '"content":""' not in line
    return pieces


def test_kill_9_in_the_middle_of_streams_loses_no_token(bundle: Bundle, place: Place, tmp_path: Path) -> None:
    counts = tmp_path / "counts"
    with process(bundle, place, counts) as (running, url), ThreadPoolExecutor(12) as threads:
        complete = [threads.submit(received, url, ENDS) for _ in range(8)]
        assert [each.result() for each in complete] == [6] * 8
        cut = [threads.submit(received, url, PAUSES) for _ in range(12)]
        eventually(lambda: counted(counts)[1] == 8 * 6 + 12 * 3, "every stream waits after its third token")
        running.send_signal(signal.SIGKILL)
        assert [each.result() for each in cut] == [3] * 12
        running.wait(PATIENCE)
    assert place.tokens() == counted(counts)
    assert {row.group[0]: row.requests for row in place.usage("outcome").rows} == {"answered": 8, "crashed": 12}
    assert place.tokens() == counted(counts), "a second look adds nothing"


def test_kill_9_at_any_moment_counts_at_least_what_clients_got_and_at_most_what_the_engine_made(
    bundle: Bundle, place: Place, tmp_path: Path
) -> None:
    counts = tmp_path / "counts"
    got = 0
    for pause in (0.2, 0.45):
        with process(bundle, place, counts) as (running, url), ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(received, url, ENDS) for _ in range(60)]
            with suppress(subprocess.TimeoutExpired):
                running.wait(pause)
            running.send_signal(signal.SIGKILL)
            for each in asked:
                with suppress(httpx.ConnectError):
                    got += each.result()
    read, written = place.tokens()
    assert got <= written <= counted(counts)[1]
    assert got > 0
    assert 0 < read <= counted(counts)[0]


def test_the_next_start_adds_what_the_killed_service_left(bundle: Bundle, place: Place, tmp_path: Path) -> None:
    counts = tmp_path / "counts"
    with process(bundle, place, counts) as (running, url), ThreadPoolExecutor(3) as threads:
        for _ in range(3):
            threads.submit(received, url, PAUSES)
        eventually(lambda: counted(counts)[1] == 9, "every stream waits after its third token")
        running.send_signal(signal.SIGKILL)
    with process(bundle, place, counts) as (running, url):
        assert received(url, ENDS) == 6
        running.send_signal(signal.SIGTERM)
        running.wait(PATIENCE)
    assert place.tokens() == counted(counts)
    assert place.usage().total.requests == 4


@pytest.mark.parametrize("services", [2])
def test_two_services_share_a_ledger_and_neither_takes_the_others_open_requests(
    bundle: Bundle, place: Place, tmp_path: Path, services: int
) -> None:
    counts = tmp_path / "counts"
    with (
        process(bundle, place, counts) as (first, one),
        process(bundle, place, counts) as (second, two),
        ThreadPoolExecutor(services) as threads,
    ):
        for url in (one, two):
            threads.submit(received, url, PAUSES)
        eventually(lambda: counted(counts)[1] == 6, "both streams wait")
        assert place.usage().total.requests == 0, "both services run"
        first.send_signal(signal.SIGKILL)
        first.wait(PATIENCE)
        eventually(lambda: place.usage().total.requests == 1, "the request of the first is added")
        second.send_signal(signal.SIGKILL)
    assert place.tokens() == counted(counts), "and that of the second after its own end"
