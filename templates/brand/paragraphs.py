"""Texts as paragraphs: what the importer and fingerprint.py read of plain text files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kit.errors import InputError

from .voice import words_in

SHORTEST, LONGEST = 8, 120  # words of a paragraph that is taken
_END = re.compile(r"(?<=[.!?…]) ")
_BREAK = re.compile(r"\n\s*\n")


def text_files(path: Path) -> list[Path]:
    """Return a text file, or the .txt and .md files of a folder, in order. Raises InputError if there are none."""
    found = sorted(each for each in path.glob("*") if each.suffix in (".txt", ".md")) if path.is_dir() else [path]
    if not found:
        raise InputError("This folder has no .txt and no .md file.", str(path), "Save each text as plain text.")
    return found


def paragraphs(file: Path) -> Iterator[str]:
    """Yield the paragraphs of a file that are not very short, each on one line.

    Paragraphs are parted by a blank line; in a file without any, each line is one.

    Raises InputError if the file cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"This text cannot be read: {error}.", str(file), "Save it as UTF-8.") from None
    text = text.replace("\r\n", "\n").strip()
    for part in _BREAK.split(text) if _BREAK.search(text) else text.split("\n"):
        for piece in _pieces(" ".join(part.split())):
            if SHORTEST <= len(words_in(piece)) <= LONGEST and not piece.startswith("#"):
                yield piece


def _pieces(line: str) -> Iterator[str]:
    """Yield a paragraph; a long one is cut at the ends of sentences."""
    piece, size = "", 0
    for sentence in _END.split(line):
        count = len(words_in(sentence))
        if piece and size + count > LONGEST:
            yield piece
            piece, size = "", 0
        piece, size = f"{piece} {sentence}".strip(), size + count
    yield piece
