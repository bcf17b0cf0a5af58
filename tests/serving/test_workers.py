"""The work of a task stops when its client disconnects, delays no other request, and never prevents shutdown."""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from kit.bundle.store import Bundle
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.serving.bundles import weightless_bundle
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import PATIENCE, Service, eventually, running
from tests.serving.misbehaving_task import MISBEHAVING_TASK
from tests.serving.test_server import process

ENDLESS = ["loop", "library", "read loop", "read library"]
NORMAL = {"text": "four"}


@pytest.fixture(scope="session")
def misbehaving(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return weightless_bundle(tmp_path_factory.mktemp("misbehaving"), task=MISBEHAVING_TASK)


@pytest.fixture(scope="module")
def service(misbehaving: Bundle) -> Iterator[Service]:
    """One service for all tests that leave it able to answer, as each of them checks."""
    with running(create_app(Settings(), ControlledEngine(), [Deployed(misbehaving, "preview")])) as shared:
        yield shared


def request_and_disconnect(url: str, work: str, note: Path, seconds: float = 0.5) -> int:
    """Request work and disconnect; return the id of the worker process."""
    body = {"text": "x", "work": work, "note": str(note)}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/v1/counter", json=body, timeout=httpx.Timeout(5, read=seconds))
    return int(note.read_text().split()[0])


def is_gone(pid: int) -> bool:
    return not alive(pid)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def answers(service: Service) -> bool:
    answer = service.http.post("/v1/counter", json=NORMAL)
    return answer.status_code == 200 and answer.json() == {"characters": 4}


@pytest.mark.parametrize("work", ENDLESS)
def test_work_stops_within_half_a_second_after_a_disconnect(service: Service, tmp_path: Path, work: str) -> None:
    pid = request_and_disconnect(service.url, work, tmp_path / "note")
    time.sleep(0.5)
    assert not alive(pid)
    assert answers(service)


def test_disconnecting_clients_do_not_delay_other_requests(serve: Serve, misbehaving: Bundle, tmp_path: Path) -> None:
    service = serve(bundles=[Deployed(misbehaving, "preview")], task_workers=2)
    leaving = [
        threading.Thread(target=request_and_disconnect, args=(service.url, "library", tmp_path / str(number), 1.5))
        for number in range(2)
    ]
    for thread in leaving:
        thread.start()
    seconds = []
    while any(thread.is_alive() for thread in leaving):
        began = time.monotonic()
        assert service.http.get("/livez").status_code == 200
        seconds.append(time.monotonic() - began)
        time.sleep(0.01)
    assert statistics.median(seconds) < 0.1
    assert answers(service)


def test_work_that_takes_too_long_is_stopped(serve: Serve, misbehaving: Bundle, tmp_path: Path) -> None:
    service = serve(bundles=[Deployed(misbehaving, "preview")], task_seconds=0.3)
    note = tmp_path / "note"
    answer = service.http.post("/v1/counter", json={"text": "x", "work": "loop", "note": str(note)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "task_timeout")
    assert answer.headers["x-should-retry"] == "false"
    eventually(lambda: not alive(int(note.read_text().split()[0])), "the work has ended")
    assert answers(service)


@pytest.mark.parametrize("work", ["death", "read death"])
def test_a_worker_that_dies_is_replaced(service: Service, work: str) -> None:
    answer = service.http.post("/v1/counter", json={"text": "x", "work": work})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "task_died")
    assert answers(service)


def test_a_killed_fork_server_is_replaced(service: Service, tmp_path: Path) -> None:
    note = tmp_path / "note"
    assert service.http.post("/v1/counter", json={**NORMAL, "note": str(note)}).status_code == 200
    worker, fork_server = map(int, note.read_text().split())
    os.kill(fork_server, signal.SIGKILL)
    eventually(lambda: not alive(worker), "the worker ended with it")
    eventually(lambda: answers(service), "a new fork server gives workers")


def test_an_unexpected_error_of_the_task_is_in_the_log_with_its_place_and_without_its_message(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    answer = service.http.post("/v1/counter", json={"text": "x", "work": "bug"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert "builtins.KeyError" in caplog.text
    assert "task.py:" in caplog.text
    assert "secret of the task" not in caplog.text


def test_an_error_class_defined_by_the_task_is_handled_as_its_base_class(service: Service) -> None:
    answer = service.http.post("/v1/counter", json={"text": "x", "work": "read odd"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (502, "Odd answer.")


@pytest.mark.parametrize("work", ENDLESS)
def test_a_signal_ends_the_service_during_endless_work(misbehaving: Bundle, tmp_path: Path, work: str) -> None:
    with process(misbehaving) as (program, url):
        reads = work.startswith("read")  # then the engine first takes a second for its answer
        pid = request_and_disconnect(url, work, tmp_path / "note", seconds=2 if reads else 0.5)
        began = time.monotonic()
        program.send_signal(signal.SIGTERM)
        assert program.wait(PATIENCE) == -signal.SIGTERM
        assert time.monotonic() - began < 5
        eventually(lambda: not alive(pid), "the work has ended")


def test_workers_end_when_the_service_is_killed(misbehaving: Bundle, tmp_path: Path) -> None:
    with process(misbehaving) as (program, url):
        note = tmp_path / "note"
        body = {"text": "x", "work": "library", "note": str(note)}
        client = threading.Thread(target=lambda: _asked(url, body))
        client.start()
        eventually(lambda: note.is_file() and " " in note.read_text(), "the work has begun")
        program.kill()
        for pid in map(int, note.read_text().split()):
            eventually(partial(is_gone, pid), "it ended with the service")
        client.join(PATIENCE)


def _asked(url: str, body: dict[str, str]) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.post(f"{url}/v1/counter", json=body, timeout=PATIENCE)
