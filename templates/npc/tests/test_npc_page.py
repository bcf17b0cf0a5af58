"""The page shows a request and a response that fit the task."""

from __future__ import annotations

import json
import re

from npc_parts import PROJECT, make_task, written  # type: ignore[import-not-found]

from kit.task import Completion

PAGE = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_response_on_the_page_is_what_the_task_returns() -> None:
    request, response = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    task = make_task()
    answer = Completion(written("sell: lamp", response["line"]))
    assert task.read(task.request_type.model_validate(request), [answer]).model_dump(mode="json") == response
    assert f"`POST {task.route}`" in PAGE


def test_the_page_counts_the_examples_as_they_are() -> None:
    rows = {
        part: (PROJECT / f"data/{part}.jsonl").read_text(encoding="utf-8").splitlines() for part in ("train", "test")
    }
    hard = sum('"hard"' in line for line in rows["test"])
    said = f"{len(rows['train'])} training scenes with 18 characters, and {len(rows['test']) - hard} test scenes"
    assert said in PAGE
    assert f"{hard} hard cases" in PAGE


def test_every_fault_that_a_response_can_name_is_on_the_page() -> None:
    kinds = make_task().response_type.model_json_schema()["properties"]["faults"]["items"]["enum"]
    assert [kind for kind in kinds if f"`{kind}`" not in PAGE] == []
