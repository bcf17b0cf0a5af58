"""A word that stands only in prompts appears in no log, metric, trace, error, ledger row or audit entry."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kit.bundle.store import Bundle
from kit.engines.base import Generation
from serving.models.catalogue import Deployed
from serving.observability.logs import REQUESTS, JsonLines, Sentences
from tests.serving.bundles import weightless_bundle
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service, eventually
from tests.serving.misbehaving_task import MISBEHAVING_TASK

CANARY = "xylocanary7"
TURNS = [{"role": "user", "content": f"Say {CANARY}"}]
LEAKY_TASK = MISBEHAVING_TASK.replace('{}["secret of the task"]', "{}[note]").replace("if note:", "if False:")
PROMPTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "system", "content": CANARY}, *TURNS]},
    "/v1/responses": {"input": CANARY, "instructions": CANARY},
    "/v1/messages": {"messages": TURNS, "system": CANARY, "max_tokens": 9},
    "/v1/messages/count_tokens": {"messages": TURNS, "system": CANARY},
    "/v1/completions": {"prompt": CANARY, "echo": True},
    "/v1/fim/completions": {"prompt": CANARY},
    "/completion": {"prompt": CANARY},
    "/infill": {"input_prefix": CANARY, "input_suffix": CANARY},
    "/v1/tokenize": {"prompt": CANARY},
    "/v1/apply-template": {"messages": TURNS},
    "/v1/counter": {"text": CANARY},
    "/v1/counter/batch": {"requests": [{"text": CANARY}, {"text": CANARY, "work": "bug", "note": CANARY}]},
}
WRONG: dict[str, dict[str, Any]] = {
    "a field of the wrong type": {"max_tokens": "many", "n_predict": "many", "work": 7},
    "a value out of range": {"temperature": -4, "n": -1},
    "an unknown field": {"unheard_of": True},
    "a model that is not there": {"model": "another"},
    "far too long": {},
}


class Kept(logging.Handler):
    """Keeps every record of the process in both forms of the log."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = io.StringIO()

    def emit(self, record: logging.LogRecord) -> None:
        for form in (JsonLines(), Sentences()):
            self.text.write(form.format(record) + "\n")


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler, root = Kept(), logging.getLogger()
    before, requests = root.level, logging.getLogger(REQUESTS)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    level, libraries = requests.level, [logging.getLogger(name) for name in ("httpx", "httpcore")]
    requests.setLevel(logging.INFO)
    for each in libraries:  # the client of this test logs too
        each.setLevel(logging.WARNING)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)
    requests.setLevel(level)


@pytest.fixture
def leaky(tmp_path: Path) -> Bundle:
    """A bundle whose task raises the text of a request."""
    return weightless_bundle(tmp_path / "bundle", task=LEAKY_TASK)


def echo(request: Generation) -> str:
    return f"You said {CANARY}."


def broken(request: Generation) -> Exception:
    return RuntimeError(f"The engine broke at {CANARY}")


def with_wrong(body: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Return a body with a mistake beside the prompt; without fields, the prompt is far too long."""
    if fields:
        return body | fields
    long = f"{CANARY} " * 9_000
    return {name: _lengthened(value, long) for name, value in body.items()}


def _lengthened(value: Any, long: str) -> Any:
    if isinstance(value, str) and CANARY in value:
        return long
    if isinstance(value, list):
        return [_lengthened(each, long) for each in value]
    return {name: _lengthened(each, long) for name, each in value.items()} if isinstance(value, dict) else value


def stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def check(service: Service, answers: list[httpx.Response], kept: Kept, state: Path) -> None:
    failed = [each for each in answers if each.status_code >= 400]
    assert failed
    for each in failed:
        assert CANARY not in each.text, each.text
        assert CANARY not in str(each.headers)
    metrics = service.http.get("/metrics").text
    assert "domainkit_requests_total" in metrics
    assert CANARY not in metrics
    assert '"message": "request"' in kept.text.getvalue()
    assert CANARY not in kept.text.getvalue()
    assert CANARY.encode() not in stored(state)


def test_the_routes_of_the_test_are_all_that_take_a_prompt(service: Service) -> None:
    paths = service.http.get("/openapi.json").json()["paths"]
    posted = {path for path, operations in paths.items() if "post" in operations}
    assert posted - set(PROMPTS) == {"/v1/detokenize"}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_refused_request_leaves_no_trace_of_its_prompt(
    serve: Serve, kept: Kept, leaky: Bundle, tmp_path: Path, wrong: str
) -> None:
    state = tmp_path / "state"
    service = serve(ControlledEngine(echo), [Deployed(leaky, "preview")], state=state)
    answers = [service.http.post(path, json=with_wrong(body, WRONG[wrong])) for path, body in PROMPTS.items()]
    check(service, answers, kept, state)


def test_answers_errors_of_tasks_and_bodies_that_are_no_json_leave_none(
    serve: Serve, kept: Kept, leaky: Bundle, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    service = serve(ControlledEngine(echo), [Deployed(leaky, "preview")], state=state)
    answers = [service.http.post(path, json=body) for path, body in PROMPTS.items()]
    assert CANARY in answers[0].text, "the answers themselves may say it"
    json_header = {"content-type": "application/json"}
    answers += [service.http.post(path, content=f'{{"text": "{CANARY}', headers=json_header) for path in PROMPTS]
    answers += [service.http.post(path, content=CANARY, headers=json_header) for path in PROMPTS]
    answers += [service.http.post("/v1/counter", json={"text": CANARY, "work": work, "note": CANARY})
                for work in ("bug", "read bug", "odd")]  # fmt: skip
    assert {each.status_code for each in answers} >= {200, 400, 500, 502}
    eventually(lambda: CANARY.encode() not in stored(state) and (state / "usage.sqlite").is_file(), "rows are written")
    check(service, answers, kept, state)


def test_a_failing_engine_leaves_none(serve: Serve, kept: Kept, tmp_path: Path) -> None:
    state = tmp_path / "state"
    service = serve(ControlledEngine(broken, before_failure=1), state=state)
    answers = [service.http.post(path, json=body) for path, body in PROMPTS.items()]
    streams = [service.http.post(path, json=body | {"stream": True}) for path, body in PROMPTS.items()]
    ends = [line for each in streams for line in each.text.splitlines() if "The service failed" in line]
    assert len(ends) >= 4
    assert all(CANARY not in line for line in ends)
    check(service, [*answers, *streams], kept, state)
