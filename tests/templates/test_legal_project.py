"""A project made from the legal template works as it is, with nothing heavy installed."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from kit.errors import InputError
from kit.project.template import plan_project
from kit.task import Completion
from tests.templates.legal import FOLDER, make_task, written

_RUN = """
import sys, pytest
code = pytest.main(["-q", "-p", "no:cacheprovider", "tests"])
heavy = {"torch", "transformers", "vllm", "fastapi", "sklearn"} & set(sys.modules)
sys.exit(f"loaded: {heavy}" if heavy else code)
"""


def test_a_new_projects_own_tests_pass_and_load_nothing_heavy(tmp_path: Path) -> None:
    plan_project("legal", tmp_path / "mine").make()
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", _RUN],
        cwd=tmp_path / "mine",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_generate_runs_as_a_script_and_writes_the_same_bytes(tmp_path: Path) -> None:
    plan_project("legal", tmp_path / "mine").make()
    data = tmp_path / "mine/data"
    before = {file.name: file.read_bytes() for file in data.iterdir()}
    for file in data.iterdir():
        file.unlink()
    subprocess.run([sys.executable, "generate.py"], cwd=tmp_path / "mine", check=True)
    assert {file.name: file.read_bytes() for file in data.iterdir()} == before


def test_the_answer_on_the_templates_page_is_what_the_task_returns() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    request, response = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    task = make_task()
    answer = written(task, governing_law=["This Agreement is governed by the law of Sweden."])
    read = task.read(task.request_type.model_validate(request), [Completion(answer)])
    assert read.model_dump(mode="json") == response
    (shown,) = re.findall(r"`(\{\"2\":.*?\})`", page)
    numbering = make_task(answer="numbers")
    assert numbering.read(numbering.request_type.model_validate(request), [Completion(shown)]) == read


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
