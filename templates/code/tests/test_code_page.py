"""The page shows what the task returns, and its profiles fit each other."""

from __future__ import annotations

import json
import re

import pytest
from code_parts import PROJECT, make_task  # type: ignore[import-not-found]

from kit.recipe import load_recipe
from kit.task import Completion

PAGE = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_answer_on_the_page_is_what_the_task_returns() -> None:
    request, response = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    task = make_task()
    read = task.read(task.request_type.model_validate(request), [Completion(response["completion"])])
    assert read.model_dump(mode="json") == response
    assert f"`POST {task.route}`" in PAGE


def test_every_field_is_explained() -> None:
    task = make_task()
    for field in (*task.request_type.model_fields, *task.response_type.model_fields):
        assert f"`{field}`" in PAGE or f'"{field}"' in PAGE, field


@pytest.mark.parametrize("profile", [None, "smoke", "humaneval-infilling"])
def test_prefix_suffix_and_answer_always_fit_the_context(profile: str | None) -> None:
    recipe = load_recipe(PROJECT / "recipe.yaml", profile)
    options = make_task(**recipe.tasks[0].options).options
    sentinels = 8
    assert options.prefix_bytes + options.suffix_bytes + options.answer_tokens + sentinels <= recipe.serve.max_length
    assert recipe.serve.max_length <= recipe.train.max_length
    assert set(recipe.eval.gates) <= set(make_task().metrics)
