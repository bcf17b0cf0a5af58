"""`kit top` reads a running service; into a pipe it prints one table."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from tests.kit.cli.conftest import run_kit
from tests.serving.conftest import Serve
from tests.serving.conftest import bundle as bundle
from tests.serving.conftest import serve as serve
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import eventually


def test_it_shows_what_waits_what_was_answered_and_what_failed(serve: Serve, tmp_path: Path) -> None:
    engine = ControlledEngine()
    service = serve(engine, state=tmp_path / "state")
    tokens = sum(service.chat().json()["usage"]["completion_tokens"] for _ in range(3))
    assert service.chat(n=-1).status_code == 422
    engine.proceed.clear()
    streaming = threading.Thread(target=lambda: service.chat(stream=True))
    streaming.start()
    eventually(lambda: engine.active == 1, "a stream is being written")
    done = run_kit("top", "--url", service.url, "--every", "0.2", cwd=tmp_path)
    assert done.code == 0
    assert done.out.startswith(f"{service.url}: ready. Running: 1. Responses with an error: 1.\n")
    assert "\x1b" not in done.out
    engine.proceed.set()
    streaming.join()
    data = json.loads(run_kit("top", "--url", service.url, "--every", "0.2", "--json", cwd=tmp_path).out)
    [load] = data["bundles"]
    assert load["bundle"].startswith("counter@")
    assert (load["requests"], load["failed"], load["waiting"], load["writing"]) == (4, 0, 0, 0)
    assert load["completion_tokens"] > tokens
    assert data["ledger_waiting"] == 0


def test_a_service_that_is_not_ready_or_not_there_is_said(serve: Serve, tmp_path: Path) -> None:
    engine = ControlledEngine()
    engine.answers_as_base = True
    service = serve(engine, ready=False)
    eventually(lambda: service.http.get("/readyz").json()["error"]["code"] == "refused", "it is refused")
    done = run_kit("top", "--url", service.url, "--looks", "1", cwd=tmp_path)
    assert done.code == 3
    assert "not ready: " in done.out
    nobody = run_kit("top", "--url", "http://127.0.0.1:9", cwd=tmp_path)
    assert nobody.code == 2
    assert "No service of this kit answers there" in nobody.err
