"""Your own files and the public sets become examples, and every fault in a copy is reported at once."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from code_parts import make_task, module, perfect  # type: ignore[import-not-found]

from kit.errors import InputError

importers = module("importers").importers
FUNCTION = 'def NAME(values):\n    """Ünused."""\n    total = 0\n    for value in values:\n        total += value\n'
FUNCTION += '    return f"é {total}", total\n'
KEY = "AKIA" + "Q3EGV7RTZ4LMWX2B"


def own_files(folder: Path) -> Path:
    """Three files that fit, one of them twice, and folders that are not the user's own code."""
    for name, text in {
        "a.py": FUNCTION.replace("NAME", "first"),
        "deep/b.py": "# SPDX-License-Identifier: MIT\n" + FUNCTION.replace("NAME", "second"),
        "copy.py": FUNCTION.replace("NAME", "first"),
        "windows.py": FUNCTION.replace("NAME", "third").replace("\n", "\r\n"),
        "only_data.py": "X = 1\n",
        ".hidden/c.py": FUNCTION.replace("NAME", "hidden"),
        "lib/site-packages/d.py": FUNCTION.replace("NAME", "installed"),
        "notes.txt": "def no(): pass\n",
    }.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return folder


def test_own_files_become_gaps_in_groups_by_file(tmp_path: Path) -> None:
    found = importers["files"](own_files(tmp_path), {"gaps": "3"})
    assert {row.group for row in found} == {"a.py", "deep/b.py", "windows.py"}
    assert len(found) == 9
    assert len({row.id for row in found}) == 9
    task = make_task()
    for row in found:
        assert "\r" not in row.request.prefix + row.request.suffix
        assert row.request.path == row.group
        assert perfect(task, row).model_dump() == row.response.model_dump()
    assert {row.provenance["licence"] for row in found} == {"MIT", "not stated"}
    assert found == importers["files"](tmp_path, {"gaps": "3"})
    assert importers["files"](tmp_path / "a.py", {})[0].group == "a.py"


