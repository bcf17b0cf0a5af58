"""A starter is small enough to read in five minutes, and its page says that it is one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kit.project.template import Template, list_templates
from kit.recipe import load_recipe
from kit.task.loader import load_tasks
from tests.every_template.test_projects import python

MOST_LINES = 150
ROWS = 40
STARTERS = ("classify", "extract", "write")


def first_line(template: Template) -> str:
    return (template.folder / "README.md").read_text(encoding="utf-8").partition("\n")[0]


def starters() -> list[Template]:
    return [each for each in list_templates() if first_line(each).startswith("# Starter: ")]


def lines_of(files: list[Path]) -> int:
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def test_the_starters_are_known_by_the_first_line_of_their_pages() -> None:
    assert {each.name for each in starters()} >= set(STARTERS)
    assert "legal" not in {each.name for each in starters()}


def test_the_python_of_a_starter_has_fewer_than_150_lines_with_its_tests() -> None:
    counts = {each.name: lines_of(sorted(each.folder.rglob("*.py"))) for each in starters()}
    assert {name: count for name, count in counts.items() if count >= MOST_LINES} == {}
    assert min(counts.values()) > 50


def test_a_starter_has_forty_rows() -> None:
    for each in starters():
        assert lines_of(sorted((each.folder / "data").glob("*.jsonl"))) == ROWS, each.name


def test_the_request_the_answer_and_the_row_on_a_starters_page_fit_its_task() -> None:
    for each in starters():
        (task,) = load_tasks(each.folder, load_recipe(each.folder / "recipe.yaml"))
        page = (each.folder / "README.md").read_text(encoding="utf-8")
        request, response, row = re.findall(r"^ *```json\n(.*?)```", page, re.DOTALL | re.MULTILINE)
        assert f"`POST {task.route}`" in page
        task.request_type.model_validate_json(request)
        task.response_type.model_validate_json(response)
        task.example_type().model_validate_json(row)


@pytest.mark.parametrize("template", starters(), ids=[each.name for each in starters()], indirect=True)
def test_the_check_of_a_new_starter_only_warns_about_the_number_of_rows(project: Path) -> None:
    done = python(project, "-m", "kit", "check", "--profile", "smoke", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    states = {check["name"]: check["state"] for check in json.loads(done.stdout)["checks"]}
    assert [name for name, state in states.items() if state == "failed"] == ["data.count"]
