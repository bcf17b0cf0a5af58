"""Finds the code blocks of a page, and what the page says about running them.

A comment right before a block says what is to be done with it:

    <!-- not run: REASON -->            the block is not run, and the test lists the reason
    <!-- background: until "TEXT" -->   the block is started and left running once TEXT shows; stopped at the page's end
    <!-- part of: FILE -->              the block is not run; its lines must be in FILE, in the same order
    <!-- ends with: 0, 3 or 4 -->       the block's commands may end with one of these exit codes

A block with a title, such as ```csv title="tickets.csv", is a file that the reader saves in the current folder.
A titled ```diff is an edit of that file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHELLS = ("console", "bash", "sh")
RUNNABLE = (*SHELLS, "python")

_FENCE = re.compile(r"""^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[^\s`]*)(?: title="(?P<title>[^"]+)")?\s*$""")
_NOT_RUN = re.compile(r"^\s*<!--\s*not run:(?P<reason>.*?)-->\s*$")
_BACKGROUND = re.compile(r'^\s*<!--\s*background:\s*until "(?P<text>[^"]+)"\s*-->\s*$')
_PART = re.compile(r"^\s*<!--\s*part of:\s*(?P<file>\S+)\s*-->\s*$")
_ENDS = re.compile(r"^\s*<!--\s*ends with:(?P<codes>[\d\sor,]*\d)\s*-->\s*$")
_ORDER = re.compile(r"^\s*<!--\s*(not run|background|part of|ends with)")


@dataclass(frozen=True)
class Block:
    """One fenced block. `line` is that of its opening fence, from 1."""

    page: str
    line: int
    language: str
    text: str
    not_run: str | None = None
    until: str | None = None
    part_of: str | None = None
    codes: tuple[int, ...] = (0,)
    title: str | None = None

    @property
    def place(self) -> str:
        """Where the block stands."""
        return f"{self.page}:{self.line}"

    @property
    def script(self) -> str:
        """What is to be executed: a console's commands without their prompts and output, else the text."""
        return _commands(self.text) if self.language == "console" else self.text


def blocks(page: Path, name: str) -> list[Block]:
    """Return a page's fenced blocks in order.

    Raises ValueError where a fence never closes, or where a comment that orders something is not understood.
    """
    lines = page.read_text(encoding="utf-8").splitlines()
    found: list[Block] = []
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        end = _closing(lines, number, fence, name)
        indent = len(fence["indent"])
        text = "".join(f"{line[indent:]}\n" for line in lines[number + 1 : end])
        order = _order(lines, number, name)
        found.append(Block(name, number + 1, fence["language"], text, title=fence["title"], **order))
        number = end + 1
    stray = [index + 1 for index, line in enumerate(lines) if _ORDER.match(line) and not _opens(lines, index + 1)]
    if stray:
        raise ValueError(f"{name}:{stray[0]}: This comment is not right before a block.")
    return found


def _opens(lines: list[str], index: int) -> bool:
    return index < len(lines) and _FENCE.match(lines[index]) is not None


def _closing(lines: list[str], start: int, fence: re.Match[str], name: str) -> int:
    for index in range(start + 1, len(lines)):
        if re.fullmatch(rf"`{{{len(fence['ticks'])},}}\s*", lines[index].strip()):
            return index
    raise ValueError(f"{name}:{start + 1}: This block never closes.")


def _order(lines: list[str], fence: int, name: str) -> dict[str, Any]:
    """Return what the comment before a block orders, as fields of the block."""
    before = lines[fence - 1] if fence else ""
    if (found := _NOT_RUN.match(before)) and found["reason"].strip():
        return {"not_run": found["reason"].strip()}
    if found := _BACKGROUND.match(before):
        return {"until": found["text"]}
    if found := _PART.match(before):
        return {"part_of": found["file"]}
    if found := _ENDS.match(before):
        return {"codes": tuple(int(code) for code in re.findall(r"\d+", found["codes"]))}
    if _ORDER.match(before):
        raise ValueError(f"{name}:{fence}: This comment gives no reason, no text to wait for, no file or no exit code.")
    return {}


def _commands(text: str) -> str:
    """Return the lines after a prompt, and those that continue them after a backslash; without a prompt, every line."""
    if not any(line.startswith("$ ") for line in text.splitlines()):
        return text
    kept: list[str] = []
    continues = False
    for line in text.splitlines():
        if line.startswith("$ ") or continues:
            kept.append(line.removeprefix("> ") if continues else line[2:])
            continues = line.endswith("\\")
    return "".join(f"{line}\n" for line in kept)
