"""The shapes in which people keep chat data, each as one dialogue of OpenAI's messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kit.errors import Problem, nearest

ROLES = ("system", "developer", "user", "assistant", "tool")
_ROW = ("messages", "tools", "parallel_tool_calls")
_MESSAGE = ("role", "content", "name", "weight", "tool_calls", "tool_call_id", "refusal")
_SHAREGPT = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
    "bing": "assistant", "system": "system",
}  # fmt: skip
_SHAPES = "prompt and completion; instruction, input and output; or conversations of from and value"


@dataclass(frozen=True)
class Dialogue:
    """Messages in this template's types (not yet validated), and which of them count."""

    messages: Sequence[Mapping[str, Any]]
    counts: Sequence[bool]
    tools: Sequence[Any] = ()
    group: str = ""
    """What dialogues of one group share; by default, the first words of the user."""


def openai_dialogue(row: Mapping[str, Any], problems: list[Problem], where: str) -> Iterator[Dialogue]:
    """Yield the dialogue of a row of OpenAI's format; add what is wrong with it to the problems."""
    before = len(problems)
    for key in row:
        if key not in _ROW:
            advice = nearest(key, _ROW) or f"A row has {', '.join(_ROW)}."
            problems.append(Problem(f"There is no field '{key}' in this format.", where, advice))
    given = row.get("messages")
    if not isinstance(given, list) or not given:
        problems.append(Problem("'messages' is not a list with a message.", f"{where}: messages"))
        return
    made = [_message(each, problems, f"{where}: messages[{place}]") for place, each in enumerate(given)]
    counts = [isinstance(each, Mapping) and each.get("weight", 1) != 0 for each in given]
    if not any(isinstance(each, Mapping) and each.get("role") == "assistant" for each in given):
        problems.append(Problem("This dialogue has no message of the assistant.", f"{where}: messages"))
    if made[0].get("role") == "assistant" and counts[0]:
        advice = "Start with another message, or give it weight 0."
        problems.append(Problem("The first message is the assistant's, so it answers nothing.", where, advice))
    if len(problems) == before:
        yield Dialogue(made, counts, row.get("tools") or [])


def _message(given: Any, problems: list[Problem], where: str) -> Mapping[str, Any]:
    """Return a message without what only the format needs: `weight`, empty fields, text in parts."""
    if not isinstance(given, Mapping):
        problems.append(Problem("A message is an object.", where))
        return {}
    role, weight = given.get("role"), given.get("weight", 1)
    if role not in ROLES:
        problems.append(Problem(f"The role {role!r} is not known.", f"{where}.role", f"Known: {', '.join(ROLES)}."))
    for key in given:
        if key not in _MESSAGE:
            advice = nearest(key, _MESSAGE) or ("Use tool_calls." if key == "function_call" else "")
            problems.append(Problem(f"A message has no field '{key}'.", f"{where}.{key}", advice))
    if isinstance(weight, bool) or weight not in (0, 1) or ("weight" in given and role != "assistant"):
        problems.append(Problem("A weight is 0 or 1, on a message of the assistant.", f"{where}.weight"))
    made: dict[str, Any] = {"role": "system" if role == "developer" else role}
    content = _text(given.get("content"), problems, f"{where}.content")
    if role == "assistant" and content is None:
        content = given.get("refusal")
    made |= {} if content is None else {"content": content}
    return made | {key: given[key] for key in ("tool_calls", "tool_call_id") if given.get(key)}


def _text(content: Any, problems: list[Problem], where: str) -> Any:
    """Return content as text; parts that are not text are a problem."""
    if not isinstance(content, list):
        return content
    parts = [part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
    texts = [text for text in parts if isinstance(text, str)]
    if len(texts) < len(content):
        problems.append(Problem("Only text is supported, no pictures and no sound.", where, "Remove this dialogue."))
        return ""
    return "".join(texts)


def prompt_dialogue(row: Mapping[str, Any], problems: list[Problem], where: str) -> Iterator[Dialogue]:
    """Yield the dialogue of a row with a prompt and its completion, of Alpaca, or of ShareGPT."""
    if "prompt" in row and "completion" in row:
        prompt, completion = _turns(row["prompt"], "user"), _turns(row["completion"], "assistant")
        both: Row = {"messages": [*prompt, *completion]}
        found = openai_dialogue(both | ({"tools": row["tools"]} if "tools" in row else {}), problems, where)
        for each in found:  # of a prompt, nothing counts
            counts = [place >= len(prompt) and counted for place, counted in enumerate(each.counts)]
            yield Dialogue(each.messages, counts, each.tools)
    elif "instruction" in row and "output" in row:
        asked = "\n\n".join(str(row[key]) for key in ("instruction", "input") if row.get(key))
        start = [{"role": "system", "content": row["system"]}] if row.get("system") else []
        yield from _pair(asked, row["output"], start, problems, where)
    elif isinstance(row.get("conversations"), list):
        yield from openai_dialogue({"messages": [_shared(turn) for turn in row["conversations"]]}, problems, where)
    else:
        problems.append(Problem("This row has none of the known shapes.", where, f"Known: {_SHAPES}."))


Row = dict[str, Any]


def _turns(given: Any, role: str) -> list[Any]:
    return given if isinstance(given, list) else [{"role": role, "content": given}]


def _shared(turn: Any) -> Any:
    """Return a turn of ShareGPT as a message; whatever is not one stays, and is reported as it is."""
    if not isinstance(turn, Mapping) or "from" not in turn:
        return turn
    return {"role": _SHAREGPT.get(str(turn["from"]), turn["from"]), "content": turn.get("value")}


def _pair(asked: Any, answer: Any, start: Sequence[Row], problems: list[Problem], where: str) -> Iterator[Dialogue]:
    turns = [*start, {"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    for each in openai_dialogue({"messages": turns}, problems, where):
        yield replace(each, group=str(asked).partition("\n\n")[0])  # the instruction, whatever its input


def seed_dialogues(row: Mapping[str, Any], problems: list[Problem], where: str) -> Iterator[Dialogue]:
    """Yield a dialogue for each instance of a task of Self-Instruct."""
    instances = row.get("instances")
    if not isinstance(row.get("instruction"), str) or not isinstance(instances, list):
        problems.append(Problem("This row has no 'instruction' with 'instances'.", where, "Is it seed_tasks.jsonl?"))
        return
    for each in instances:
        asked = "\n\n".join(filter(None, (row["instruction"], str(each.get("input") or ""))))
        yield from _pair(asked, each.get("output"), [], problems, where)
