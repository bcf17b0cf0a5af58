"""Where a gap may be cut out of a Python file: a line, several lines, part of a line, or the rest of the file."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .reading import parses, read_middle

SHARES = {"line": 0.34, "cursor": 0.2, "lines": 0.2, "span": 0.2, "rest": 0.06}
_LONGEST = 240
_TRIES = 40


@dataclass(frozen=True)
class Cut:
    """A gap of a text: where it starts and ends, and its kind.

    line: a whole line. cursor: a line from its first word. lines: two to four lines. span: an expression. rest: from
    the first word of a line to the end of the file.
    """

    start: int
    end: int
    kind: str


def draw(text: str, count: int, rng: random.Random) -> list[Cut]:
    """Return at most so many different gaps of a file, each of which a perfect answer fills.

    The kinds are drawn by `SHARES`. A file that does not parse has none.
    """
    found = _by_kind(text) if parses(text) else {}
    chosen: list[Cut] = []
    for _ in range(_TRIES * bool(found)):
        kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
        if kind not in found:
            continue
        cut = rng.choice(found[kind])
        if cut not in chosen and fillable(text, cut):
            chosen.append(cut)
        if len(chosen) == count:
            break
    return chosen


def fillable(text: str, cut: Cut) -> bool:
    """Whether the missing text is some code, and an answer that has it is read back as it is."""
    middle = text[cut.start : cut.end]
    if not re.search(r"\w", middle) or len(middle) > _LONGEST or '"""' in middle:
        return False
    read = read_middle(text[: cut.start], text[cut.end :], middle)
    return read.text == middle and read.stopped == "end" and bool(read.parses)


def _by_kind(text: str) -> dict[str, list[Cut]]:
    found: dict[str, list[Cut]] = {}
    for cut in _cuts(text):
        found.setdefault(cut.kind, []).append(cut)
    return found


def _cuts(text: str) -> Iterator[Cut]:
    """Yield every gap that a file may have."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    tree = ast.parse(text)
    body = _body_lines(tree, lines)
    for number in sorted(body):
        start, word = starts[number], starts[number] + len(lines[number]) - len(lines[number].lstrip())
        yield Cut(start, min(starts[number + 1], len(text)), "line")
        yield Cut(word, starts[number] + len(lines[number]), "cursor")
        for last in range(number + 1, number + 4):
            if body.issuperset(range(number, last + 1)):
                yield Cut(start, min(starts[last + 1], len(text)), "lines")
                if last == max(body):
                    yield Cut(word, len(text), "rest")
    yield from _spans(tree, lines, starts, body)


def _body_lines(tree: ast.Module, lines: Sequence[str]) -> set[int]:
    """Return the lines inside functions and classes, counted from 0, that are neither blank nor a docstring."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for child in node.body:
                found |= set(range(child.lineno - 1, child.end_lineno or child.lineno))
    return {line for line in found if lines[line].strip() and '"""' not in lines[line]}


def _spans(tree: ast.Module, lines: Sequence[str], starts: Sequence[int], body: set[int]) -> Iterator[Cut]:
    """Yield the expressions inside a line: calls, comparisons, sums, attributes and items."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call | ast.Compare | ast.BinOp | ast.Attribute | ast.Subscript):
            continue
        number = node.lineno - 1
        if node.end_lineno == node.lineno and number in body:
            columns = [_column(lines[number], each) for each in (node.col_offset, node.end_col_offset or 0)]
            yield Cut(starts[number] + columns[0], starts[number] + columns[1], "span")


def _column(line: str, offset: int) -> int:
    """Return the column in characters; the parser counts bytes of UTF-8."""
    return len(line.encode()[:offset].decode(errors="ignore"))
