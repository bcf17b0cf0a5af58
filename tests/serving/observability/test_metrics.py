"""What Prometheus gets: requests, tokens, first tokens, readable answers, abstentions and hand-offs, and the queue."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kit.bundle.store import Bundle
from serving.models.catalogue import Deployed
from tests.serving.bundles import weightless_bundle
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service, eventually

DECIDING_TASK = '''"""Decide about a text, or hand it over."""
from typing import Literal
from pydantic import Field
from kit.metrics.reductions import mean_of
from kit.task import Message, Prompt, Strict, Task, parse_answer


class Ask(Strict):
    text: str = Field(min_length=1)


class Seen(Strict):
    present: bool


class Decision(Strict):
    action: Literal["reply", "hand_off"]
    reason: Literal["unsure"] | None = None
    text: str = ""


class Counter(Task[Ask, Decision]):
    """Decides."""

    name, route, request_type, response_type = "counter", "/v1/counter", Ask, Decision
    metrics, main_metric = {"same": mean_of("same")}, "same"

    def shortcut(self, request):
        return Decision(action="hand_off", reason="unsure") if request.text == "?" else None

    def prompts(self, request):
        return [Prompt(Seen, 16, (Message.of("user", request.text),))]

    def targets(self, request, response):
        return [None]

    def read(self, request, completions):
        seen = parse_answer(Seen, completions[0])
        return Decision(action="reply" if seen.present else "hand_off", text=request.text)

    def observe(self, expected, actual):
        return {"same": float(expected == actual)}
'''


def value(service: Service, name: str, **labels: str) -> float:
    """Return the sum of a metric over the series that have these labels."""
    families = text_string_to_metric_families(service.http.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(each.value for each in samples if labels.items() <= each.labels.items())


@pytest.fixture
def deciding(tmp_path: Path) -> Bundle:
    return weightless_bundle(tmp_path, task=DECIDING_TASK)


def test_requests_and_tokens_are_counted_by_bundle_route_and_status(serve: Serve, bundle: Bundle) -> None:
    service = serve()
    usage = [service.chat().json()["usage"] for _ in range(3)]
    assert service.chat(n=-1).status_code == 422
    chat, name = "/v1/chat/completions", f"counter@{bundle.digest[:12]}"
    assert value(service, "domainkit_requests_total", route=chat, status="200") == 3
    assert value(service, "domainkit_requests_total", route=chat, status="422") == 1
    read, written = (sum(each[kind] for each in usage) for kind in ("prompt_tokens", "completion_tokens"))
    assert value(service, "domainkit_prompt_tokens_total", bundle=name, route=chat) == read
    assert value(service, "domainkit_completion_tokens_total", bundle=name) == written
    assert value(service, "domainkit_first_token_seconds_count", bundle=name) == 3
    assert value(service, "domainkit_generated_requests_total", bundle=name, outcome="answered") == 3


def test_a_path_that_is_no_route_has_no_series_of_its_own(serve: Serve) -> None:
    service = serve()
    for path in ("/secret", "/v1/models/secret"):
        assert service.http.get(path).status_code == 404
    assert "secret" not in service.http.get("/metrics").text
    assert value(service, "domainkit_requests_total", route="other", status="404") == 1
    assert value(service, "domainkit_requests_total", route="/v1/models/{name:path}", status="404") == 1


def test_readable_answers_and_the_values_of_closed_sets_are_counted(serve: Serve, deciding: Bundle) -> None:
    said = ["no JSON"]
    service = serve(ControlledEngine(lambda _: said[-1]), [Deployed(deciding, "preview")])

    def status(text: str, written: str) -> int:
        said.append(written)
        return service.http.post("/v1/counter", json={"text": text}).status_code

    assert status("a", '{"present":true}') == 200
    assert status("b", '{"present":false}') == 200
    assert status("c", "no JSON") == 502
    assert status("?", "a rule answers") == 200
    typed = "domainkit_typed_answers_total"
    assert value(service, typed, route="/v1/counter", valid="yes") == 3
    assert value(service, typed, route="/v1/counter", valid="no") == 1
    values = "domainkit_response_values_total"
    assert value(service, values, field="action", value="reply") == 1
    assert value(service, values, field="action", value="hand_off") == 2
    assert value(service, values, field="reason", value="unsure") == 1
    assert value(service, values, field="text") == 0


def test_what_waits_and_what_is_written_shows_while_it_does(serve: Serve) -> None:
    engine = ControlledEngine()
    service = serve(engine)
    engine.may_start.clear()
    asking = threading.Thread(target=service.chat)
    asking.start()
    eventually(lambda: value(service, "domainkit_engine_queue") == 1, "the request waits for its first token")
    engine.may_start.set()
    asking.join()
    eventually(lambda: value(service, "domainkit_engine_queue") == 0, "it has ended")
    assert value(service, "domainkit_requests_running") == 1, "the scrape itself"


def test_a_service_that_is_not_ready_shows_its_metrics(serve: Serve) -> None:
    engine = ControlledEngine()
    engine.may_start.clear()
    service = serve(engine, ready=False)
    assert value(service, "domainkit_build_info") == 1
    engine.may_start.set()
