"""The Messages API with Anthropic's own client: text, streams, tools, counts, and errors in its shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.serving.conftest import Serve
from tests.serving.controlled_engine import LINE, ControlledEngine
from tests.serving.http import Service
from tests.serving.tools import CALL, WEATHER, StartWithTools

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
TOOL: Any = {
    "name": "weather",
    "description": "The weather in a town.",
    "input_schema": WEATHER["function"]["parameters"],
}


def client_of(service: Service, retries: int = 0) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=service.url, api_key="any", max_retries=retries)


@pytest.fixture
def client(service: Service) -> Iterator[anthropic.Anthropic]:
    with client_of(service) as made:
        yield made


def test_text_is_answered(client: anthropic.Anthropic) -> None:
    answer = client.messages.create(model="counter", max_tokens=50, messages=HELLO)
    [block] = answer.content
    assert block.type == "text"
    assert (block.text, answer.stop_reason, answer.stop_sequence) == (LINE, "end_turn", None)
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0


def test_a_dialogue_is_rendered_like_the_same_chat(
    service: Service, client: anthropic.Anthropic, engine: ControlledEngine
) -> None:
    system: Any = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    dialogue: Any = [
        *HELLO,
        {"role": "assistant", "content": [{"type": "text", "text": "Good day"}]},
        {"role": "user", "content": "On"},
    ]
    client.messages.create(
        model="counter", max_tokens=50, messages=dialogue, system=system, extra_body={"temperature": 0.3}
    )
    turns = [("system", "Be brief."), ("user", "Hello"), ("assistant", "Good day"), ("user", "On")]
    service.chat(messages=[{"role": role, "content": text} for role, text in turns])
    assert engine.requests[-2].ids == engine.requests[-1].ids
    assert (engine.requests[-2].sampling.temperature, engine.requests[-2].sampling.max_tokens) == (0.3, 50)


def test_a_stream_has_the_events_in_order(client: anthropic.Anthropic) -> None:
    with client.messages.stream(model="counter", max_tokens=50, messages=HELLO) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert [kind for kind in kinds if kind not in ("content_block_delta", "text")] == [
        "message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"
    ]  # fmt: skip
    [block] = final.content
    assert block.type == "text"
    assert (block.text, final.stop_reason) == (LINE, "end_turn")
    assert final.usage.output_tokens > 0


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("fields", "reason", "sequence"),
    [({"max_tokens": 2}, "max_tokens", None), ({"stop_sequences": ["three"]}, "stop_sequence", "three")],
)
def test_the_end_has_its_reason(
    client: anthropic.Anthropic, streamed: bool, fields: dict[str, Any], reason: str, sequence: str | None
) -> None:
    asked: dict[str, Any] = {"model": "counter", "max_tokens": 50, "messages": HELLO, **fields}
    if streamed:
        with client.messages.stream(**asked) as stream:
            answer: Any = stream.get_final_message()
    else:
        answer = client.messages.create(**asked)
    assert (answer.stop_reason, answer.stop_sequence) == (reason, sequence)


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_are_called_and_their_results_come_back(start_with_tools: StartWithTools, streamed: bool) -> None:
    service, engine = start_with_tools(f"I look.<tool_call>{CALL}</tool_call>")
    client = client_of(service)
    asked: dict[str, Any] = {"model": "counter", "max_tokens": 200, "messages": HELLO, "tools": [TOOL]}
    if streamed:
        with client.messages.stream(**asked) as stream:
            answer: Any = stream.get_final_message()
    else:
        answer = client.messages.create(**asked)
    text, use = answer.content
    assert answer.stop_reason == "tool_use"
    assert (text.text, use.type, use.name, use.input) == ("I look.", "tool_use", "weather", {"town": "Norhaven"})
    result = {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "rain"}]}
    history = [*HELLO, {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    client.messages.create(**{**asked, "messages": history})
    assert engine.requests[-1].ids.count(engine._renderer.turn_end) == 4, "system, user, assistant with call, result"


def test_a_forced_tool_is_constrained(start_with_tools: StartWithTools) -> None:
    service, _ = start_with_tools(CALL)
    choice: Any = {"type": "tool", "name": "weather"}
    answer = client_of(service).messages.create(
        model="", max_tokens=200, messages=HELLO, tools=[TOOL], tool_choice=choice
    )
    assert [block.type for block in answer.content] == ["tool_use"]


def test_counted_tokens_are_those_of_the_answer(client: anthropic.Anthropic) -> None:
    counted = client.messages.count_tokens(model="counter", messages=HELLO, system="Be brief.")
    answer = client.messages.create(model="counter", max_tokens=5, messages=HELLO, system="Be brief.")
    assert counted.input_tokens == answer.usage.input_tokens


@pytest.mark.parametrize(
    ("fields", "status", "kind", "words"),
    [
        ({"model": "other"}, 404, "not_found_error", "no model 'other'"),
        ({"max_tokens": 0}, 422, "invalid_request_error", "max_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, 422, "invalid_request_error", "thinking"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "Go"}]}, 400, "invalid_request_error", "continue"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, 422, "invalid_request_error", "image|type"),
        ({"tools": [TOOL]}, 400, "invalid_request_error", "takes no tools"),
        ({"messages": [{"role": "user", "content": "word " * 100_000}]}, 400, "invalid_request_error", "context"),
    ],
)
def test_errors_have_the_shape_that_the_client_reads(
    client: anthropic.Anthropic, fields: dict[str, Any], status: int, kind: str, words: str
) -> None:
    asked: dict[str, Any] = {"model": "counter", "max_tokens": 50, "messages": HELLO, **fields}
    with pytest.raises(anthropic.APIStatusError, match=words) as caught:
        client.messages.create(**asked)
    assert caught.value.status_code == status
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert body["request_id"] == caught.value.request_id


def test_a_busy_service_answers_in_the_same_shape(serve: Serve) -> None:
    engine = ControlledEngine()
    busy = serve(engine, concurrent_requests=1, waiting_requests=0)
    engine.proceed.clear()
    asked: dict[str, Any] = {"model": "counter", "max_tokens": 50, "messages": HELLO}
    with (
        busy.http.stream("POST", "/v1/messages", json={**asked, "stream": True}),
        pytest.raises(anthropic.RateLimitError) as caught,
    ):
        client_of(busy).messages.create(**asked)
    assert caught.value.response.headers["retry-after"] == "1"


def test_a_failure_in_a_stream_reaches_the_client(serve: Serve) -> None:
    service = serve(ControlledEngine(lambda _: RuntimeError("broken"), before_failure=2))
    asked: dict[str, Any] = {"model": "counter", "max_tokens": 50, "messages": HELLO}
    with (
        pytest.raises(anthropic.APIStatusError, match="The service failed"),
        client_of(service).messages.stream(**asked) as stream,
    ):
        stream.get_final_message()
