"""What the pages must hold apart from commands that run: short, complete, fresh, and free of this machine."""

from __future__ import annotations

import re
import subprocess
from os.path import normpath
from pathlib import Path

import pytest

from kit.evals.figures import read_figures
from scripts.site import GENERATED
from tests.docs.blocks import SHELLS, Block, blocks
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


def test_the_map_has_every_folder_with_a_line_of_its_own() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Map")[2]
    mapped = re.findall(r"^\| `([\w/]+)` \| (\S.*) \|$", page, flags=re.MULTILINE)
    tops = {path.relative_to(ROOT).parts[0] for path in tracked() if len(path.relative_to(ROOT).parts) > 1}
    rooms = {f"kit/{path.parent.name}" for path in ROOT.glob("kit/*/__init__.py")}
    assert sorted(folder for folder, _ in mapped) == sorted({top for top in tops if top[0] != "."} - {"kit"} | rooms)


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


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith("docs/decisions/")])
def test_a_page_begins_with_a_paragraph_that_says_what_it_is_for(page: str) -> None:
    """A decision begins with its context instead."""
    heading, blank, first, *_ = PAGES[page].read_text(encoding="utf-8").splitlines()
    assert heading.startswith("# ")
    assert blank == ""
    assert re.match(r"[\w`*]", first), first


@pytest.mark.parametrize(
    "block",
    [block for page, path in PAGES.items() for block in blocks(path, page) if block.part_of],
    ids=lambda each: each.place,
)
def test_a_block_that_repeats_another_file_says_the_same(block: Block) -> None:
    assert block.part_of is not None
    assert _stripped(block.text) in _stripped((ROOT / block.part_of).read_text(encoding="utf-8"))


def _stripped(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines())


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_repository_lead_somewhere(page: str) -> None:
    text = re.sub(r"^ *```.*?^ *```", "", PAGES[page].read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text)
    generated = {ROOT / "docs" / place for place in GENERATED}
    targets = {link: Path(normpath(PAGES[page].parent / link)) for link in links}
    assert [link for link, target in targets.items() if target not in generated and not target.exists()] == []


def test_no_file_names_the_folder_that_it_was_written_in() -> None:
    if len(ROOT.parts) < 3:
        pytest.skip(f"{ROOT} is too short a path to be told from an ordinary word.")
    place = str(ROOT).encode()
    assert [path.relative_to(ROOT).as_posix() for path in tracked() if place in path.read_bytes()] == []
