"""All training sets of the base in their own layouts, each with a few lines written for the tests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_CLAUSES = (
    "This agreement is governed by the laws of Norway, and its courts decide.",
    "Each party keeps what it learns from the other to itself for three years.",
    "The buyer pays within thirty days after it has received the goods and the bill.",
)


def write_sets(data: Path) -> Path:
    """Write every set below a folder, and a library of two programs; return the library's folder."""
    contracts = [(f"contract-{number}", _contract(number)) for number in range(12)]
    _lines(data / "legal/cuad/contracts.jsonl", ({"contract": name, "text": text} for name, text in contracts))
    _lines(data / "legal/cuad/spans.jsonl", (_span(name, text) for name, text in contracts))
    agreements = [{"id": number, "text": _contract(number + 100)} for number in range(12)]
    _write(data / "legal/contractnli/dev.json", json.dumps({"documents": agreements, "labels": {}}))
    _lines(data / "medical/medquad/train.jsonl", (_answer(number) for number in range(30)))
    _write(data / "medical/pubmedqa/train.json", json.dumps({str(number): _abstract(number) for number in range(12)}))
    queries = "".join(f"Where is parcel {number} of mine now?,parcel_{number % 3}\n" for number in range(20))
    _write(data / "support/banking77/train.csv", "text,category\n" + queries)
    parts = {
        part: [[f"play song {number} of {part} in the kitchen", f"music_{number % 2}"] for number in range(10)]
        for part in ("train", "oos_train", "val", "oos_val")
    }
    _write(data / "support/clinc150/data.json", json.dumps(parts))
    for part in ("train", "dev", "test"):
        _write(data / f"support/multidogo/airline/{part}.tsv", _conversations(part))
    steps = {"actions": [{"button": "Look up", "text": "Ask for the name of the customer and look it up."}]}
    flows = {f"Flow {number}": {"subflows": {"Refund": steps}} for number in range(6)}
    _write(data / "support/abcd_partial/guidelines.json", json.dumps(flows))
    _write(
        data / "support/abcd_partial/abcd_sample.json", json.dumps([{"convo_id": 1, "original": [["agent", "Hi!"]]}])
    )
    _lines(data / "code/mbpp/train.jsonl", (_program(number) for number in range(12)))
    novel = "\n\n".join(f'"Is it day {number}?" he asked.\n\n"It is," she said, and smiled.' for number in range(60))
    for number in range(6):
        _write(data / f"general/novels/Author_{number}.txt", novel.replace("day", f"day{number}"))
    _lines(data / "general/seed_tasks/seed_tasks.jsonl", (_instruction(number) for number in range(12)))
    _write_evaluation_only(data)
    for name in ("sums", "lists"):
        _write(data / f"library/{name}.py", f'def {name}(items):\n    """Return the {name} of all items."""\n' * 20)
    return data / "library"


def _write_evaluation_only(data: Path) -> None:
    row = {"task_id": "test/0", "prompt": "def secret_task(x):\n", "canonical_solution": "    return x - 41\n"}
    for name in ("humaneval", "humaneval_infilling"):
        file = data / f"code/{name}/Tasks.jsonl.gz"
        file.parent.mkdir(parents=True)
        file.write_bytes(gzip.compress((json.dumps(row) + "\n").encode()))
    turns = [{"names": ["MATT"], "text": f"You see door {number}."} for number in range(9)]
    _lines(data / "npc/crd3/val.jsonl", [{"episode": "C1E001", "turns": turns}])
    _lines(data / "npc/tmwa/pairs.jsonl", [{"npc": "Guard", "player": "Hello.", "npc_reply": "Halt! Who goes there?"}])


def _contract(number: int) -> str:
    own = f"The parties of contract {number} meet in city {number * 7} on day {number * 3}."
    return "\n\n".join([own, *(f"{clause} Number {number}." for clause in _CLAUSES)] * 3)


def _span(name: str, text: str) -> dict[str, Any]:
    start = text.index(_CLAUSES[0])
    span = {"start": start, "end": start + len(_CLAUSES[0]), "text": _CLAUSES[0]}
    return {"contract": name, "category": "Governing Law", "spans": [span], "answer": _CLAUSES[0]}


def _answer(number: int) -> dict[str, str]:
    focus = f"Illness {number // 3}"
    return {"focus": focus, "question": f"What helps against it, part {number}?", "answer": f"Rest for {number} days."}


def _abstract(number: int) -> dict[str, Any]:
    contexts = [f"We measured {number} people.", f"Group {number} slept well."]
    return {"QUESTION": f"Does sleep help group {number}?", "CONTEXTS": contexts, "LONG_ANSWER": "It helps."}


def _conversations(part: str) -> str:
    rows = [
        f"{part}-{number}\t{turn}\tu\tseat {number} please {turn}\tO\tbook" for number in range(8) for turn in (1, 2)
    ]
    return "\n".join(["conversationId\tturnNumber\tutteranceId\tutterance\tslot-labels\tintent", *rows, ""])


def _program(number: int) -> dict[str, Any]:
    code = f"def add_{number}(value):\r\n    result = value + {number}\r\n    return result"
    tests = [f"assert add_{number}(1) == {number + 1}"]
    return {"task_id": number, "text": f"Write a function that adds {number}.", "code": code, "test_list": tests}


def _instruction(number: int) -> dict[str, Any]:
    instances = [{"input": "", "output": f"Walk for {number} minutes."}]
    return {"id": f"task-{number}", "instruction": f"How shall I begin day {number}?", "instances": instances}


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _lines(file: Path, rows: Iterable[Any]) -> None:
    _write(file, "".join(json.dumps(row) + "\n" for row in rows))
