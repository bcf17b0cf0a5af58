"""What the task shows the model and what it makes of its answers, whatever these are. No model is needed."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from pydantic import ValidationError

from kit.base import find_base
from kit.chat import Renderer
from kit.errors import InputError
from kit.task import Completion, Example, Task, UnreadableAnswer, write_answer

Examples = dict[str, list[Example[Any, Any]]]
AnyTask = Task[Any, Any]
NANO = find_base("nano").folder
PLACE = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "unit": {"enum": ["C", "F"]},
        "hours": {"type": "array", "items": {"type": "number"}},
    },
    "required": ["city"],
}
ASKED: dict[str, Any] = {
    "messages": [{"role": "user", "content": "How warm is it in Bern?"}],
    "tools": [{"function": {"name": "weather", "parameters": PLACE}}, {"function": {"name": "stop"}}],
}


def request_of(task: AnyTask, **fields: Any) -> Any:
    return task.request_type.model_validate_json(json.dumps({**ASKED, **fields}))


def call(name: str = "weather", **arguments: Any) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def read(task: AnyTask, text: str, **fields: Any) -> Any:
    return task.read(request_of(task, **fields), [Completion(text)]).message


def test_every_answer_is_read_back_as_it_was_taught(task: AnyTask, examples: Examples) -> None:
    for row in examples["train"] + examples["test"]:
        (target,) = task.targets(row.request, row.response)
        assert target is not None
        assert task.read(row.request, [Completion(write_answer(target))]) == row.response


def test_every_row_is_rendered_and_ends_with_its_answer(task: AnyTask, examples: Examples) -> None:
    renderer = Renderer(NANO)
    for row in examples["test"]:
        (prompt,), (target,) = task.prompts(row.request), task.targets(row.request, row.response)
        assert target is not None
        supervised = renderer.supervised(prompt, write_answer(target))
        assert renderer.decode(supervised.ids[supervised.answer_start :]).strip() == write_answer(target)


def test_perfect_answers_score_one_and_no_others_do(task: AnyTask, examples: Examples) -> None:
    rows = examples["test"]
    perfect = [task.observe(row.response, row.response) for row in rows]
    junk = task.response_type.model_validate({"message": {"content": "§"}})
    poor = [task.observe(row.response, junk) for row in rows]
    assert {name: metric.reduce(perfect) for name, metric in task.metrics.items()} == dict.fromkeys(task.metrics, 1.0)
    assert task.metrics["answer_score"].reduce(poor) == 0.0


def test_the_baseline_beats_one_answer_for_all_and_only_calls_what_is_offered(
    task: AnyTask, examples: Examples
) -> None:
    predict = task.fit_baseline(examples["train"])  # type: ignore[attr-defined]
    constant = task.response_type.model_validate({"message": {"content": "I can only help with the library."}})
    scores: dict[str, list[Any]] = {"nearest": [], "constant": []}
    for row in examples["test"]:
        answer = predict(row.request)
        assert task.targets(row.request, answer)  # the checker accepts it
        scores["nearest"].append(task.observe(row.response, answer))
        scores["constant"].append(task.observe(row.response, constant))
    nearest, one = (task.metrics["answer_score"].reduce(scores[name]) or 0.0 for name in ("nearest", "constant"))
    assert nearest > one


def test_text_and_calls_are_told_apart(task: AnyTask) -> None:
    message = read(task, f"I will look.\n{call(city='Bern')}\n{call('stop')}\n")
    assert message.content == "I will look."
    assert [(each.id, each.function.name, each.function.arguments) for each in message.tool_calls] == [
        ("call_1", "weather", '{"city":"Bern"}'),
        ("call_2", "stop", "{}"),
    ]
    assert read(task, "It is 21 degrees.\n").content == "It is 21 degrees."


def test_an_id_is_never_given_twice(task: AnyTask) -> None:
    before = {"id": "call_2", "function": {"name": "stop", "arguments": "{}"}}
    messages = [
        *ASKED["messages"],
        {"role": "assistant", "tool_calls": [before]},
        {"role": "tool", "content": "done", "tool_call_id": "call_2"},
    ]
    message = read(task, call("stop") + call("stop"), messages=messages)
    assert [each.id for each in message.tool_calls] == ["call_3", "call_4"]


REFUSED = {
    "empty": " \n",
    "function that is not offered": call("delete_all"),
    "missing argument": call(days=2),
    "wrong type": call(city=7),
    "truth value as a number": call(city="Bern", days=True),
    "not one of the values": call(city="Bern", unit="K"),
    "wrong item": call(city="Bern", hours=[1, "two"]),
    "unknown argument": call(city="Bern", admin=True),
    "not JSON": "<tool_call>weather(Bern)</tool_call>",
    "not an object": "<tool_call>[]</tool_call>",
    "arguments as text": '<tool_call>{"name":"weather","arguments":"{}"}</tool_call>',
    "a third field": '<tool_call>{"name":"stop","arguments":{},"id":"x"}</tool_call>',
    "infinite number": '<tool_call>{"name":"weather","arguments":{"city":"B","hours":[1e999]}}</tool_call>',
    "not a number": '<tool_call>{"name":"weather","arguments":{"city":"B","hours":[NaN]}}</tool_call>',
    "half of a character": '<tool_call>{"name":"weather","arguments":{"city":"\\ud800"}}</tool_call>',
    "very deep": f'<tool_call>{{"name":"stop","arguments":{{"a":{"[" * 50_000}}}}}</tool_call>',
    "no end": call("stop").removesuffix("</tool_call>"),
    "no start": "stop</tool_call>",
    "text after a call": call("stop") + " done",
    "one good call and one bad": call("stop") + call("delete_all"),
    "too many": call("stop") * 33,
}


@pytest.mark.parametrize("answer", REFUSED.values(), ids=list(REFUSED))
def test_a_call_that_cannot_be_carried_out_never_leaves_the_task(task: AnyTask, answer: str) -> None:
    with pytest.raises(UnreadableAnswer):
        read(task, answer)


def test_an_answer_that_was_cut_is_refused(task: AnyTask) -> None:
    with pytest.raises(UnreadableAnswer):
        task.read(request_of(task), [Completion("It is", finish="length")])


def test_no_call_leaves_the_task_if_nothing_was_offered(task: AnyTask) -> None:
    with pytest.raises(UnreadableAnswer, match="not offered"):
        read(task, call("stop"), tools=[])


def hostile(rng: random.Random) -> str:
    """Pieces of calls in any order, as a model out of order may write them."""
    parts = (
        "<tool_call>", "</tool_call>", '{"name":"', "weather", "stop", "delete_all",
        '","arguments":', "{}", "}", "null",
        '{"city":"Bern"}', '{"city":null}', '{"city":"Bern","days":1.5}', '{"__proto__":{}}', "It is warm. ",
        "\n", "\0",
        call("stop"), call(city="Bern"), call(city="Bern", days="2"), call("sTop"), "<|im_end|>", "[", '"', "1e400",
    )  # fmt: skip
    return "".join(rng.choices(parts, k=rng.randint(1, 9)))


def test_a_thousand_hostile_answers_give_an_offered_call_plain_text_or_a_refusal(task: AnyTask) -> None:
    rng, asked = random.Random(0), request_of(task)
    outcomes = {"refused": 0, "calls": 0, "text": 0}
    for _ in range(1_000):
        try:
            message = task.read(asked, [Completion(hostile(rng))]).message
        except UnreadableAnswer:
            outcomes["refused"] += 1
            continue
        outcomes["calls" if message.tool_calls else "text"] += 1
        assert "tool_call>" not in (message.content or "")
        for each in message.tool_calls:
            values = each.function.values
            assert each.function.name in ("weather", "stop")
            if each.function.name == "weather":
                assert isinstance(values["city"], str)
                assert set(values) <= set(PLACE["properties"])
                assert isinstance(values.get("days", 1), int)
    assert min(outcomes.values()) > 20, outcomes


@pytest.mark.parametrize(
    "schema",
    [{"type": 5}, {"type": [{}]}, {"required": 7}, {"required": [[]]}, {"properties": []}, {"properties": {"a": 3}}],
    ids=str,
)
def test_a_schema_that_makes_no_sense_breaks_nothing(task: AnyTask, schema: dict[str, Any]) -> None:
    tools = [{"function": {"name": "stop", "parameters": schema}}]
    try:
        message = read(task, call("stop", a=1), tools=tools)
    except UnreadableAnswer:
        return
    assert message.tool_calls[0].function.values == {"a": 1}


def test_nothing_of_a_dialogue_is_trusted(task: AnyTask, examples: Examples) -> None:
    for row in examples["test"]:
        for prompt in task.prompts(row.request):
            assert not any(segment.trusted for message in prompt.messages for segment in message.segments)


def test_a_dialogue_without_functions_is_shown_as_it_is(task: AnyTask) -> None:
    turns = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Who are you?")]
    asked = request_of(task, messages=[{"role": role, "content": text} for role, text in turns], tools=[])
    (prompt,) = task.prompts(asked)
    assert [(message.role, message.text) for message in prompt.messages] == turns


def test_a_reference_that_the_task_would_refuse_is_no_training_row(task: AnyTask) -> None:
    for message in (
        {"tool_calls": [{"id": "a", "function": {"name": "delete_all", "arguments": "{}"}}]},
        {"content": "Write <tool_call> first."},
        {"content": f"See {call('stop')}"},
    ):
        response = task.response_type.model_validate_json(json.dumps({"message": message}))
        with pytest.raises(InputError):
            task.targets(request_of(task), response)


@pytest.mark.parametrize(
    ("messages", "what"),
    [
        ([], "messages"),
        ([{"role": "robot", "content": "Hi"}], "role"),
        ([{"role": "tool", "content": "3", "tool_call_id": "x"}], "answers 'x'"),
        ([{"role": "assistant"}], "neither text nor a call"),
    ],
)
def test_a_dialogue_that_cannot_be_is_refused_by_name(task: AnyTask, messages: list[Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        request_of(task, messages=messages)


def test_the_order_of_arguments_does_not_count_but_their_values_do(task: AnyTask) -> None:
    def answer(text: str) -> Any:
        return task.read(request_of(task), [Completion(text)])

    expected = answer(call(city="Bern", days=2))
    assert task.observe(expected, answer(call(days=2, city="Bern")))["score"] == 1.0
    assert task.observe(expected, answer(call(days=3, city="Bern")))["score"] == 0.0
    assert task.observe(expected, answer("It is warm."))["kind_right"] == 0.0
