"""The page shows what the task returns, and options out of range are refused."""

from __future__ import annotations

import json
import math
import re

import pytest
from legal_parts import PROJECT, make_task, written  # type: ignore[import-not-found]
from pydantic import ValidationError

from kit.errors import InputError
from kit.task import Completion


def test_the_answer_on_the_templates_page_is_what_the_task_returns() -> None:
    page = (PROJECT / "README.md").read_text(encoding="utf-8")
    request, response = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    task = make_task()
    answer = written(task, governing_law=["This Agreement is governed by the law of Sweden."])
    read = task.read(task.request_type.model_validate(request), [Completion(answer)])
    assert read.model_dump(mode="json") == response
    details = (PROJECT / "DETAILS.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"`(\{\"2\":.*?\})`", details)
    numbering = make_task(answer="numbers")
    assert numbering.read(numbering.request_type.model_validate(request), [Completion(shown)]) == read


def test_the_second_page_lists_every_option_and_every_metric() -> None:
    details, task = (PROJECT / "DETAILS.md").read_text(encoding="utf-8"), make_task()
    named = set(re.findall(r"`(\w+)`", details))
    assert {*type(task.options).model_fields, *task.metrics} - named == set()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("window", 2**70),
        ("overlap", 2**70),
        ("max_clauses", 10**6),
        ("answer_tokens", 2**31),
        ("readings", 9),
        ("threshold", math.nan),
        ("empty_share", math.inf),
    ],
)
def test_an_option_that_nothing_can_compute_with_is_named(option: str, value: float) -> None:
    with pytest.raises((InputError, ValidationError), match=option):
        make_task(**{option: value})
