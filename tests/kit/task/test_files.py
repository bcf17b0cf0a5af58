"""Files copied with a task: those it imports and names, and none of the other files of a project beside its code."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.errors import InputError
from kit.task.files import MOST_BYTES, files_digest, task_files


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_modules_packages_and_their_submodules_travel_and_what_they_import(tmp_path: Path) -> None:
    files = {
        "task.py": "from .words import greeting\nfrom .lib import helper\nfrom .lib.deep.tools import turn\n",
        "words.py": "from . import more\n",
        "more.py": "",
        "lib/__init__.py": "",
        "lib/helper.py": "from .sibling import x\nfrom ..beside import y\n",
        "lib/sibling.py": "",
        "lib/other.py": "",
        "lib/deep/__init__.py": "",
        "lib/deep/tools.py": "",
        "beside.py": "",
        "generate.py": "",
    }
    write(tmp_path, files)
    assert set(task_files(tmp_path)) == set(files) - {"lib/other.py", "generate.py"}


def test_files_that_the_code_names_travel_from_beside_the_module_and_from_the_root(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nfrom .lib import helper\nHERE = Path(__file__).parent\n"
        "labels = HERE / 'labels.json'\ntexts = sorted((HERE / 'texts').glob('*.txt'))\n"
        "settings = open('settings.toml')\nFILES = ['named/in_a_list.txt']\n"
    )
    named = {"labels.json", "texts/a.txt", "texts/deep/b.txt", "settings.toml", "named/in_a_list.txt", "lib/own.json"}
    write(tmp_path, dict.fromkeys([*named, "notes.txt", "named/other.txt"], ""))
    write(tmp_path, {"task.py": code, "lib/helper.py": "WORDS = 'own.json'\n", "lib/__init__.py": ""})
    assert set(task_files(tmp_path)) == named | {"task.py", "lib/helper.py", "lib/__init__.py"}


@pytest.mark.parametrize(
    "name",
    [
        "data/train.jsonl",
        "runs/1/run.json",
        "bundles/x",
        "evaluations/a/answers.jsonl",
        "tests/test_task.py",
        ".env",
        "keys/.secret",
        "other.py",
    ],
)
def test_what_a_project_keeps_beside_its_code_never_travels(tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: "", "task.py": f"open({name!r})\nopen({name.split('/')[0]!r})\nopen('.')\nopen('..')\n"})
    assert list(task_files(tmp_path)) == ["task.py"]


def test_a_folder_whose_name_is_only_a_word_does_not_travel(tmp_path: Path) -> None:
    write(tmp_path, {"model/weights.bin": "", "task.py": "KINDS = {'model': 1}\n"})
    assert list(task_files(tmp_path)) == ["task.py"]


def test_another_content_of_a_named_file_is_another_task(tmp_path: Path) -> None:
    write(tmp_path, {"labels.json": "[1]", "task.py": "open('labels.json')\n"})
    before = files_digest(task_files(tmp_path))
    (tmp_path / "labels.json").write_text("[2]")
    assert files_digest(task_files(tmp_path)) != before


def test_files_that_are_too_large_to_travel_are_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path, {"task.py": "open('model.bin')\n"})
    with (tmp_path / "model.bin").open("wb") as stream:
        stream.truncate(MOST_BYTES + 1)
    with pytest.raises(
        InputError, match=r"model\.bin: The files of a task may have 32 MiB.*The largest is 'model.bin'"
    ):
        task_files(tmp_path)


def test_an_absolute_import_of_a_sibling_is_refused_with_the_relative_one(tmp_path: Path) -> None:
    write(tmp_path, {"lib.py": "", "task.py": "import lib\n"})
    with pytest.raises(InputError, match=r"task\.py:1: A task may not import 'lib'. .*write 'from \. import lib'"):
        task_files(tmp_path)
