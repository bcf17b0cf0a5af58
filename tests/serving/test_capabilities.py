"""Optional capabilities of a task over HTTP: shortcuts, typed events, gaps, and batches of typed requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kit.engines.base import Generation
from kit.task import FreeText, Infill, Shortcut, Stream
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.serving.bundles import weightless_bundle
from tests.serving.capable_task import TASK
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service, eventually, running

ROUTE = "/v1/turn"
EVENTS = {"accept": "text/event-stream"}
HELP = {"action": "call", "words": "Help is on its way."}


def written(request: Generation) -> str:
    """The answer of the engine: prompts that name 'odd' get an action that does not exist."""
    return "wave Good day to you" if isinstance(request.answer, FreeText) else ""


@pytest.fixture(scope="module")
def engine() -> ControlledEngine:
    return ControlledEngine(written)


@pytest.fixture(scope="module")
def service(engine: ControlledEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    bundle = weightless_bundle(tmp_path_factory.mktemp("turn"), task=TASK)
    with running(create_app(Settings(), engine, [Deployed(bundle, "preview")])) as shared:
        yield shared


def events_of(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_a_task_has_a_capability_if_it_has_the_methods(tmp_path_factory: pytest.TempPathFactory) -> None:
    [task] = weightless_bundle(tmp_path_factory.mktemp("capable"), task=TASK).tasks()
    [plain] = weightless_bundle(tmp_path_factory.mktemp("plain")).tasks()
    for capability in (Shortcut, Stream, Infill):
        assert isinstance(task, capability)
        assert not isinstance(plain, capability)


def test_a_shortcut_answers_without_the_model_and_says_so(service: Service, engine: ControlledEngine) -> None:
    before = len(engine.requests)
    response = service.http.post(ROUTE, json={"text": "help!"})
    assert response.json() == HELP
    assert response.headers["x-domainkit-disclosure"] == "rule"
    streamed = service.http.post(ROUTE, json={"text": "help!"}, headers=EVENTS)
    assert events_of(streamed.text) == [("response", HELP)]
    assert len(engine.requests) == before
    assert service.http.post(ROUTE, json={"text": "Hi"}).headers["x-domainkit-disclosure"] == "generated"


def test_the_action_arrives_before_the_words_and_the_response_last(service: Service) -> None:
    response = service.http.post(ROUTE, json={"text": "Hi"}, headers=EVENTS)
    assert response.headers["content-type"].startswith("text/event-stream")
    found = events_of(response.text)
    assert found[0] == ("action", {"action": "wave"})
    assert {name for name, _ in found[1:-1]} == {"words"}
    assert "".join(data["text"] for _, data in found[1:-1]) == "Good day to you"
    assert found[-1] == ("response", {"action": "wave", "words": "Good day to you"})


def test_an_event_is_sent_while_the_model_still_writes(service: Service, engine: ControlledEngine) -> None:
    engine.delay = 0.3
    try:
        with service.http.stream("POST", ROUTE, json={"text": "Hi"}, headers=EVENTS) as response:
            lines = response.iter_lines()
            assert next(lines) == "event: action"
            assert engine.active == 1
    finally:
        engine.delay = 0.0
    eventually(lambda: engine.active == 0, "the stream that its client left has ended")


def test_a_stream_that_fails_ends_with_an_error(service: Service, engine: ControlledEngine) -> None:
    engine.script = lambda request: "wave bad"
    try:
        response = service.http.post(ROUTE, json={"text": "Hi"}, headers=EVENTS)
    finally:
        engine.script = written
    assert response.status_code == 200, "the first event was sent before the failure"
    *sent, (last, data) = events_of(response.text)
    assert [name for name, _ in sent] == ["action", "words"]
    assert (last, data["error"]["code"]) == ("error", "unreadable_answer")


def test_an_unreadable_stream_names_the_reason(service: Service, engine: ControlledEngine) -> None:
    engine.script = lambda request: "jump over it"
    try:
        response = service.http.post(ROUTE, json={"text": "Hi"}, headers=EVENTS)
    finally:
        engine.script = written
    assert response.status_code == 502
    assert "'jump' is no action" in response.json()["error"]["message"]


def test_a_task_fills_a_gap_with_the_bases_own_tokens(service: Service, engine: ControlledEngine) -> None:
    response = service.http.post(ROUTE, json={"text": "before", "suffix": "after"})
    assert response.status_code == 200
    request = engine.requests[-1]
    assert (request.ids[0], request.ids[-1]) == (3, 5)
    assert {3, 4, 5} < {*request.sampling.stop_ids}


def test_a_batch_gives_each_request_its_own_response_or_error(service: Service) -> None:
    requests = [{"text": "Hi"}, {"txet": "Hi"}, {"text": "help"}, 5]
    answer = service.http.post(f"{ROUTE}/batch", json={"requests": requests}).json()
    assert [result["index"] for result in answer["results"]] == [0, 1, 2, 3]
    assert answer["results"][0]["response"] == {"action": "wave", "words": "Good day to you"}
    assert [answer["results"][index]["disclosure"] for index in (0, 2)] == ["generated", "rule"]
    assert "txet" in answer["results"][1]["error"]["message"]
    assert answer["results"][2]["response"] == HELP
    assert answer["results"][3]["error"]["code"] == "invalid_value"
    assert not any({"response", "error"} <= result.keys() for result in answer["results"])


@pytest.mark.parametrize("requests", [None, [], [{"text": "Hi"}] * 257, "Hi"])
def test_a_batch_has_1_to_256_requests(service: Service, requests: Any) -> None:
    response = service.http.post(f"{ROUTE}/batch", json={"requests": requests})
    assert response.status_code == 422
    assert response.json()["error"]["param"] == "requests"


def test_the_document_names_the_events_and_the_batch(service: Service) -> None:
    paths = service.http.get("/openapi.json").json()["paths"]
    content = paths[ROUTE]["post"]["responses"]["200"]["content"]
    assert content.keys() == {"application/json", "text/event-stream"}
    assert "action, words, response" in json.dumps(content["text/event-stream"])
    assert f"{ROUTE}/batch" in paths
