"""The legal template's modules, loaded as the kit loads them."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

from kit.recipe import TaskSection
from kit.task import Task
from kit.task.loader import load_module, load_task

FOLDER = Path(__file__).parents[2] / "templates/legal"
SMALL = {"window": 300, "overlap": 100}

WORDS = st.text(st.sampled_from("abXYZ019,.;é\u0301\U0001d538\U0001f4ce§“中"), min_size=1)
BLANKS = st.sampled_from([" ", "  ", "\n", "\r\n", "\n\n", "\t", "\u00a0", "\u2003"])
TEXTS = st.lists(st.tuples(WORDS, BLANKS), min_size=1, max_size=120).map(lambda pairs: "".join(map("".join, pairs)))
ANY_TEXT = st.one_of(TEXTS, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=900))


def module(name: str) -> ModuleType:
    """Return one of the template's modules."""
    return load_module(FOLDER, f"{name}.py")


def make_task(**options: Any) -> Task[Any, Any]:
    """Return the task with options."""
    return load_task(FOLDER, TaskSection(use="task.py:ClauseExtraction", options=options))


def written(task: Task[Any, Any], **quotes: list[str]) -> str:
    """What the model writes where it gives these quotes of these kinds."""
    answer = {label.replace("_", " "): quotes[label] for label in task.options.categories if label in quotes}
    return json.dumps(answer)
