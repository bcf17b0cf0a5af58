"""Generates the sample dialogues. `python generate.py` writes both files in data/, always with the same bytes.

The words come from wordings.toml: the help desk of a public library, with facts in the system message and functions to
call. Each dialogue becomes one row for each message of the assistant, all in one group, as the importer `openai` does.
Test dialogues have libraries, books and first questions that training does not. hard.toml holds cases written by hand;
its test rows are tagged `hard`.
"""

from __future__ import annotations

import json
import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DIALOGUES = {"train": 250, "test": 80}
_SLOT = re.compile(r"\{([a-z_]+)\}")
Row = dict[str, Any]


def generate(seed: int = 0) -> dict[str, list[Row]]:
    """Return the rows of both files. The same seed gives the same rows."""
    words = tomllib.loads((HERE / "wordings.toml").read_text(encoding="utf-8"))
    made: dict[str, list[Row]] = {}
    seen: set[str] = set()
    for split, size in DIALOGUES.items():
        author, rows, count = _Author(words, split, f"{seed}/{split}"), list[Row](), 0
        while count < size:
            messages, tools, tags = author.dialogue()
            key = json.dumps(messages)
            if key not in seen:
                seen.add(key)
                count += 1
                rows += rows_of(f"{split}-{count:03}", messages, tools, tags)
        made[split] = rows
    made["test"] += hard_cases(words)
    return made


def rows_of(name: str, messages: Sequence[Row], tools: Sequence[Row], tags: Sequence[str]) -> Iterator[Row]:
    """Yield one row for each message of the assistant: the dialogue before it, and the message."""
    for place, message in enumerate(messages):
        if message["role"] == "assistant" and place:
            request: Row = {"messages": list(messages[:place]), **({"tools": list(tools)} if tools else {})}
            kind = "call" if "tool_calls" in message else "text"
            yield {
                "id": f"{name}-{place}",
                "request": request,
                "response": {"message": message},
                "group": name,
                "tags": sorted({*tags, kind}),
            }


def hard_cases(words: Mapping[str, Any]) -> list[Row]:
    """Return the cases of hard.toml: the last message of each is the one that is expected."""
    cases = tomllib.loads((HERE / "hard.toml").read_text(encoding="utf-8"))["case"]
    rows: list[Row] = []
    for number, case in enumerate(cases, start=1):
        messages = messages_of(case["turns"])
        tools = tools_of(words) if case.get("tools", True) else []
        last = list(rows_of(f"hard-{number:02}", messages, tools, ["hard", f"hard:{case['kind']}"]))[-1]
        rows.append(last)
    return rows


def messages_of(lines: Sequence[str]) -> list[Row]:
    """Return lines as chat messages. Calls that follow each other are of one message; results answer in their order."""
    messages: list[Row] = []
    open_calls: list[str] = []
    for line in lines:
        role, _, text = line.partition(": ")
        if role == "call":
            name, _, arguments = text.partition(" ")
            before = sum(len(message.get("tool_calls", ())) for message in messages)
            call = {"id": f"call_{before + 1}", "function": {"name": name, "arguments": arguments}}
            open_calls.append(f"call_{before + 1}")
            if messages[-1].get("tool_calls"):
                messages[-1]["tool_calls"].append(call)
            else:
                messages.append({"role": "assistant", "tool_calls": [call]})
        elif role == "tool":
            messages.append({"role": "tool", "content": text, "tool_call_id": open_calls.pop(0)})
        else:
            messages.append({"role": role, "content": text})
    return messages


def tools_of(words: Mapping[str, Any]) -> list[Row]:
    """Return the functions of the help desk as OpenAI's format has them."""
    found: list[Row] = []
    for name, tool in words["tools"].items():
        types = {key: {"type": kind} for key, kind in tool.items() if key not in ("description", "required")}
        parameters = {"type": "object", "properties": types, "required": tool["required"]}
        found.append({"function": {"name": name, "description": tool["description"], "parameters": parameters}})
    return found


