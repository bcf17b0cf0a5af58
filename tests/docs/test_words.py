"""What the pages must hold apart from commands that run: short, complete, fresh, and free of this machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from kit.evals.figures import read_figures
from tests.docs.blocks import SHELLS, blocks
from tests.docs.pages import ROOT, pages
from tests.docs.tables import README, command_names, tables

PAGES = pages()


def tracked() -> list[Path]:
    """Return the files that belong to the repository; outside a checkout there are none to look at."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("This is not a git checkout.")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_the_readme_is_at_most_200_lines_and_its_first_command_stands_by_line_20() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 200
    first = next(block for block in blocks(README, "README.md") if block.language in SHELLS)
    assert first.line + 1 <= 20


def test_every_command_is_on_a_page() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in PAGES.values())
    assert [name for name in command_names() if not re.search(rf"\bkit {name}\b", text)] == []


@pytest.mark.parametrize("name", ["commands", "templates"])
def test_a_table_made_from_the_code_is_fresh(name: str) -> None:
    assert read_figures(README, name) == tables()[name], "Refresh it with: python -m tests.docs.tables"


@pytest.mark.parametrize("page", PAGES)
def test_every_place_for_figures_on_a_page_holds_some(page: str) -> None:
    names = re.findall(r"<!-- figures:([\w-]+) -->", PAGES[page].read_text(encoding="utf-8"))
    assert [name for name in names if not read_figures(PAGES[page], name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_block_names_its_language(page: str) -> None:
    assert [block.place for block in blocks(PAGES[page], page) if not block.language] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_repository_lead_somewhere(page: str) -> None:
    text = re.sub(r"^ *```.*?^ *```", "", PAGES[page].read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text)
    assert [link for link in links if not (PAGES[page].parent / link).exists()] == []


def test_no_file_names_the_folder_that_it_was_written_in() -> None:
    if len(ROOT.parts) < 3:
        pytest.skip(f"{ROOT} is too short a path to be told from an ordinary word.")
    place = str(ROOT).encode()
    assert [path.relative_to(ROOT).as_posix() for path in tracked() if place in path.read_bytes()] == []
