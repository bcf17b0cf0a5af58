"""What holds for every template: a new project from it passes its own tests and checks, and loads nothing heavy.

A template's own tests run here, in a project, as its user runs them. So each template's tests are a process of their
own, and their files need no names that differ from those of other templates.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kit
from kit.project.template import Template
from tests.every_template.conftest import TEMPLATES

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(kit.__file__).parents[1]), "PYTEST_ADDOPTS": ""}
WITH_GENERATOR = [each for each in TEMPLATES if (each.folder / "generate.py").is_file()]
NO_TESTS = 5  # pytest's exit code where no test was chosen
LOAD = """
import sys
from pathlib import Path
from kit.data.formats import read_file
from kit.recipe import load_recipe
from kit.task import ClassicalBaseline
from kit.task.loader import load_tasks
recipe = load_recipe(Path("recipe.yaml"))
for section, task in zip(recipe.tasks, load_tasks(Path(), recipe), strict=True):
    rows = read_file(Path((section.data or recipe.data).test), task).examples
    assert isinstance(task, ClassicalBaseline)
    answer = task.fit_baseline(rows)(rows[0].request)
    assert isinstance(answer, task.response_type)
print(*{"torch", "transformers", "vllm", "fastapi", "sklearn"} & set(sys.modules))
"""


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def own_tests(project: Path, marks: str) -> subprocess.CompletedProcess[str]:
    done = python(project, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-m", marks, "tests")
    assert " skipped" not in done.stdout, done.stdout
    return done


def test_its_own_tests_pass_in_a_new_project_and_none_is_skipped(project: Path) -> None:
    done = own_tests(project, "not public_data")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.public_data
def test_its_own_tests_of_public_sets_pass(project: Path) -> None:
    done = own_tests(project, "public_data")
    assert done.returncode in (0, NO_TESTS), done.stdout + done.stderr


def test_its_task_and_its_baseline_load_nothing_heavy(project: Path) -> None:
    done = python(project, "-c", LOAD)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("template", WITH_GENERATOR, ids=[each.name for each in WITH_GENERATOR], indirect=True)
def test_its_generator_runs_as_a_script_and_writes_the_same_bytes(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    before = {file.name: file.read_bytes() for file in (copy / "data").iterdir()}
    for file in (copy / "data").iterdir():
        file.unlink()
    done = python(copy, "generate.py")
    assert done.returncode == 0, done.stderr
    assert {file.name: file.read_bytes() for file in (copy / "data").iterdir()} == before


def test_it_has_all_parts_of_a_template(template: Template) -> None:
    parts = ("recipe.yaml", "task.py", "data/train.jsonl", "data/test.jsonl", "README.md", "tests")
    assert [part for part in parts if not (template.folder / part).exists()] == []
    assert template.summary
