"""What a bundle keeps of its examples: the tasks' own, and the examples that are replayed."""

from __future__ import annotations

from pathlib import Path

from kit.data.keys import Keys
from kit.project.project import Project
from kit.workflows.steps.training_data import record_of
from tests.kit.toy import lines, make_toy, row


def test_a_record_holds_training_validation_and_replayed_examples_and_no_test_example(tmp_path: Path) -> None:
    root = make_toy(tmp_path / "toy")
    (root / "data" / "earlier.jsonl").write_text(lines([row("earlier", 1)]))
    recipe_file = root / "recipe.yaml"
    replay = "  max_length: 256\n  replay: {data: data/earlier.jsonl, use: task.py:Toy}\n"
    recipe_file.write_text(recipe_file.read_text().replace("  max_length: 256\n", replay))
    project = Project(root)
    recipe = project.recipe()
    tasks = project.all_data(recipe)
    record = record_of(project, recipe, tasks).tasks["toy"]
    own = Keys.of([*tasks[0].examples("train"), *tasks[0].examples("validation")])
    assert len(own.requests) == 60
    assert own.requests < set(record.requests)
    assert len(record.requests) == 61
    assert not set(record.requests) & Keys.of(tasks[0].examples("test")).requests
    assert record.labels == {"complaint": 30, "praise": 30}


def test_a_limit_leaves_out_of_the_record_what_it_leaves_out_of_training(tmp_path: Path) -> None:
    root = make_toy(tmp_path / "toy")
    recipe_file = root / "recipe.yaml"
    recipe_file.write_text(recipe_file.read_text().replace("train:\n  max", "data: {limit_train: 5}\ntrain:\n  max"))
    project = Project(root)
    tasks = project.all_data(project.recipe())
    record = record_of(project, project.recipe(), tasks).tasks["toy"]
    assert len(record.requests) == 5 + len(tasks[0].examples("validation"))
