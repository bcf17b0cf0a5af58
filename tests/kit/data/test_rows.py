"""Training rows: the whole answer and its end are supervised, and nothing is ever cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.base import NANO
from kit.chat import Renderer
from kit.data.rows import build_rows
from kit.errors import InputError, UnfitRows
from kit.project.project import AnyExample, AnyTask, Project
from tests.kit.toy import TASK, make_toy, row

RENDERER = Renderer(NANO)


def task_of(folder: Path, *changes: tuple[str, str]) -> AnyTask:
    root = make_toy(folder / "toy")
    text = TASK
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (root / "task.py").write_text(text)
    project = Project(root)
    return project.tasks(project.recipe())[0]


def examples(task: AnyTask, *rows: dict[str, object]) -> list[AnyExample]:
    return [task.example_type().model_validate(each) for each in rows]


def test_a_row_is_prompt_answer_and_end_of_turn(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    made = build_rows(task, RENDERER, examples(task, row("train", 1, weight=0.5)), 256, "refuse")
    (only,) = made.rows
    (prompt,) = task.prompts(examples(task, row("train", 1))[0].request)
    assert only.ids[: only.answer_start] == RENDERER.prompt(prompt)
    assert RENDERER.decode(only.ids[only.answer_start :]) == "praise"
    assert only.ids[-1] == RENDERER.turn_end
    assert (only.example, only.group, only.weight) == ("train-1", "train-0", 0.5)


def test_rows_that_are_too_long_are_all_told_with_place_and_length(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    rows = examples(task, row("train", 1), row("train", 2), row("train", 3))
    with pytest.raises(InputError) as caught:
        build_rows(task, RENDERER, rows, 20, "refuse", {"train-2": "data/train.jsonl:2"})
    assert len(caught.value.problems) == 3
    assert caught.value.problems[1].where == "data/train.jsonl:2"
    assert "the longest allowed is 20" in caught.value.problems[1].what


def test_rows_that_are_too_long_can_be_dropped_and_are_listed(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    long = row("train", 2, request={"text": "and on it went " * 40})
    made = build_rows(task, RENDERER, examples(task, row("train", 1), long), 60, "drop")
    assert [each.example for each in made.rows] == ["train-1"]
    assert [each.example for each in made.dropped] == ["train-2"]
    assert made.dropped[0].tokens > 60


def test_an_answer_beyond_its_prompts_budget_is_refused(tmp_path: Path) -> None:
    task = task_of(tmp_path, ("ge=1)] = 16", "ge=1)] = 1"))
    with pytest.raises(InputError, match="its prompt allows 1"):
        build_rows(task, RENDERER, examples(task, row("train", 1)), 256, "drop")


@pytest.mark.parametrize("change", [("return [response.label]", "return [None]")])
def test_a_set_without_any_target_is_refused(tmp_path: Path, change: tuple[str, str]) -> None:
    task = task_of(tmp_path, change)
    with pytest.raises(InputError, match="No training row has a token"):
        build_rows(task, RENDERER, examples(task, row("train", 1)), 256, "refuse")


def test_an_example_without_any_target_is_named_where_it_has_to_teach_and_weighs_something(tmp_path: Path) -> None:
    task = task_of(tmp_path, ("return [response.label]", "return [None if request.text == 'mute' else response.label]"))
    mute = {"request": {"text": "mute"}}
    rows = examples(task, row("train", 1), row("train", 2, **mute), row("train", 3, weight=0.0, **mute))
    with pytest.raises(UnfitRows) as caught:
        build_rows(task, RENDERER, rows, 256, "refuse", {"train-2": "train.jsonl:2"}, must_teach=True)
    (problem,) = caught.value.problems
    assert (problem.what, problem.where) == ("Example 'train-2' has no target to learn from.", "train.jsonl:2")
    assert len(build_rows(task, RENDERER, rows, 256, "refuse").rows) == 1


def test_a_set_that_weighs_nothing_is_refused(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    with pytest.raises(InputError, match="No training row has a token"):
        build_rows(task, RENDERER, examples(task, row("train", 1, weight=0.0)), 256, "refuse")


def test_a_task_with_fewer_targets_than_prompts_is_told(tmp_path: Path) -> None:
    task = task_of(tmp_path, ("return [response.label]", "return []"))
    with pytest.raises(InputError, match="Example 'train-1': The task makes 1 prompts but 0 targets"):
        build_rows(task, RENDERER, examples(task, row("train", 1)), 256, "refuse")
