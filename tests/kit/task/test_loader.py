"""The task loader: trusted folders, checked imports, modules named by content."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.errors import InputError
from kit.recipe import TaskSection
from kit.task.files import files_digest, task_files
from kit.task.loader import load_task

TASK = """
from kit.task import Completion, FreeText, Message, Prompt, Strict, Task
from .words import greeting

class Ask(Strict):
    text: str

class Reply(Strict):
    text: str

class Echo(Task[Ask, Reply]):
    name = "echo"
    route = "/v1/echo"
    request_type = Ask
    response_type = Reply
    metrics = {}
    main_metric = ""

    class Options(Strict):
        budget: int = 8

    def prompts(self, request):
        return [Prompt(FreeText(), self.options.budget, messages=(Message.of("user", greeting() + request.text),))]

    def targets(self, request, response):
        return [response.text]

    def read(self, request, completions):
        return Reply(text=completions[0].text)

    def observe(self, expected, actual):
        return {}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "task.py").write_text(TASK)
    (tmp_path / "words.py").write_text("def greeting() -> str:\n    return 'one '\n")
    (tmp_path / "generate.py").write_text("import random\n")
    return tmp_path


def load(folder: Path, **options: object) -> object:
    return load_task(folder, TaskSection(use="task.py:Echo", options=options))


def test_a_task_loads_with_its_siblings_and_its_options(folder: Path) -> None:
    task = load(folder, budget=3)
    prompt = task.prompts(task.request_type(text="two"))[0]  # type: ignore[attr-defined]
    assert (prompt.max_tokens, prompt.messages[0].text) == (3, "one two")


def test_only_what_the_task_imports_belongs_to_it(folder: Path) -> None:
    assert list(task_files(folder)) == ["task.py", "words.py"]


def test_another_version_of_a_sibling_is_another_module(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    first, before = load(folder), files_digest(task_files(folder))
    (folder / "words.py").write_text("def greeting() -> str:\n    return 'uno '\n")
    second = load(folder)
    assert files_digest(task_files(folder)) != before
    texts = [task.prompts(task.request_type(text="x"))[0].messages[0].text for task in (first, second)]  # type: ignore[attr-defined]
    assert texts == ["one x", "uno x"]


def test_loading_leaves_no_compiled_files_behind(folder: Path) -> None:
    load(folder)
    assert not list(folder.rglob("__pycache__"))


@pytest.mark.parametrize("line", ["import torch", "from transformers import AutoModel", "import requests.sessions"])
def test_an_import_that_is_not_allowed_is_refused_before_anything_runs(folder: Path, line: str) -> None:
    (folder / "words.py").write_text(f"{line}\nraise SystemExit('ran')\n")
    with pytest.raises(InputError, match=r"words\.py:1: A task may not import"):
        load(folder)


@pytest.mark.parametrize(
    ("use", "sentence"),
    [("task.py:Ecko", "Did you mean 'Echo'"), ("tusk.py:Echo", "no such file"), ("words.py:greeting", "has no task")],
)
def test_what_is_not_there_is_told(folder: Path, use: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_task(folder, TaskSection(use=use))


def test_an_unknown_option_is_told(folder: Path) -> None:
    with pytest.raises(InputError, match=r"options\.bugdet"):
        load(folder, bugdet=3)
