"""What the tests of this template share: a scene, what a model writes, and the template's modules."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

from kit.recipe import TaskSection
from kit.task import Completion, Task
from kit.task.loader import load_module, load_task

PROJECT = Path(__file__).parents[1]
FALLBACK = "Hm. Wait a moment."


def module(name: str) -> ModuleType:
    """Return one of the template's modules."""
    return load_module(PROJECT, f"{name}.py")


def make_task(**options: Any) -> Task[Any, Any]:
    """Return the task with options."""
    return load_task(PROJECT, TaskSection(use="task.py:NpcDialogue", options=options))


def scene(**changes: Any) -> dict[str, Any]:
    """Return a request as JSON values, with some of its character or state changed."""
    character = {
        "name": "Runa",
        "persona": "keeper of a bridge",
        "knows": ["The bridge is old.", "A radio stands in the tower."],
        "does_not_know": [{"topic": "who stole the bell", "tells": ["Oslin", "the mill cellar"]}],
        "fallback": FALLBACK,
    }
    state = {
        "place": "the bridge",
        "valid_actions": [{"name": "sell", "targets": ["lamp", "rope"]}, {"name": "flee"}],
    }
    request = {"character": character, "state": state, "player_says": "Sell me the lamp."}
    for name, value in changes.items():
        next((part for part in (character, state) if name in part), request)[name] = value
    return request


def written(action: str = "none", line: str = "A fine day.", refused: bool = False) -> str:
    """What a model writes."""
    return json.dumps({"action": action, "refused": refused, "line": line}, ensure_ascii=False)


def read(text: str, **changes: Any) -> Any:
    """Return what the task makes of a model's text."""
    task = make_task()
    return task.read(task.request_type.model_validate(scene(**changes)), [Completion(text)])
