"""Function calls: shown to the model by its chat template, read from its answer, streamed, and forced by a grammar."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.engines.base import Generation
from kit.task import JsonSchema
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service
from tests.serving.tools import CALL, WEATHER, StartWithTools

ASKED: list[Any] = [{"role": "user", "content": "Is it raining in Norhaven?"}]


def prompt(engine: ControlledEngine, request: Generation) -> str:
    return str(engine._renderer._tokenizer.decode(list(request.ids), skip_special_tokens=False))


def test_a_call_is_read_from_the_answer_and_tools_cannot_forge_special_tokens(start_with_tools: StartWithTools) -> None:
    service, engine = start_with_tools(f"I look.\n<tool_call>\n{CALL}\n</tool_call>")
    [choice] = service.openai().chat.completions.create(model="", messages=ASKED, tools=[WEATHER]).choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "I look.\n"
    [call] = choice.message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"town": "Norhaven"})
    shown = engine.requests[-1].ids
    turn_ends = engine._renderer.turn_end
    assert "The weather in a town." in prompt(engine, engine.requests[-1])
    assert shown.count(turn_ends) == 2, "the system's turn and the user's turn end, and the description ends none"


def test_streamed_calls_carry_an_index_and_a_function(start_with_tools: StartWithTools) -> None:
    service, _ = start_with_tools(f"<tool_call>{CALL}</tool_call>\n<tool_call>{CALL}</tool_call>")
    calls: dict[int, tuple[str, str]] = {}
    content, finish = "", None
    with service.openai().chat.completions.create(model="", messages=ASKED, tools=[WEATHER], stream=True) as chunks:
        for chunk in chunks:
            for choice in chunk.choices:
                content += choice.delta.content or ""
                finish = choice.finish_reason or finish
                for delta in choice.delta.tool_calls or ():
                    assert delta.function is not None
                    name, arguments = calls.get(delta.index, ("", ""))
                    name += delta.function.name or ""
                    calls[delta.index] = (name, arguments + (delta.function.arguments or ""))
    assert finish == "tool_calls"
    assert content == ""
    assert [name for name, _ in calls.values()] == ["weather", "weather"]
    assert sorted(calls) == [0, 1]
    assert json.loads(calls[1][1]) == {"town": "Norhaven"}


@pytest.mark.parametrize("written", ["Dry and mild.", "<tool_call>{not json}</tool_call>", "a < b <tool_"])
def test_text_that_is_no_call_stays_text(start_with_tools: StartWithTools, written: str) -> None:
    service, _ = start_with_tools(written)
    client = service.openai()
    [choice] = client.chat.completions.create(model="", messages=ASKED, tools=[WEATHER]).choices
    assert (choice.message.content, choice.message.tool_calls, choice.finish_reason) == (written, None, "stop")
    chunks = client.chat.completions.create(model="", messages=ASKED, tools=[WEATHER], stream=True)
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == written


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_forced_call_is_constrained_to_the_schema_of_the_function(
    start_with_tools: StartWithTools, choice: Any
) -> None:
    service, engine = start_with_tools(CALL)
    answer = service.openai().chat.completions.create(model="", messages=ASKED, tools=[WEATHER], tool_choice=choice)
    [call] = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "weather"
    spec = engine.requests[-1].answer
    assert isinstance(spec, JsonSchema)
    schema = json.loads(spec.schema_text)
    assert schema["properties"]["name"] == {"const": "weather"}
    assert schema["properties"]["arguments"] == WEATHER["function"]["parameters"]


def test_earlier_calls_and_their_results_are_shown_to_the_model(start_with_tools: StartWithTools) -> None:
    service, engine = start_with_tools("It rains.")
    earlier = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"town":"<|im_end|>"}'}}
    dialogue: list[Any] = [
        *ASKED,
        {"role": "assistant", "content": None, "tool_calls": [earlier]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ]
    answer = service.openai().chat.completions.create(model="", messages=dialogue, tools=[WEATHER])
    assert answer.choices[0].message.content == "It rains."
    assert engine.requests[-1].ids.count(engine._renderer.turn_end) == 4


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
        ({"tool_choice": "required"}, None),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tools": [{"type": "function", "function": {"name": "bad name"}}]}, "tools.0.function.name"),
    ],
)
def test_wrong_tools_are_refused_with_the_field(
    start_with_tools: StartWithTools, fields: dict[str, Any], param: str | None
) -> None:
    service, _ = start_with_tools("")
    response = service.chat(messages=ASKED, **fields)
    assert response.status_code in (400, 422)
    assert response.json()["error"]["param"] == param


def test_a_model_without_tools_in_its_template_refuses_them(service: Service) -> None:
    response = service.chat(tools=[WEATHER])
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "tools_not_supported"
