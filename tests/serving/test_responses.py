"""The Responses API with OpenAI's own client: text, streams, calls, JSON, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from kit.task import JsonSchema
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import LINE, ControlledEngine
from tests.serving.http import Service
from tests.serving.tools import CALL, WEATHER, StartWithTools

FLAT: Any = {"type": "function", **WEATHER["function"]}


def test_text_is_answered_with_its_settings(service: Service) -> None:
    response = service.openai().responses.create(
        model="counter", input="Hello", instructions="Be brief.", store=True, metadata={"job": "7"}, temperature=0.5
    )
    assert (response.output_text, response.status) == (LINE, "completed")
    assert (response.instructions, response.metadata, response.temperature) == ("Be brief.", {"job": "7"}, 0.5)
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert response.to_dict()["store"] is False
    assert not response.id.startswith("resp_"), "editors would send it back in place of the dialogue"


def test_items_are_rendered_like_the_same_chat(service: Service, engine: ControlledEngine) -> None:
    items: Any = [
        {"role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Good day"}]},
        {"role": "user", "content": "Go on"},
    ]
    service.openai().responses.create(model="counter", input=items, instructions="Be brief.")
    turns = [("system", "Be brief."), ("user", "Hello"), ("assistant", "Good day"), ("user", "Go on")]
    service.chat(messages=[{"role": role, "content": text} for role, text in turns])
    assert engine.requests[-2].ids == engine.requests[-1].ids


def test_a_stream_has_the_events_in_order_and_the_whole_response_last(service: Service) -> None:
    with service.openai().responses.stream(model="counter", input="Hello") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events if event.type != "response.output_text.delta"]
    assert kinds == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
    ]  # fmt: skip
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == LINE
    assert final.output_text == LINE
    assert final.usage is not None
    assert final.usage.output_tokens > 0


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_used_all_its_tokens_is_incomplete(service: Service, streamed: bool) -> None:
    client = service.openai()
    if streamed:
        with client.responses.stream(model="counter", input="Hello", max_output_tokens=2) as stream:
            response: Any = list(stream)[-1]
        assert response.type == "response.incomplete"
        response = response.response
    else:
        response = client.responses.create(model="counter", input="Hello", max_output_tokens=2)
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"


def test_json_of_a_schema_is_asked_of_the_engine(service: Service, engine: ControlledEngine) -> None:
    schema = {"type": "object", "properties": {"present": {"type": "boolean"}}, "required": ["present"]}
    text: Any = {"format": {"type": "json_schema", "name": "seen", "schema": schema, "strict": True}}
    response = service.openai().responses.create(model="counter", input="One barrel.", text=text)
    assert json.loads(response.output_text) == {"present": True}
    assert engine.requests[-1].answer == JsonSchema(json.dumps(schema, separators=(",", ":")))


def test_calls_are_items_and_their_results_come_back(start_with_tools: StartWithTools) -> None:
    service, engine = start_with_tools(f"I look.<tool_call>{CALL}</tool_call>")
    client = service.openai()
    first = client.responses.create(model="", input="Is it raining in Norhaven?", tools=[FLAT])
    text, call = first.output
    assert (text.type, first.output_text, call.type) == ("message", "I look.", "function_call")
    assert call.type == "function_call"
    assert (call.name, json.loads(call.arguments)) == ("weather", {"town": "Norhaven"})
    history: Any = [
        {"role": "user", "content": "Is it raining in Norhaven?"},
        *(item.to_dict() for item in first.output),
        {"type": "function_call_output", "call_id": call.call_id, "output": "rain"},
    ]
    client.responses.create(model="", input=history, tools=[FLAT])
    assert engine.requests[-1].ids.count(engine._renderer.turn_end) == 4, "system, user, assistant with call, result"


def test_streamed_calls_have_events_of_their_arguments(start_with_tools: StartWithTools) -> None:
    service, _ = start_with_tools(f"<tool_call>{CALL}</tool_call>")
    with service.openai().responses.stream(model="", input="Rain?", tools=[FLAT], tool_choice="auto") as stream:
        events = list(stream)
        [call] = stream.get_final_response().output
    pieces = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    assert call.type == "function_call"
    assert pieces == call.arguments
    assert json.loads(pieces) == {"town": "Norhaven"}


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id", "stores no responses"),
        ({"background": True}, "background", "must be"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type", "function"),
        ({"input": [{"type": "reasoning", "summary": []}]}, "input.0", "function_call_output"),
        ({"include": ["message.output_text.logprobs"]}, "include", "/v1/chat/completions"),
        ({"suffix": "x"}, "suffix", "not supported"),
        ({"input": "word " * 100_000}, "input", "context"),
        (
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": {"pattern": "x"}}}},
            "text.format.schema",
            "pattern",
        ),
    ],
)
def test_what_is_not_supported_is_refused_by_name(
    service: Service, fields: dict[str, Any], param: str, words: str
) -> None:
    response = service.http.post("/v1/responses", json={"input": "Hello", **fields})
    assert response.status_code in (400, 422)
    error = response.json()["error"]
    assert error["param"] == param
    assert words in error["message"]


def test_a_failure_in_a_stream_reaches_the_client(serve: Serve) -> None:
    engine = ControlledEngine(lambda _: RuntimeError("broken"), before_failure=2)
    with (
        pytest.raises(openai.APIError, match="The service failed"),
        serve(engine).openai().responses.stream(model="counter", input="Hello") as stream,
    ):
        list(stream)


def test_a_large_body_is_read_in_a_worker_with_the_same_answer(service: Service) -> None:
    padding = {"client_note": "x" * 50_000}
    response = service.http.post("/v1/responses", json={"input": "Hello", "metadata": {"job": "7"}, **padding})
    assert response.json()["output"][0]["content"][0]["text"] == LINE
    assert response.json()["metadata"] == {"job": "7"}
    turns = [{"role": "user", "content": "Hello"}]
    message = service.http.post("/v1/messages", json={"messages": turns, "max_tokens": 50, **padding})
    assert message.json()["content"] == [{"type": "text", "text": LINE}]
    counted = service.http.post("/v1/messages/count_tokens", json={"messages": turns, **padding})
    assert counted.json()["input_tokens"] == message.json()["usage"]["input_tokens"]
