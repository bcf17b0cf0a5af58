"""Requests with exactly the fields that existing clients send, and the answers that they read."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from kit.task import JsonSchema
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import LINE, ControlledEngine
from tests.serving.http import Service, eventually
from tests.serving.tools import CALL, WEATHER, StartWithTools

HELLO: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Hello"}]


def test_an_editor_with_its_own_fields_and_token_counts_is_answered(service: Service, engine: ControlledEngine) -> None:
    body = {
        "model": "counter",
        "messages": [
            {"role": "system", "content": "Be brief.", "copilot_cache_control": {"type": "ephemeral"}},
            {"role": "user", "content": [{"type": "text", "text": "Hello", "copilot_x": 1}], "copilot_thinking": None},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.1,
        "intent": False,
    }
    response = service.http.post("/v1/chat/completions", json=body)
    assert response.status_code == 200
    *_, usage, done = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert done == "[DONE]"
    assert json.loads(usage)["usage"]["completion_tokens"] == 4
    assert engine.requests[-1].sampling.max_tokens > 128


def test_an_evaluator_with_nulls_and_neutral_values_is_answered(service: Service) -> None:
    response = service.chat(
        model="counter", stop=None, best_of=1, echo=False, n=1, temperature=0.0, top_p=1, max_tokens=100,
        presence_penalty=0, frequency_penalty=0.0, seed=1234, response_format=None, logprobs=None, tools=None,
    )  # fmt: skip
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"] == LINE
    assert service.chat(model="counter", stop=[], max_tokens=100).status_code == 200


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "json_object"},
        {
            "type": "json_schema",
            "json_schema": {
                "name": "extraction",
                "strict": True,
                "schema": {
                    "type": "object",
                    "properties": {"present": {"type": "boolean"}},
                    "required": ["present"],
                    "additionalProperties": False,
                },
            },
        },
    ],
)
def test_an_extractor_gets_bare_json(service: Service, engine: ControlledEngine, wanted: Any) -> None:
    answer = service.openai().chat.completions.create(
        model="counter", n=1, temperature=0, max_tokens=64, response_format=wanted,
        messages=[{"role": "system", "content": "Extract."}, {"role": "user", "content": "One barrel."}],
    )  # fmt: skip
    assert json.loads(answer.choices[0].message.content or "") == {"present": True}
    assert isinstance(engine.requests[-1].answer, JsonSchema)


def editor_body(**fields: Any) -> dict[str, Any]:
    """What an editor sends to the chat route for models with names that it knows: a body of the Responses API."""
    tool = {"type": "function", **WEATHER["function"]}
    content = [{"type": "input_text", "text": "Hello"}]
    body = {
        "model": "", "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}],
        "tools": [tool], "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "medium"}, "store": False,
        "text": {"verbosity": "low"}, "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    return body | fields


def test_an_editor_that_sends_input_to_the_chat_route_gets_chat_chunks(start_with_tools: StartWithTools) -> None:
    service, _ = start_with_tools(LINE)
    response = service.http.post("/v1/chat/completions", json=editor_body())
    *events, done = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    chunks = [json.loads(event) for event in events]
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"]) == LINE
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    custom = service.http.post("/v1/chat/completions", json=editor_body(tools=[{"type": "custom", "name": "patch"}]))
    assert (custom.status_code, custom.json()["error"]["param"]) == (422, "tools.0.type")


def test_every_delta_of_a_tool_call_has_an_index_and_a_function(start_with_tools: StartWithTools) -> None:
    service, _ = start_with_tools(f"<tool_call>{CALL}</tool_call>")
    response = service.chat(tools=[WEATHER], stream=True, tool_choice="auto")
    chunks = [json.loads(line[6:]) for line in response.text.split("\n\n") if line and "[DONE]" not in line]
    deltas = [call for chunk in chunks for choice in chunk["choices"] for call in choice["delta"].get("tool_calls", [])]
    assert deltas
    assert all(delta["index"] == 0 and isinstance(delta["function"], dict) for delta in deltas)
    assert deltas[0]["id"]
    assert deltas[0]["function"]["name"] == "weather"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"extra_body": {"grammar": "root ::= x"}}, openai.BadRequestError),
        ({"model": "other"}, openai.NotFoundError),
        ({"messages": [{"role": "user", "content": "x" * 200_000}]}, openai.APIStatusError),
        ({"temperature": 9}, openai.UnprocessableEntityError),
    ],
)
def test_the_stock_client_raises_its_own_error_with_type_code_and_request_id(
    serve: Serve, fields: dict[str, Any], expected: type[openai.APIStatusError]
) -> None:
    client = serve(body_bytes=100_000).openai()
    with pytest.raises(expected) as caught:
        client.chat.completions.create(**{"model": "counter", "messages": HELLO, **fields})
    assert caught.value.type
    assert caught.value.code
    assert caught.value.request_id
    assert caught.value.status_code in (400, 404, 413, 422)


def test_a_client_that_closes_its_stream_frees_the_engine(serve: Serve) -> None:
    engine = ControlledEngine()
    client = serve(engine).openai()
    engine.proceed.clear()
    with client.chat.completions.create(model="counter", messages=HELLO, stream=True) as stream:
        for _ in stream:
            break
    eventually(lambda: engine.active == 0, "the generation was cancelled")


def _statuses_of_retries(service: Service, expected: type[openai.APIStatusError]) -> list[int]:
    """Send a request with two retries allowed; return the status of each try."""
    statuses: list[int] = []
    hooks = {"response": [lambda response: statuses.append(response.status_code)]}
    client = openai.OpenAI(
        base_url=f"{service.url}/v1", api_key="any", http_client=openai.DefaultHttpxClient(event_hooks=hooks)
    )
    with pytest.raises(expected):
        client.chat.completions.create(model="counter", messages=HELLO)
    return statuses


def test_a_client_retries_when_busy_and_not_when_the_bundle_is_refused(serve: Serve) -> None:
    engine = ControlledEngine()
    busy = serve(engine, concurrent_requests=1, waiting_requests=0)
    engine.proceed.clear()
    with busy.http.stream("POST", "/v1/chat/completions", json={"messages": HELLO, "stream": True}):
        assert _statuses_of_retries(busy, openai.RateLimitError) == [429, 429, 429]
        limits = busy.chat().headers
        assert (limits["retry-after"], limits["retry-after-ms"]) == ("1", "1000")
        assert (limits["x-ratelimit-limit-requests"], limits["x-ratelimit-remaining-requests"]) == ("1", "0")
    engine.proceed.set()
    refused = ControlledEngine()
    refused.answers_as_base = True
    service = serve(refused, ready=False)
    eventually(lambda: service.http.get("/readyz").json()["error"]["code"] == "refused", "a refusal")
    assert _statuses_of_retries(service, openai.InternalServerError) == [503]
