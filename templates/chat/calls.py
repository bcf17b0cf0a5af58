"""Calls of functions: how the model writes them, how they are read back, and whether they fit what was offered.

A call is written as `<tool_call>{"name":…,"arguments":{…}}</tool_call>`, the format of Hermes and Qwen. Whatever the
model writes, only a call of an offered function with arguments that fit its parameters leaves this module.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kit.task import UnreadableAnswer

from .schema import MOST_CALLS, AssistantMessage, Call, CalledFunction, ChatRequest, Function

OPEN, CLOSE = "<tool_call>", "</tool_call>"
_CALL = re.compile(re.escape(OPEN) + r"(.*?)" + re.escape(CLOSE), re.DOTALL)
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def compact(value: Any) -> str:
    """Return JSON without blanks, in the order of the keys."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def written(message: AssistantMessage) -> str:
    """Return a message as the model writes it: the text, then each call on a line of its own."""
    calls = [
        OPEN + compact({"name": call.function.name, "arguments": call.function.values}) + CLOSE
        for call in message.tool_calls
    ]
    return "\n".join([message.content.strip(), *calls] if message.content else calls)


def read_message(text: str, request: ChatRequest) -> AssistantMessage:
    """Return what the model wrote as a message. Raises UnreadableAnswer for none, and for a call that is not valid."""
    first = text.find(OPEN)
    said = (text if first < 0 else text[:first]).strip()
    calls = list(_calls(text[first:], request)) if first >= 0 else []
    if CLOSE in said:
        raise UnreadableAnswer(f"The answer has {CLOSE} without {OPEN}.")
    if not said and not calls:
        raise UnreadableAnswer("The answer is empty.")
    return AssistantMessage(content=said or None, tool_calls=tuple(calls))


def _calls(text: str, request: ChatRequest) -> Iterator[Call]:
    """Yield the calls of a text that starts with one. Nothing else but blanks may stand between and after them."""
    found = _CALL.findall(text)
    if _CALL.sub("", text).strip() or not 0 < len(found) <= MOST_CALLS:
        raise UnreadableAnswer(f"The calls are not written as {OPEN}…{CLOSE}, at most {MOST_CALLS}, at the end.")
    offered = {tool.function.name: tool.function for tool in request.tools}
    for number, inside in zip(_free_numbers(request), found, strict=False):
        name, arguments = _parsed(inside)
        if name not in offered:
            raise UnreadableAnswer(f"The answer calls '{name}', which was not offered.")
        if fault := misfit(arguments, offered[name]):
            raise UnreadableAnswer(f"The call of '{name}' does not fit its parameters: {fault}.")
        yield Call(id=f"call_{number}", function=CalledFunction(name=name, arguments=compact(arguments)))


def _parsed(inside: str) -> tuple[str, dict[str, Any]]:
    try:
        value = json.loads(inside)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # no infinite number, no half of a character
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswer("A call is not JSON.") from error
    fits = isinstance(value, dict) and set(value) == {"name", "arguments"}
    if not fits or not isinstance(value["name"], str) or not isinstance(value["arguments"], dict):
        raise UnreadableAnswer("A call is not an object of a name and arguments.")
    return value["name"], value["arguments"]


def _free_numbers(request: ChatRequest) -> Iterator[int]:
    """Yield numbers for the ids of new calls, going on from the calls before and leaving out ids in use."""
    before = [call.id for turn in request.messages if isinstance(turn, AssistantMessage) for call in turn.tool_calls]
    used, number = set(before), len(before)
    while True:
        number += 1
        if f"call_{number}" not in used:
            yield number


def misfit(arguments: Mapping[str, Any], function: Function) -> str:
    """Say how arguments fail a function's parameters; empty if they fit.

    Checked are `type`, `enum`, `const`, `required`, `properties`, `additionalProperties` and `items`, at every depth.
    A name that `properties` does not list is refused, unless `additionalProperties` allows it. Other keywords are not
    checked.
    """
    schema = function.parameters or {}
    return _fault(dict(arguments), {"type": "object", **schema}, "arguments")


def _fault(value: Any, schema: Any, where: str) -> str:
    if not isinstance(schema, Mapping):
        return ""
    kinds = [kind for kind in _listed(schema.get("type")) if isinstance(kind, str)]
    if kinds and not any(_TYPES.get(kind, lambda _: True)(value) for kind in kinds):
        return f"{where} is not of type {' or '.join(kinds)}"
    if "enum" in schema and not any(_same(value, each) for each in _listed(schema["enum"])):
        return f"{where} is not one of {compact(schema['enum'])}"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{where} is not {compact(schema['const'])}"
    if isinstance(value, list):
        faults = (_fault(item, schema.get("items"), f"{where}[{place}]") for place, item in enumerate(value))
        return next(filter(None, faults), "")
    return _object_fault(value, schema, where) if isinstance(value, dict) else ""


def _object_fault(value: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> str:
    missing = [name for name in _listed(schema.get("required")) if isinstance(name, str) and name not in value]
    if missing:
        return f"{where} has no '{missing[0]}'"
    properties = schema.get("properties")
    known = properties if isinstance(properties, Mapping) else {}
    others = schema.get("additionalProperties", "properties" not in schema)
    for name, each in value.items():
        if name not in known and others is False:
            return f"{where} has '{name}', which is not a parameter"
        if fault := _fault(each, known.get(name, others), f"{where}.{name}"):
            return fault
    return ""


def _listed(value: Any) -> list[Any]:
    """Return a list as it is, a single word as a list of one, and nothing for what a client left out or got wrong."""
    return value if isinstance(value, list) else [value] if isinstance(value, str) else []


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON does: 1 and true differ."""
    return compact(one) == compact(other)


def same_calls(expected: Sequence[Call], actual: Sequence[Call]) -> bool:
    """Say whether two lists have the same functions with the same arguments; ids and the order of keys do not count."""

    def keys(calls: Sequence[Call]) -> list[str]:
        return sorted(
            json.dumps([call.function.name, call.function.values], sort_keys=True, ensure_ascii=False) for call in calls
        )

    return keys(expected) == keys(actual)
