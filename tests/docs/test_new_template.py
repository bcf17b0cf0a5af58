"""What the tutorial makes becomes a template of the kit in one new folder: no other file of the repository changes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kit.system.files import file_digest
from tests.docs.blocks import Block, blocks
from tests.docs.pages import ROOT, TUTORIAL, page_run

COPIED = ("kit", "serving", "templates", "tests")
MADE_BY_RUNNING = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
NEW = "templates/tickets/"


@dataclass(frozen=True)
class Added:
    """A copy of the repository: the hash of each file before and after, and what the last commands printed."""

    before: dict[str, str]
    after: dict[str, str]
    printed: str


def part(start: str, end: str) -> list[Block]:
    """Return the blocks of the tutorial between two of its headings; those that it does not run are run here."""
    lines = (ROOT / TUTORIAL).read_text(encoding="utf-8").splitlines()
    first, last = lines.index(start), lines.index(end)
    return [replace(each, not_run=None) for each in blocks(ROOT / TUTORIAL, TUTORIAL) if first < each.line <= last]


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of every file that is not made by running the program."""
    found = (path for path in folder.rglob("*") if path.is_file() and not MADE_BY_RUNNING & {*path.parts})
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in found}


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Added:
    """Follow the tutorial to its data, and then add what was made to a copy of the repository."""
    kit = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        shutil.copytree(ROOT / name, kit / name, ignore=shutil.ignore_patterns(*MADE_BY_RUNNING))
    shutil.copy(ROOT / "pyproject.toml", kit)
    before = hashes(kit)
    folder = tmp_path_factory.mktemp("author")
    made = part("## 1. Make a project", "## 4. Check")
    shipped = part("## Add it to the kit itself", "## The same for text that the model writes")
    with page_run(folder, {"KIT": str(kit), "PYTHONPATH": str(kit), "PYTEST_ADDOPTS": ""}) as session:
        session.execute([*made, *shipped])
    return Added(before, hashes(kit), (folder / ".session" / f"{shipped[-1].line}.log").read_text(encoding="utf-8"))


def test_a_new_template_is_found_and_passes_what_holds_for_every_template(added: Added) -> None:
    assert "Sorts tickets to a help desk by what they are about." in added.printed
    assert " passed" in added.printed
    assert " failed" not in added.printed


def test_a_new_template_is_one_new_folder(added: Added) -> None:
    changed = {name for name in added.before | added.after if added.before.get(name) != added.after.get(name)}
    assert {name for name in changed if not name.startswith(NEW)} == set()
    parts = {"recipe.yaml", "task.py", "README.md", "data/train.jsonl", "data/test.jsonl", "tests/test_classify.py"}
    assert {NEW + name for name in parts} <= changed
