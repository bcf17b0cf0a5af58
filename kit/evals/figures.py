"""Writes measured figures into a page, between two marks, so that no figure there is typed by hand."""

from __future__ import annotations

import re
from pathlib import Path

from kit.errors import InputError
from kit.system.files import write_atomically

_MARK = re.compile(r"<!-- figures:([\w-]+) -->")


def write_figures(page: Path, name: str, body: str) -> None:
    """Replace the text between `<!-- figures:NAME -->` and `<!-- /figures -->`; the rest stays unchanged.

    Raises InputError if the page does not have the marks exactly once.
    """
    text = page.read_text(encoding="utf-8")
    start, end = _block(text, page, name)
    write_atomically(page, f"{text[:start]}\n{body.strip()}\n{text[end:]}")


def read_figures(page: Path, name: str) -> str:
    """Return the text between the marks; raises InputError as `write_figures` does."""
    text = page.read_text(encoding="utf-8")
    start, end = _block(text, page, name)
    return text[start:end].strip()


def figures_on(page: Path) -> list[str]:
    """Return the names of the places for figures on a page."""
    return _MARK.findall(page.read_text(encoding="utf-8"))


def _block(text: str, page: Path, name: str) -> tuple[int, int]:
    mark, close = f"<!-- figures:{name} -->", "<!-- /figures -->"
    start = text.find(mark) + len(mark)
    end = text.find(close, start)
    inner = text[start:end]
    if text.count(mark) != 1 or end < 0 or "<!-- figures:" in inner:
        raise InputError(f"The page has no place for the figures '{name}'.", str(page), f"Add: {mark} {close}")
    return start, end
