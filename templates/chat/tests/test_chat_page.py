"""The page shows what the task returns."""

from __future__ import annotations

import json
import re
from pathlib import Path

from kit.recipe import load_recipe
from kit.task import Completion
from kit.task.loader import load_module, load_tasks

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_answer_on_the_page_is_what_the_task_returns() -> None:
    request, response = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (task,) = load_tasks(PROJECT, load_recipe(PROJECT / "recipe.yaml"))
    assert f"`POST {task.route}`" in PAGE
    answer = '<tool_call>{"name": "find_book", "arguments": {"title": "The Salt Road"}}</tool_call>'
    read = task.read(task.request_type.model_validate_json(request), [Completion(answer)])
    assert read.model_dump(mode="json") == json.loads(response)


def test_every_importer_is_on_the_page() -> None:
    for name in load_module(PROJECT, "importers.py").importers:
        assert f"| `{name}` |" in PAGE
