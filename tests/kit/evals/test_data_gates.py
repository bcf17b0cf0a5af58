"""Gates on the test examples: each has a fixture that fails it, and an unknown result never holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.bundle.training_record import TrainedTask
from kit.data.keys import Keys
from kit.evals.data_gates import label_gate, leak_gate
from kit.evals.gates import Gate
from kit.project.project import AnyTask, Project
from tests.kit.toy import make_toy, row


@pytest.fixture
def task(tmp_path: Path) -> AnyTask:
    project = Project(make_toy(tmp_path / "toy"))
    return project.tasks(project.recipe())[0]


def examples(task: AnyTask, name: str, *numbers: int, **changes: Any) -> list[Any]:
    return [task.example_type().model_validate(row(name, number, **changes)) for number in numbers]


def trained(task: AnyTask, **labels: int) -> TrainedTask:
    keys = Keys.of(examples(task, "train", *range(60)))
    return TrainedTask(requests=sorted(keys.requests), groups=sorted(keys.groups), labels=labels)


def labels_judged(task: AnyTask, test: list[Any], record: TrainedTask | None, *waived: str) -> Gate:
    (gate,) = label_gate(task, test, record, waived)
    return gate


def test_test_rows_of_their_own_hold(task: AnyTask) -> None:
    gate = leak_gate(examples(task, "test", *range(20)), {}, trained(task))
    assert (gate.outcome, gate.value, gate.threshold) == ("held", 0.0, 0.0)


def test_a_row_that_was_trained_on_fails_and_is_named_with_its_line(task: AnyTask) -> None:
    test = [*examples(task, "test", 1, 2), *examples(task, "train", 5, id="late", group="late")]
    gate = leak_gate(test, {"late": "data/test.jsonl:3"}, trained(task))
    assert (gate.outcome, gate.value) == ("failed", 1.0)
    assert gate.reason.endswith(
        "1 of 3 test rows were trained on, their request or their group: 'late' (test.jsonl:3)."
    )


def test_the_first_rows_that_were_trained_on_are_named_and_all_are_counted(task: AnyTask) -> None:
    gate = leak_gate(examples(task, "train", *range(12)), {}, trained(task))
    assert gate.reason.startswith("12 of 12 test rows were trained on")
    assert gate.reason.endswith(": 'train-0', 'train-1', 'train-2' and 9 more.")


def test_a_bundle_that_does_not_say_what_it_was_trained_on_is_not_held(task: AnyTask) -> None:
    test = examples(task, "test", *range(4))
    assert leak_gate(test, {}, None).outcome == "unmeasured"
    assert labels_judged(task, test, None).outcome == "unmeasured"
    assert "The bundle does not say what it was trained on" in leak_gate(test, {}, None).reason


def test_labels_that_were_trained_on_and_not_tested_leave_the_gate_unmeasured_unless_they_are_waived(
    task: AnyTask,
) -> None:
    test, record = examples(task, "test", *range(4)), trained(task, praise=30, complaint=30, refund=40)
    gate = labels_judged(task, test, record)
    assert (gate.outcome, gate.value) == ("unmeasured", 1.0)
    assert gate.reason.startswith("No test row gives 'refund'.")
    waived = labels_judged(task, test, record, "refund")
    assert waived.outcome == "held"
    assert waived.reason == "Each of the 3 trained labels is tested, but 'refund', which the recipe waives."


def test_labels_that_are_all_tested_hold_and_a_task_without_any_has_no_gate(task: AnyTask) -> None:
    test = examples(task, "test", *range(4))
    assert labels_judged(task, test, trained(task, praise=30, complaint=30)).outcome == "held"
    assert label_gate(task, test, trained(task), ()) == []
