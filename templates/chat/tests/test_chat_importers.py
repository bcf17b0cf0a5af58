"""Files of chat data become the template's examples, and every fault of a file is named with its line and field."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kit.errors import InputError
from kit.recipe import load_recipe
from kit.task.loader import load_module, load_tasks

PROJECT = Path(__file__).parents[1]
IMPORTERS = load_module(PROJECT, "importers.py").importers
(TASK,) = load_tasks(PROJECT, load_recipe(PROJECT / "recipe.yaml"))
CALL = {"id": "c9", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
BAD = {"name": "a", "arguments": "("}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def read(folder: Path, name: str, *rows: Any) -> list[Any]:
    file = folder / "own.jsonl"
    file.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return list(IMPORTERS[name](file, {}))


def faults(folder: Path, name: str, *rows: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, name, *rows)
    return str(caught.value)


def test_each_message_that_counts_is_an_example_of_one_group(tmp_path: Path) -> None:
    turns = [user("Hi"), said("Hello"), user("One?"), said("Wrong", weight=0), user("Two?"), said("Right", weight=1)]
    rows = read(tmp_path, "openai", {"messages": turns})
    assert [(row.id, len(row.request.messages), row.response.message.content) for row in rows] == [
        ("own-1-1", 1, "Hello"),
        ("own-1-5", 5, "Right"),
    ]
    assert len({row.group for row in rows}) == 1
    assert [turn.content for turn in rows[1].request.messages] == ["Hi", "Hello", "One?", "Wrong", "Two?"]


def test_calls_results_and_functions_are_kept_as_they_are(tmp_path: Path) -> None:
    answered = {"role": "tool", "tool_call_id": "c9", "content": "2"}
    turns = [user("1 + 1?"), {"role": "assistant", "content": None, "tool_calls": [CALL]}, answered, said("2")]
    call, text = read(tmp_path, "openai", {"messages": turns, "tools": [TOOL], "parallel_tool_calls": False})
    assert call.response.message.tool_calls[0].function.arguments == '{"a": 1}'
    assert text.request.messages[2].tool_call_id == "c9"
    assert TASK.targets(call.request, call.response) == ['<tool_call>{"name":"add","arguments":{"a":1}}</tool_call>']


def test_the_developers_role_parts_of_text_and_a_refusal_are_read(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "Be "}, {"type": "text", "text": "kind."}]
    turns = [{"role": "developer", "content": parts}, user("Hi"), {"role": "assistant", "refusal": "No."}]
    (row,) = read(tmp_path, "openai", {"messages": turns})
    assert (row.request.messages[0].role, row.request.messages[0].content) == ("system", "Be kind.")
    assert row.response.message.content == "No."


def test_dialogues_that_start_alike_are_in_one_group(tmp_path: Path) -> None:
    rows = read(tmp_path, "openai", *({"messages": [user(words), said("Yes")]} for words in ("Hi", "hi", "Ho")))
    assert rows[0].group == rows[1].group != rows[2].group


WRONG = {
    "not json": ("{", ":1", "not JSON"),
    "not an object": ("[1]", "", "not a JSON object"),
    "no messages": ({"messages": []}, ":1: messages", "not a list"),
    "unknown field": ({"message": []}, ":1", "messages"),
    "unknown role": ({"messages": [{"role": "robot", "content": "x"}, said("y")]}, "messages[0].role", "robot"),
    "unknown key": ({"messages": [user("x"), said("y", wieght=0)]}, "messages[1].wieght", "weight"),
    "old calls": ({"messages": [user("x"), said("y", function_call={})]}, "function_call", "tool_calls"),
    "weight of the user": ({"messages": [{**user("x"), "weight": 1}, said("y")]}, "messages[0].weight", "0 or 1"),
    "half a weight": ({"messages": [user("x"), said("y", weight=0.5)]}, "messages[1].weight", "0 or 1"),
    "picture": ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, said("y")]}, "[0].content", "text"),
    "nobody answers": ({"messages": [user("x")]}, ":1: messages", "no message of the assistant"),
    "nothing asked": ({"messages": [said("x")]}, ":1", "answers nothing"),
    "says nothing": ({"messages": [user("x"), said(" ")]}, "messages[1]", "neither text nor a call"),
    "number as text": ({"messages": [user("x"), said(7)]}, "messages[1].content", "text"),  # type: ignore[arg-type]
    "mark": ({"messages": [user("x"), said("a <tool_call>")]}, "messages[1]", "<tool_call>"),
    "all weights 0": ({"messages": [user("x"), said("y", weight=0)]}, "own.jsonl", "nothing to learn"),
    "result of no call": (
        {"messages": [user("x"), {"role": "tool", "content": "1", "tool_call_id": "q"}, said("y")]},
        ":1",
        "answers 'q'",
    ),
    "bad arguments": (
        {"messages": [user("x"), {"role": "assistant", "tool_calls": [{**CALL, "function": BAD}]}]},
        "messages[1].tool_calls[0].function.arguments",
        "JSON object",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("row", "where", "what"), WRONG.values(), ids=list(WRONG))
def test_every_fault_is_named_with_its_line_and_field(tmp_path: Path, row: Any, where: str, what: str) -> None:
    told = faults(tmp_path, "openai", row)
    assert where in told
    assert what in told


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    good = {"messages": [user("x"), said("y")]}
    told = faults(tmp_path, "openai", good, "{", good, {"messages": 3})
    assert ":2" in told
    assert ":4: messages" in told
    with pytest.raises(InputError, match="no setting 'colour'"):
        IMPORTERS["openai"](tmp_path / "own.jsonl", {"colour": "red"})
    with pytest.raises(InputError, match="cannot be read"):
        IMPORTERS["openai"](tmp_path / "absent.jsonl", {})


def test_prompt_and_completion_alpaca_and_sharegpt_give_the_same_dialogue(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        "prompts",
        {"prompt": "Hi\n\nthere", "completion": "Hello"},
        {"prompt": [user("Hi\n\nthere")], "completion": [said("Hello")]},
        {"instruction": "Hi", "input": "there", "output": "Hello"},
        {"conversations": [{"from": "human", "value": "Hi\n\nthere"}, {"from": "gpt", "value": "Hello"}]},
    )
    assert len({(row.request, row.response.model_dump_json()) and row.request.model_dump_json() for row in rows}) == 1
    assert {row.response.message.content for row in rows} == {"Hello"}


def test_a_prompts_own_answers_do_not_count_and_a_json_array_is_read(tmp_path: Path) -> None:
    row = {"prompt": [user("Hi"), said("Hello"), user("One?")], "completion": "Two"}
    (tmp_path / "all.json").write_text(json.dumps([row]), encoding="utf-8")
    (example,) = IMPORTERS["prompts"](tmp_path / "all.json", {})
    assert example.response.message.content == "Two"


def test_a_shape_that_is_not_known_is_told(tmp_path: Path) -> None:
    assert "conversations" in faults(tmp_path, "prompts", {"question": "Hi", "answer": "Ho"})
    assert "'bot'" in faults(tmp_path, "prompts", {"conversations": [{"from": "bot", "value": "x"}]})


def test_seed_tasks_are_read_and_the_instances_of_a_task_are_in_one_group(tmp_path: Path) -> None:
    instances = [{"input": "2", "output": "4"}, {"input": "3", "output": "9"}]
    rows = read(tmp_path, "seed_tasks", {"id": "s", "instruction": "Square it.", "instances": instances})
    assert [row.request.messages[0].content for row in rows] == ["Square it.\n\n2", "Square it.\n\n3"]
    assert rows[0].group == rows[1].group
    assert rows[0].provenance["licence"] == "Apache-2.0"
    assert "instances" in faults(tmp_path, "seed_tasks", {"instruction": "x"})


@pytest.mark.public_data
def test_the_public_seed_tasks_are_read_whole() -> None:
    rows = IMPORTERS["seed_tasks"](Path(os.environ["DOMAINKIT_DATA"]) / "general/seed_tasks", {})
    assert len({row.group for row in rows}) >= 170
    for row in rows:
        assert TASK.targets(row.request, row.response) == [row.response.message.content.strip()]
