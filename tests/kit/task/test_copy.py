"""A copied task is tried outside its project, and a file that the copy lacks is reported."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from kit.errors import InputError
from kit.recipe import load_recipe
from kit.task.copy import try_copy
from kit.task.loader import load_tasks
from tests.kit.toy import make_toy


class Request(BaseModel):
    text: str = "Fine."
    language: str = "en"


def with_labels(project: Path, reading: str) -> Path:
    """The toy, with its labels read from a file in some way; the old words stay where they are."""
    task = project / "task.py"
    text = task.read_text().replace(
        'LABELS = ("praise", "complaint")', f"import json\nfrom pathlib import Path\n{reading}"
    )
    task.write_text(text)
    (project / "labels.json").write_text(json.dumps(["praise", "complaint"]))
    return project


def tried(project: Path) -> int:
    return try_copy(project, load_recipe(project / "recipe.yaml"), {"toy": Request()})


def test_a_file_beside_the_code_travels(tmp_path: Path) -> None:
    read = "LABELS = tuple(json.loads((Path(__file__).parent / 'labels.json').read_text()))"
    assert tried(with_labels(make_toy(tmp_path / "toy"), read)) == 2


def test_a_file_whose_name_is_made_while_running_is_told_with_its_line(tmp_path: Path) -> None:
    project = with_labels(
        make_toy(tmp_path / "toy"),
        "kind = 'json'\nLABELS = tuple(json.loads(\n    (Path(__file__).parent / f'labels.{kind}').read_text()))",
    )
    with pytest.raises(InputError) as caught:
        tried(project)
    shown = str(caught.value)
    assert f"{project}/task.py:" in shown
    assert "FileNotFoundError" in shown
    assert "the files that its code names in a string" in shown


def test_a_path_that_starts_at_the_current_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = with_labels(make_toy(tmp_path / "toy"), "LABELS = tuple(json.loads(Path('labels.json').read_text()))")
    monkeypatch.chdir(project)
    with pytest.raises(InputError, match=r"No such file or directory: 'labels\.json'"):
        tried(project)
    assert Path.cwd() == project


def test_what_was_loaded_before_is_the_same_afterwards(tmp_path: Path) -> None:
    project = make_toy(tmp_path / "toy")
    recipe = load_recipe(project / "recipe.yaml")
    (before,) = load_tasks(project, recipe)
    names = {name for name in sys.modules if name.startswith("kit_task_")}
    tried(project)
    (after,) = load_tasks(project, recipe)
    assert type(after) is type(before)
    assert {name for name in sys.modules if name.startswith("kit_task_")} == names


def test_an_error_in_a_method_is_told_with_file_line_and_method(tmp_path: Path) -> None:
    project = make_toy(tmp_path / "toy")
    text = (project / "task.py").read_text().replace("self.options.budget", "self.options.bugdet")
    (project / "task.py").write_text(text)
    line = next(at for at, each in enumerate(text.splitlines(), start=1) if "bugdet" in each)
    with pytest.raises(InputError) as caught:
        tried(project)
    (problem,) = caught.value.problems
    assert problem.where == f"{project}{os.sep}task.py:{line}"
    assert problem.what.startswith("The task broke in Toy.prompts: AttributeError: ")
