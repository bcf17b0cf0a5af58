"""Chat data as you have it on disk, as this template's examples.

Each message of the assistant that counts (its `weight` is not 0) becomes one example: the messages before it, and the
message. All examples of a dialogue are in one group, and so are all dialogues that start with the same words.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kit.errors import InputError, Problem
from kit.recipe.validation import dotted, problems_of
from kit.task import Example

from .calls import CLOSE, OPEN
from .schema import ChatRequest, ChatResponse
from .shapes import Dialogue, openai_dialogue, prompt_dialogue, seed_dialogues

_INDEX = re.compile(r"\.(\d+)(?=\.|$)")
ChatExample = Example[ChatRequest, ChatResponse]
Reader = Callable[[Mapping[str, Any], list[Problem], str], Iterator[Dialogue]]


def openai(path: Path, settings: Mapping[str, str]) -> Sequence[ChatExample]:
    """OpenAI's chat format for fine-tuning, as it is: JSONL of `messages`, with `tools`, `tool_calls` and `weight`."""
    return _read(path, settings, openai_dialogue, {})


def prompts(path: Path, settings: Mapping[str, str]) -> Sequence[ChatExample]:
    """JSONL or JSON of prompt and completion, of Alpaca (instruction, output), or of ShareGPT (conversations)."""
    return _read(path, settings, prompt_dialogue, {})


def seed_tasks(path: Path, settings: Mapping[str, str]) -> Sequence[ChatExample]:
    """The 175 human-written seed tasks of Self-Instruct (Apache-2.0): seed_tasks.jsonl, or the folder that has it."""
    file = path / "seed_tasks.jsonl" if path.is_dir() else path
    return _read(file, settings, seed_dialogues, {"set": "Self-Instruct seed tasks", "licence": "Apache-2.0"})


importers = {"openai": openai, "prompts": prompts, "seed_tasks": seed_tasks}


def _read(
    path: Path, settings: Mapping[str, str], reader: Reader, provenance: Mapping[str, Any]
) -> Sequence[ChatExample]:
    """Return the examples of a file. Raises InputError with every problem at once, each with its line and field."""
    problems = [Problem(f"This importer has no setting '{name}'.", "--set", "Leave it out.") for name in settings]
    found: list[ChatExample] = []
    for where, number, row in _rows(path, problems):
        if not isinstance(row, Mapping):
            problems.append(Problem("This row is not a JSON object.", where, "Write one object on each line."))
            continue
        for part, dialogue in enumerate(reader(row, problems, where)):
            name = f"{path.stem}-{number}" + (f"-{part + 1}" if part else "")
            found += _examples(dialogue, name, where, problems, provenance)
    if problems:
        raise InputError(problems)
    if not found:
        what = "No message of the assistant in this file counts, so there is nothing to learn."
        raise InputError(what, str(path), "Give at least one message of the assistant a weight other than 0.")
    return found


def _rows(path: Path, problems: list[Problem]) -> Iterator[tuple[str, int, Any]]:
    """Yield each row with its place and number: lines of JSON, or the items of one JSON array."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"This file cannot be read: {error}.", str(path), "Name a JSONL file in UTF-8.") from None
    if text.lstrip().startswith("["):
        yield from _items(text, path)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(Problem(f"This line is not JSON: {error}.", f"{path}:{number}", "Write one object a line."))
            continue
        yield f"{path}:{number}", number, row


def _items(text: str, path: Path) -> Iterator[tuple[str, int, Any]]:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"This file is not JSON: {error}.", str(path), "Correct it, or write JSONL.") from None
    for number, item in enumerate(items, start=1):
        yield f"{path}[{number - 1}]", number, item


def _examples(
    dialogue: Dialogue, name: str, where: str, problems: list[Problem], provenance: Mapping[str, Any]
) -> Iterator[ChatExample]:
    """Yield an example for each message of the assistant that counts; stop at the first that is wrong."""
    group = _group(dialogue)
    for place, message in enumerate(dialogue.messages):
        if message.get("role") != "assistant" or not dialogue.counts[place] or not place:
            continue
        request = {"messages": dialogue.messages[:place], "tools": dialogue.tools}
        raw = {"id": f"{name}-{place}", "request": request, "response": {"message": message}, "group": group}
        try:
            example = ChatExample.model_validate_json(json.dumps(raw | {"provenance": dict(provenance)}))
        except ValidationError as error:
            problems += [_placed(problem, where, place) for problem in problems_of(error, ChatExample, dotted)]
            return
        if marked := _marked(example):
            problems.append(Problem(f"The text contains {marked}, which marks a call.", f"{where}: messages[{place}]"))
            return
        yield example


def _group(dialogue: Dialogue) -> str:
    """Return what dialogues share that start with the same words of the user."""
    start = next((each.get("content") for each in dialogue.messages if each.get("role") == "user"), None)
    words = json.dumps(dialogue.group or start or dialogue.messages).casefold()
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def _placed(problem: Problem, where: str, place: int) -> Problem:
    """Return a problem of an example with its place in the file: the line, and the field of the row."""
    field = problem.where.replace("request.", "", 1).replace("response.message", f"messages[{place}]", 1)
    field = _INDEX.sub(r"[\1]", field)
    return Problem(problem.what, f"{where}: {field}", problem.next)


def _marked(example: ChatExample) -> str:
    text = example.response.message.content or ""
    return next((mark for mark in (OPEN, CLOSE) if mark in text), "")