class _Author:
    """Writes dialogues; everything random comes from one generator."""

    def __init__(self, words: Mapping[str, Any], split: str, seed: str) -> None:
        self.rng = random.Random(seed)
        self.words = words
        self.kind = "unseen" if split == "test" else "seen"
        self.pools: Mapping[str, list[str]] = {**words["pools"][self.kind], **words["pools"]["both"], **words["small"]}

    def dialogue(self) -> tuple[list[Row], list[Row], list[str]]:
        """Return the messages of a dialogue, its functions, and its tags."""
        rng = self.rng
        names = [name for name, each in self.words["scenarios"].items() if not each.get("follow")]
        chosen = rng.sample(names, 2 if rng.random() < 0.3 else 1)
        known = rng.sample(list(self.words["facts"]), rng.randint(2, 3))
        slots = self._slots()
        lines = [_filled(self._system(known), slots)]
        tags = list(chosen)
        for place, name in enumerate(chosen):
            slots |= self._fresh()
            lines += self._scenario(name, known, slots, place)
            tags += ["missing"] if self.words["scenarios"][name].get("fact", known[0]) not in known else []
        if rng.random() < 0.2:
            lines += self._scenario("thanks", known, slots, 1)
            tags.append("thanks")
        with_tools = any(self.words["scenarios"][name].get("tools") for name in chosen) or rng.random() < 0.2
        return messages_of(lines), tools_of(self.words) if with_tools else [], tags

    def _system(self, known: Sequence[str]) -> str:
        """The assistant's place, and the facts that it knows."""
        facts = " ".join(self.words["facts"][name] for name in known)
        return f"system: You are the help desk of {{library}} library. {facts}"

    def _scenario(self, name: str, known: Sequence[str], slots: Mapping[str, str], place: int) -> list[str]:
        """Return the lines of a scenario; a question about a fact that is not known gets another answer."""
        scenario = self.words["scenarios"][name]
        turns = scenario["turns"]
        if scenario.get("fact", known[0]) not in known:
            turns = self.words["missing"]["turns"]
        greeting = "" if place else self.rng.choice(self.words["greetings"][self.kind])
        question = self.rng.choice(scenario[self.kind])
        return [_filled(line, slots) for line in [f"user: {greeting}{question}", *turns]]

    def _slots(self) -> dict[str, str]:
        """What stays the same in a dialogue: the library and its rules."""
        rng = self.rng
        first, last = rng.randint(8, 11), rng.randint(4, 9)
        rules = {"open": f"{first} am to {last} pm", "weeks": str(rng.randint(2, 9)), "fee": str(rng.randint(5, 60))}
        return {"library": rng.choice(self.pools["library"]), "limit": str(rng.randint(3, 20)), **rules}

    def _fresh(self) -> dict[str, str]:
        """What each scenario draws anew."""
        rng = self.rng
        drawn = {name: rng.choice(pool) for name, pool in self.pools.items() if name != "library"}
        month = rng.choice(("January", "March", "April", "June", "September", "October"))
        return drawn | {
            "card": f"{rng.choice('ABCDEFGH')}{rng.randint(100, 999)}",
            "copies": str(rng.randint(2, 9)),
            "shelf": f"{rng.choice('KLMNPR')}{rng.randint(1, 40)}",
            "due": f"{rng.randint(1, 28)} {month}",
            "hour": str(rng.randint(9, 17)),
            "room": rng.choice("STUVW") + str(rng.randint(1, 9)),
        }


def _filled(line: str, slots: Mapping[str, str]) -> str:
    """Put values into the slots that have one; braces of JSON stay."""
    return _SLOT.sub(lambda found: slots.get(found.group(1), found.group(0)), line)


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yield each row as a line of the file."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the data files."""
    for split, rows in generate().items():
        (HERE / "data" / f"{split}.jsonl").write_text("".join(lines(rows)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
