"""Every error has one shape, the right status, and the class that the OpenAI client expects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from kit.bundle.store import Bundle
from kit.task import FreeText
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import LINE, ControlledEngine
from tests.serving.http import Service, eventually, running

HELLO: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Hello"}]


def error_of(response: httpx.Response) -> dict[str, str | None]:
    body = response.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert body["error"]["message"]
    assert body["error"]["type"]
    assert body["error"]["code"]
    assert response.headers["x-request-id"]
    assert response.headers["x-domainkit-status"] == "preview"
    error: dict[str, str | None] = body["error"]
    return error


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nowhere", 404, "route_not_found"),
        ("GET", "/", 404, "route_not_found"),
        ("GET", "/docs", 404, "route_not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models/counter", 405, "method_not_allowed"),
        ("GET", "/v1/models/another", 404, "model_not_found"),
    ],
)
def test_an_unknown_route_or_model_is_an_error_with_its_code(
    service: Service, method: str, path: str, status: int, code: str
) -> None:
    response = service.http.request(method, path)
    assert response.status_code == status
    assert error_of(response)["code"] == code


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/counter"])
@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b'{"text": ', "application/json", 400, "invalid_json"),
        (b'{"text": "\xff"}', "application/json", 400, "invalid_json"),
        (b"[" * 100_000, "application/json", 400, "invalid_json"),
        (b"{}", "text/plain", 415, "not_json"),
        (b"{}", "application/json", 422, "invalid_value"),
        (b"[]", "application/json", 422, "invalid_value"),
        (b"", "application/json", 422, "invalid_value"),
    ],
)
def test_an_invalid_body_is_an_error_of_the_same_shape(
    service: Service, path: str, content: bytes, kind: str, status: int, code: str
) -> None:
    response = service.http.post(path, content=content, headers={"content-type": kind})
    assert (response.status_code, error_of(response)["code"]) == (status, code)


def test_an_invalid_value_is_reported_by_field_and_not_repeated(service: Service) -> None:
    response = service.http.post("/v1/counter", json={"text": ["secret"], "thing": 7})
    error = error_of(response)
    assert response.status_code == 422
    assert error["param"] == "text"
    assert "thing" in str(error["message"])
    assert "secret" not in response.text
    chat = service.chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}])
    assert chat.status_code == 422
    assert str(error_of(chat)["param"]).startswith("messages.0.content")


def test_an_unknown_field_of_a_typed_request_is_named(service: Service) -> None:
    response = service.http.post("/v1/counter", json={"text": "x", "txet": "y"})
    assert (response.status_code, error_of(response)["param"]) == (422, "txet")


def test_the_error_for_an_unknown_model_lists_the_known_ones(service: Service) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        service.openai().chat.completions.create(model="other", messages=[{"role": "user", "content": "Hello"}])
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"
    assert "counter" in caught.value.message


@pytest.fixture(scope="module")
def small_bodies(bundle: Bundle) -> Iterator[Service]:
    """A service that accepts only bodies of up to 10,000 bytes."""
    with running(create_app(Settings(body_bytes=10_000), ControlledEngine(), [Deployed(bundle, "preview")])) as shared:
        yield shared


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/counter"])
def test_a_body_that_is_too_large_is_refused_with_and_without_content_length(small_bodies: Service, path: str) -> None:
    large = json.dumps({"text": "x" * 200_000, "messages": HELLO}).encode()
    declared = small_bodies.http.post(path, content=large, headers={"content-type": "application/json"})
    in_pieces = small_bodies.http.post(path, content=iter([large[:9_000], large[9_000:]]))
    for response in (declared, in_pieces):
        assert (response.status_code, error_of(response)["code"]) == (413, "body_too_large")


def test_an_error_of_the_task_reaches_the_client_without_paths_on_the_server(service: Service) -> None:
    response = service.http.post("/v1/counter", json={"text": "x", "thing": "nothing"})
    assert response.status_code == 400
    assert error_of(response)["message"] == "Nothing cannot be counted. Name a thing."


def test_an_unreadable_answer_is_a_502_that_clients_do_not_retry(serve: Serve) -> None:
    service = serve(ControlledEngine(lambda asked: "no JSON" if asked.sampling.max_tokens == 16 else LINE))
    response = service.http.post("/v1/counter", json={"text": "x"})
    assert (response.status_code, error_of(response)["code"]) == (502, "unreadable_answer")
    assert response.headers["x-should-retry"] == "false"


def test_an_answer_cut_at_its_token_limit_is_an_unreadable_answer(serve: Serve) -> None:
    service = serve(ControlledEngine(lambda asked: "word " * 20 if asked.sampling.max_tokens == 16 else LINE))
    response = service.http.post("/v1/counter", json={"text": "x"})
    assert (response.status_code, error_of(response)["code"]) == (502, "unreadable_answer")
    assert "cut off" in str(error_of(response)["message"])


def test_an_answer_that_takes_too_long_is_stopped(serve: Serve) -> None:
    engine = ControlledEngine(lambda asked: LINE if isinstance(asked.answer, FreeText) else '{"present": true}')
    service = serve(engine, answer_seconds=0.2)
    engine.proceed.clear()
    assert error_of(service.chat())["code"] == "timeout"
    assert '"code":"timeout"' in service.chat(stream=True).text
    assert error_of(service.http.post("/v1/counter", json={"text": "x"}))["code"] == "timeout"
    eventually(lambda: engine.active == 0, "the engine is free")


def test_requests_beyond_the_limit_get_429_with_retry_after(serve: Serve) -> None:
    engine = ControlledEngine()
    service = serve(engine, concurrent_requests=1, waiting_requests=0)
    engine.proceed.clear()
    with service.http.stream("POST", "/v1/chat/completions", json={"messages": HELLO, "stream": True}):
        with pytest.raises(openai.RateLimitError) as caught:
            service.openai().chat.completions.create(model="counter", messages=[{"role": "user", "content": "Hello"}])
        assert caught.value.code == "too_many_requests"
        assert caught.value.response.headers["retry-after"] == "1"
        assert service.http.get("/readyz").status_code == 200
    eventually(lambda: engine.active == 0, "the engine is free")
    engine.proceed.set()
    eventually(lambda: service.chat().status_code == 200, "there is room again")


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"extra_body": {"guided_regex": "a+"}}, openai.BadRequestError),
        ({"model": "other"}, openai.NotFoundError),
        ({"temperature": 9}, openai.UnprocessableEntityError),
        ({"user": "x" * 20_000}, openai.APIStatusError),
    ],
)
def test_the_openai_client_raises_its_own_class_with_code_type_and_request_id(
    small_bodies: Service, fields: dict[str, Any], kind: type[openai.APIStatusError]
) -> None:
    client = small_bodies.openai()
    body: dict[str, Any] = {"model": "counter", "messages": HELLO, **fields}
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**body)
    assert caught.value.code
    assert caught.value.type
    assert caught.value.request_id


def test_the_openai_client_sees_a_service_that_is_not_ready_as_a_server_error(serve: Serve) -> None:
    service = serve(ControlledEngine(lambda _: RuntimeError("never")), ready=False)
    with pytest.raises(openai.InternalServerError) as caught:
        service.openai().models.list()
    assert caught.value.status_code == 503
    assert caught.value.code in {"not_ready", "refused"}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/v1/counter", {"text": ""}, "text: This must not be empty"),
        ("/v1/counter", {"text": 5}, "text: This must be text"),
        ("/v1/counter", {"text": "x", "colour": 1}, "colour: The key is unknown"),
        ("/v1/chat/completions", {"messages": []}, "messages: This must not be empty"),
        ("/v1/chat/completions", {"messages": HELLO, "temperature": 9}, "temperature: This must be 2.0 or less"),
        ("/v1/chat/completions", {"messages": HELLO, "seed": False}, "seed: This must be a number"),
    ],
)
def test_an_invalid_value_has_the_same_message_as_in_the_command_line(
    service: Service, path: str, body: dict[str, object], message: str
) -> None:
    assert error_of(service.http.post(path, json=body))["message"] == message


def test_the_error_for_half_of_a_surrogate_pair_says_so(service: Service) -> None:
    response = service.http.post(
        "/v1/counter", content=rb'{"text":"\ud83d"}', headers={"content-type": "application/json"}
    )
    assert error_of(response)["message"] == "The body is not JSON: a string has half of a surrogate pair."
