"""Programs with a gap, and functions from their docstrings."""

from __future__ import annotations

import ast
import random
import re
import warnings
from collections.abc import Iterator

from pretrain.exercises import Context
from pretrain.texts.documents import Document
from pretrain.texts.pieces import Infill, Piece, asked

_SUFFIX_FIRST = 0.3
_FUNCTION = re.compile(r"^def \w+\(.*?\n(?=\S)", re.MULTILINE | re.DOTALL)
_WRITE = (
    "Write a Python function `{head}`: {purpose}",
    "Write `{head}` in Python. {purpose}",
    "{purpose} Write it as the Python function `{head}`.",
)


def fill_line(passage: Document, _: Context, draw: random.Random) -> Iterator[Piece]:
    """One whole line is missing."""
    yield from _lines(passage, 1, draw)


def fill_lines(passage: Document, _: Context, draw: random.Random) -> Iterator[Piece]:
    """Two to six whole lines are missing."""
    yield from _lines(passage, draw.randint(2, 6), draw)


def fill_span(passage: Document, _: Context, draw: random.Random) -> Iterator[Piece]:
    """Any span of characters is missing."""
    text = passage.text
    if len(text) > 100:
        start = draw.randrange(len(text) - 50)
        end = min(len(text), start + draw.randint(5, 200))
        yield _gap(text, start, end, draw)


def write_function(passage: Document, _: Context, draw: random.Random) -> Iterator[Piece]:
    """A function from the first line of its docstring."""
    for body in _FUNCTION.findall(passage.text):
        node = _parsed(body)
        purpose = (ast.get_docstring(node) or "").strip().partition("\n")[0] if node else ""
        if node and 15 <= len(purpose) <= 200:
            head = f"{node.name}({ast.unparse(node.args)})"
            yield asked(draw.choice(_WRITE).format(head=head, purpose=purpose), body.rstrip())


def _lines(passage: Document, count: int, draw: random.Random) -> Iterator[Piece]:
    lines = passage.text.splitlines(keepends=True)
    starts = [at for at in range(1, len(lines) - count) if len(lines[at].strip()) > 3]
    if starts:
        at = draw.choice(starts)
        before = sum(map(len, lines[:at]))
        yield _gap(passage.text, before, before + sum(map(len, lines[at : at + count])), draw)


def _gap(text: str, start: int, end: int, draw: random.Random) -> Infill:
    return Infill(text[:start], text[end:], text[start:end], suffix_first=draw.random() < _SUFFIX_FIRST)


def _parsed(text: str) -> ast.FunctionDef | None:
    """Parse a text as a function; None if this Python cannot parse it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (node,) = ast.parse(text).body
    except (SyntaxError, ValueError):
        return None
    return node if isinstance(node, ast.FunctionDef) else None
