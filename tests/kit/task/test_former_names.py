"""Former names of modules: the error of a project that still imports one says the new name."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from kit.errors import InputError
from kit.task.fault import task_fault
from kit.task.former_names import MOVED
from kit.task.loader import load_module


def test_every_former_name_is_gone_and_every_new_one_is_there() -> None:
    for old, new in MOVED.items():
        parent = importlib.util.find_spec(old.rpartition(".")[0])
        assert parent is not None
        assert importlib.util.find_spec(old) is None, old
        assert importlib.util.find_spec(new) is not None, new


def test_a_file_of_a_project_that_imports_a_former_name_is_told_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "importers.py"
    file.write_text("from kit.errors import InputError\nfrom kit.validation import dotted\n")
    with pytest.raises(InputError, match=r"importers\.py:2: .*No module named 'kit\.validation'.* kit\.recipe\.valid"):
        load_module(tmp_path, "importers.py")
    file.write_text("from kit.no_such_thing import dotted\n")
    with pytest.raises(InputError) as caught:
        load_module(tmp_path, "importers.py")
    assert caught.value.problems[0].next == ""


def test_an_import_within_a_method_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text("def read():\n    import kit.decoding\n")
    with pytest.raises(ModuleNotFoundError) as caught:
        load_module(tmp_path, "late.py").read()
    problem = task_fault(caught.value)
    assert problem is not None
    assert "kit.system.decoding" in problem.next
