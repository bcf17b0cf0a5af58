"""Faults of the engine and of the service's process, made for real on vLLM. Their times are in docs/reliability.md."""

from __future__ import annotations

import pytest

from bench.faults import clients, engine
from bench.faults.service import running
from tests.e2e.conftest import Trained

pytestmark = pytest.mark.vllm


def test_a_killed_engine_fails_its_streams_in_words_and_is_back_after_it_was_proved_again(trained: Trained) -> None:
    with running(trained.root, trained.adapter, "vllm", {"drain_seconds": 240}) as service:
        found = engine.engine_killed(service)
        assert found["without_error"] == 0
        drained = clients.drained(service, count=8, tokens=100)
    assert (drained["finished"], drained["new"]) == (8, 503)


def test_a_stopped_engine_is_noticed_and_may_come_back_and_no_process_outlives_the_service(trained: Trained) -> None:
    settings = {"silent_seconds": 6, "answer_seconds": 20}
    with running(trained.root, trained.merged, "vllm", settings) as service:
        found = engine.engine_stopped(service)
        killed = engine.parent_killed(service)
    assert found["status"] == 504
    assert found["not_ready"] < found["deadline"]
    assert killed["children"] >= 1
    assert killed["left"] == 0


def test_a_service_that_is_told_to_stop_while_it_starts_leaves_no_process(trained: Trained) -> None:
    assert engine.stopped_while_starting(trained.root, trained.merged, after=15.0)["left"] == 0