def test_files_that_must_not_be_learned_are_all_reported_or_left_out(tmp_path: Path) -> None:
    folder = own_files(tmp_path)
    (folder / "key.py").write_text(f'x = 1\nKEY = "{KEY}"\n', encoding="utf-8")
    (folder / "gpl.py").write_text("# GNU General Public License\nx = 1\n", encoding="utf-8")
    (folder / "broken.py").write_text("def f(:\n", encoding="utf-8")
    (folder / "latin.py").write_bytes("x = 'é'\n".encode("latin-1"))
    (folder / "long.py").write_text("x = 1\n" * 20_000, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        importers["files"](folder, {})
    said = str(caught.value)
    for words in (
        "key.py:2: This file has an access key of AWS.", "gpl.py:1: This file has the licence GPL.",
        "broken.py: This file is not Python", "latin.py", "long.py: This file has 120,000 characters", "unfit=skip",
    ):  # fmt: skip
        assert words in said
    assert KEY not in said
    found = importers["files"](folder, {"unfit": "skip"})
    assert {row.group for row in found} == {"a.py", "deep/b.py", "windows.py"}


def mbpp_lines() -> list[dict[str, Any]]:
    """Two tasks for training and one of the official test, as the set writes them."""
    code = "def square(x):\r\n  y = x * x\r\n  return y"
    row = {"text": "Square  a number.", "code": code, "test_setup_code": "", "test_list": ["assert square(2) == 4"]}
    return [{**row, "task_id": number} for number in (1, 700, 50)]


def write_lines(file: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a file of lines, compressed if its name says so."""
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    return file


def test_mbpp_gives_gaps_with_tests_and_keeps_its_official_test_apart(tmp_path: Path) -> None:
    write_lines(tmp_path / "mbpp.jsonl", mbpp_lines())
    found = importers["mbpp"](tmp_path, {})
    assert {row.group for row in found} == {"mbpp-1", "mbpp-700"}
    assert {row.group for row in importers["mbpp"](tmp_path, {"part": "test"})} == {"mbpp-50"}
    sandbox = module("sandbox")
    for row in found:
        assert (row.request.prefix + row.response.completion).startswith("# Square a number.\ndef square(x):\n")
        program = f"{row.request.prefix}{row.response.completion}{row.request.suffix}"
        assert sandbox.run_tests(program, row.provenance["test"]) == "passed"


def infilling_line(**changes: Any) -> dict[str, Any]:
    """A gap as HumanEval infilling has it."""
    row = {
        "task_id": "SingleLineInfilling/HumanEval/7/L1", "entry_point": "add", "prompt": "def add(a, b):\n",
        "suffix": "    return c\n", "canonical_solution": "    c = a + b\n",
        "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
    }  # fmt: skip
    return {**row, **changes}


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz"])
def test_humaneval_infilling_is_for_evaluation_only(tmp_path: Path, ending: str) -> None:
    write_lines(tmp_path / f"HumanEval-SingleLineInfilling.{ending}", [infilling_line()])
    (row,) = importers["humaneval-infilling"](tmp_path, {})
    assert (row.group, row.weight, row.response.parses) == ("HumanEval/7", 0, True)
    program = f"{row.request.prefix}{row.response.completion}{row.request.suffix}"
    assert module("sandbox").run_tests(program, row.provenance["test"]) == "passed"


def test_every_fault_of_a_copy_is_reported_with_its_line(tmp_path: Path) -> None:
    wrong = infilling_line()
    del wrong["suffix"]
    file = write_lines(tmp_path / "HumanEval-SingleLineInfilling.jsonl", [infilling_line(), wrong])
    with file.open("a", encoding="utf-8") as stream:
        stream.write("no json\n")
    with pytest.raises(InputError) as caught:
        importers["humaneval-infilling"](tmp_path, {})
    assert f"{file}:2" in str(caught.value)
    assert f"{file}:3" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("files", {"gap": "2"}, "Did you mean 'gaps'"),
        ("files", {"gaps": "none"}, "is no number of gaps"),
        ("files", {"unfit": "keep"}, "is no value of 'unfit'"),
        ("humaneval-infilling", {"kind": "single"}, "is no value of 'kind'"),
    ],
)
def test_an_unknown_setting_is_named(tmp_path: Path, name: str, settings: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        importers[name](tmp_path, settings)


@pytest.mark.parametrize("name", ["mbpp", "humaneval-infilling"])
def test_a_folder_without_the_set_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="This is no copy of"):
        importers[name](tmp_path, {})


def test_a_folder_without_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No Python file here"):
        importers["files"](tmp_path, {})
    with pytest.raises(InputError, match="no such file"):
        importers["files"](tmp_path / "absent", {})


@pytest.mark.public_data
@pytest.mark.skipif("DOMAINKIT_DATA" not in os.environ, reason="DOMAINKIT_DATA does not name a folder of public sets")
def test_the_public_sets_are_read_and_their_own_solutions_pass() -> None:
    folder, sandbox, task = Path(os.environ["DOMAINKIT_DATA"]) / "code", module("sandbox"), make_task()
    infilling = importers["humaneval-infilling"](folder / "humaneval_infilling", {})
    assert (len(infilling), len({row.group for row in infilling})) == (1033, 164)
    assert len(importers["humaneval-infilling"](folder / "humaneval_infilling", {"kind": "multi-line"})) == 5815
    mbpp = importers["mbpp"](folder / "mbpp", {})
    assert len({row.group for row in mbpp}) == 474
    assert all(perfect(task, row).completion == row.response.completion for row in infilling)
    for row in [*infilling[::60], *mbpp[::60]]:
        program = f"{row.request.prefix}{row.response.completion}{row.request.suffix}"
        assert sandbox.run_tests(program, row.provenance["test"]) == "passed", row.id
