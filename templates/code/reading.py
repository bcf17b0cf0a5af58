"""From what the model wrote to what may be inserted: no sentinel, no repeated suffix, no text past the end of the code.

Nothing here trusts the model. Python's own parser says where the code may end.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .schema import Stopped

# Names of tokens that mark parts of a prompt, of all families that the kit knows, and tokens that end a text.
SENTINELS = (
    "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>",
    "<|file_separator|>", "<|cursor|>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<fim_pad>", "<repo_name>",
    "<file_sep>", "<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>", "<｜fim▁begin｜>", "<｜fim▁hole｜>",
    "<｜fim▁end｜>", "<｜end▁of▁sentence｜>", "<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>",
    "<[end▁of▁sentence]>", "▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>", "<|endoftext|>", "<|end_of_text|>",
    "<|im_start|>", "<|im_end|>", "<|user|>", "<|pad|>",
)  # fmt: skip

# The parser reads at most this many characters for one answer, so that a long file never delays it.
PARSED_CHARACTERS = 400_000


@dataclass(frozen=True)
class Reading:
    """A completion that was read: the text, why it ends, and whether the whole file parses."""

    text: str
    stopped: Stopped
    parses: bool | None


class Parser:
    """Asks Python's own parser, up to a number of characters in all."""

    def __init__(self, prefix: str, suffix: str, budget: int = PARSED_CHARACTERS) -> None:
        self._prefix, self._suffix, self._left = prefix, suffix, budget

    def holds(self, middle: str) -> bool | None:
        """Return whether the file parses with this text in the gap; None once the budget is spent."""
        text = f"{self._prefix}{middle}{self._suffix}"
        self._left -= len(text)
        return None if self._left < 0 else parses(text)


def parses(text: str) -> bool:
    """Return whether a text is Python, by Python's own parser."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def read_middle(
    prefix: str, suffix: str, written: str, python: bool = True, cut: bool = False, sentinels: Sequence[str] = ()
) -> Reading:
    """Read what a model wrote for a gap. `cut` says that it had no tokens left."""
    text = without_sentinels(written, sentinels)
    stopped: Stopped = "budget" if cut and text == written else "end"
    parser = Parser(prefix, suffix) if python else None
    trimmed = without_overlap(text, suffix, parser)
    if trimmed != text:
        text, stopped = trimmed, "overlap"
    if parser is None or (whole := parser.holds(text)) is None:
        return Reading(text, stopped, None)
    if not whole and (ended := syntactic_end(text, suffix, parser)) is not None:
        return Reading(ended, "syntactic_end", True)
    return Reading(text, stopped, whole)


def without_sentinels(text: str, more: Sequence[str] = ()) -> str:
    """Return the text before the first sentinel: what follows one is another part of a prompt, not code to insert."""
    names = sorted({*SENTINELS, *more}, key=len, reverse=True)
    found = re.search("|".join(map(re.escape, names)), text)
    return text[: found.start()] if found else text


def without_overlap(text: str, suffix: str, parser: Parser | None = None) -> str:
    """Return the text without the lines at its end with which the suffix begins, however often it repeats them.

    The longest repetition counts. A repetition has at least one whole line. It stays where only the repetition makes
    the file parse. The rest of a line that the gap interrupts, such as a closing bracket, is only removed if the file
    parses without it alone.
    """
    while (shorter := _once_less(text, suffix, parser)) != text:
        text = shorter
    return text


def _once_less(text: str, suffix: str, parser: Parser | None) -> str:
    for length in _line_ends(suffix):
        if length > len(text) or not text.endswith(suffix[:length]) or not suffix[:length].strip():
            continue
        shorter = text[: len(text) - length]
        part_of_line = "\n" not in suffix[:length].rstrip("\n") and not _starts_line(text, shorter)
        with_it, without_it = (parser.holds(each) if parser else None for each in (text, shorter))
        if with_it and (part_of_line or not without_it):
            continue
        if part_of_line and not without_it:
            continue
        return shorter
    return text


def syntactic_end(text: str, suffix: str, parser: Parser) -> str | None:
    """Return the shortest start of a text, up to the end of a line, with which the file parses; None if there is none.

    Where the gap is inside a line, the model may have written the rest of that line too: it is tried without it. A
    start without any word is no completion.
    """
    rest = suffix.split("\n", 1)[0]
    for start in _starts(text, rest):
        if not start.strip():
            continue
        held = parser.holds(start)
        if held is None:
            return None
        if held:
            return start
    return None


def _line_ends(suffix: str) -> list[int]:
    """Return the ends of the suffix's lines, with and without the line break, the last first."""
    ends = {len(suffix)} - {0}
    for found in re.finditer(r"\n", suffix[:20_000]):
        ends |= {found.start(), found.end()} - {0}
    return sorted(ends, reverse=True)


def _starts_line(text: str, shorter: str) -> bool:
    """Whether the repetition begins at the start of a line of the text."""
    return bool(shorter) and len(shorter) < len(text) and (shorter.endswith("\n") or text[len(shorter)] == "\n")


def _starts(text: str, rest: str) -> Iterator[str]:
    """Yield the starts of a text that end where a line ends, the shortest first."""
    for found in re.finditer(r"\n|\Z", text):
        line = text[: found.start()]
        if rest.strip() and line.endswith(rest):
            yield line[: len(line) - len(rest)]
        yield line
        if found.end() > found.start():
            yield text[: found.end()]
