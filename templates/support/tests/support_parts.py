"""What the tests of this template share: its modules as the kit loads them, requests, and answers of a model."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

from kit.task import Completion, Task
from kit.task.loader import load_module

PROJECT = Path(__file__).parents[1]
PASSAGES = {
    "kb.returns": "Modems must be back within 16 days. Later we charge €65.",
    "kb.fees": "A spare SIM costs €7.50 and takes 4 working days. Bills by email are free of charge.",
    "account.term": "The term ends on 3 August 2027. Ending early costs 42% of the remaining months.",
}


def module(name: str) -> ModuleType:
    """Return one of the template's modules."""
    return load_module(PROJECT, f"{name}.py")


def request_of(task: Task[Any, Any], *said: str, owner: str = "bot", passages: dict[str, str] | None = None) -> Any:
    """Return a request in which the customer says these things."""
    found = PASSAGES if passages is None else passages
    return task.request_type.model_validate(
        {
            "thread": [{"role": "customer", "text": text} for text in said or ("How long may I keep the modem?",)],
            "passages": [{"id": name, "text": text} for name, text in found.items()],
            "owner": owner,
        }
    )


def draft(**given: Any) -> str:
    """Return what the model writes: a reply from the first passage, with these changes."""
    base = {"intent": "return_device", "action": "reply", "sources": [1], "reason": None, "text": "It depends."}
    return json.dumps({**base, **given})


def answer(task: Task[Any, Any], request: Any, written: str, finish: Any = "stop") -> Any:
    """Return what the task makes of the model's words."""
    return task.read(request, [Completion(written, finish=finish)])
