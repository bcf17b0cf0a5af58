"""Every command of every page is executed, in order, in a fresh folder; what is not is listed with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks
from tests.docs.pages import FRONT, PYTHON, TUTORIAL, left_out, page_run, pages

PAGES = {name: path for name, path in pages().items() if name not in (FRONT, TUTORIAL, PYTHON)}
FOUND = {name: blocks(path, name) for name, path in PAGES.items()}
LEFT_OUT = [block for name, path in pages().items() for block in left_out(blocks(path, name))]


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_it_says(page: str, tmp_path: Path) -> None:
    """A template's page is read inside a project that was made from it."""
    with page_run(tmp_path) as session:
        if page.startswith("templates/"):
            template = Path(page).parent.name
            session.execute([Block(page, 0, "bash", f"kit new {template} project\ncd project\n")])
        session.execute(FOUND[page])


@pytest.mark.parametrize("block", LEFT_OUT, ids=lambda block: block.place)
def test_a_command_that_is_not_run_here_says_why(block: Block) -> None:
    pytest.skip(f"{block.place} is not run: {block.not_run}")
