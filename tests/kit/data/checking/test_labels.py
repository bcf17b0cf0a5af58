"""Labels that are trained on must be tested, and those that are tested must be trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.checks import Check
from kit.data.checking.labels import check_labels, count_labels
from kit.project.project import AnyTask, Project
from tests.kit.toy import TASK, make_toy, row

OPEN = ('label: Literal["praise", "complaint"]', "label: str")
LABELS = "    def labels(self, response):\n        return response.label.split('+')\n\n"
LABELLED = ("    def read(", f"{LABELS}    def read(")


def task_of(folder: Path, *changes: tuple[str, str]) -> AnyTask:
    root = make_toy(folder / "toy")
    text = TASK
    for old, new in (OPEN, *changes):
        assert old in text
        text = text.replace(old, new)
    (root / "task.py").write_text(text)
    return Project(root).tasks(Project(root).recipe())[0]


def examples(task: AnyTask, name: str, *labels: str) -> list[Any]:
    rows = [row(name, number, response={"label": label}) for number, label in enumerate(labels)]
    return [task.example_type().model_validate(each) for each in rows]


def checks(task: AnyTask, train: list[Any], test: list[Any], *waived: str) -> dict[str, Check]:
    return {check.name: check for check in check_labels(task, {"train": train, "test": test}, waived)}


@pytest.mark.parametrize("changes", [(), (LABELLED,)], ids=["choices", "labelled"])
def test_a_trained_label_without_a_test_example_is_a_warning(tmp_path: Path, changes: Any) -> None:
    task = task_of(tmp_path, *changes)
    train, test = examples(task, "train", "praise", *["refund"] * 40), examples(task, "test", "praise")
    found = checks(task, train, test)
    assert (found["data.labels"].state, found["data.labels"].blocking) == ("failed", False)
    assert found["data.labels"].what == "40 training examples and no test example have the label 'refund'."
    assert found["data.labels.unknown"].state == "held"


def test_a_tested_label_without_a_training_example_is_a_warning_with_the_near_miss(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    found = checks(task, examples(task, "train", "refund"), examples(task, "test", "refund", "refunds"))
    assert found["data.labels"].state == "held"
    (problem,) = found["data.labels.unknown"].problems
    assert (problem.what.split()[-1], problem.next) == ("'refunds'.", "Did you mean 'refund'?")


def test_a_waived_label_is_named_and_a_waiver_of_no_label_is_a_warning(tmp_path: Path) -> None:
    task = task_of(tmp_path)
    train, test = examples(task, "train", "praise", "refund"), examples(task, "test", "praise")
    found = checks(task, train, test, "refund", "refunt")
    assert found["data.labels"].state == "held"
    assert "that the recipe waives: refund." in found["data.labels"].what
    (problem,) = found["eval.untested_labels"].problems
    assert (problem.what, problem.next) == ("No training example has the label 'refunt'.", "Did you mean 'refund'?")


def test_a_task_without_labels_has_no_such_check(tmp_path: Path) -> None:
    task = task_of(tmp_path, ("import Choices,", "import FreeText,"), ("Choices(LABELS)", "FreeText()"))
    assert checks(task, examples(task, "train", "praise"), examples(task, "test", "other")) == {}


def test_an_example_that_the_task_refuses_counts_for_no_label(tmp_path: Path) -> None:
    task = task_of(tmp_path, ("return [response.label]", "raise __import__('kit.errors').errors.InputError('no')"))
    assert count_labels(task, examples(task, "train", "praise")) == {}
