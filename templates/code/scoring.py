"""What one completion adds to the metrics."""

from __future__ import annotations

from kit.task import Record

from .schema import CodeCompletion

_LONGEST = 4_000


def compare(expected: CodeCompletion, actual: CodeCompletion) -> Record:
    """Return the fields that the metrics read. White space at the ends of a text or a line does not count."""
    wanted, given = _plain(expected.completion), _plain(actual.completion)
    record = {
        "exact": float(wanted == given),
        "edit_similarity": edit_similarity(wanted, given),
        "first_line": float(_first_line(wanted) == _first_line(given)),
        "stop_right": float(actual.stopped == "end" and wanted.count("\n") == given.count("\n")),
        "repeats_suffix": float(actual.stopped == "overlap"),
    }
    if actual.parses is not None:
        record["parses"] = float(actual.parses)
    return record


def edit_similarity(left: str, right: str) -> float:
    """Return 1 minus the edit distance (Levenshtein 1966) over the longer length; two empty texts score 1.

    Texts longer than 4,000 characters are compared by their first 4,000.
    """
    left, right = left[:_LONGEST], right[:_LONGEST]
    longer = max(len(left), len(right))
    return 1.0 - _distance(left, right) / longer if longer else 1.0


def _distance(left: str, right: str) -> int:
    if len(left) < len(right):
        left, right = right, left
    row = list(range(len(right) + 1))
    for index, character in enumerate(left, start=1):
        corner, row[0] = row[0], index
        for place, other in enumerate(right, start=1):
            corner, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, corner + (character != other))
    return row[-1]


def _plain(text: str) -> str:
    """Return a text without blanks at the ends of its lines, and without blank lines around it."""
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(lines).strip()


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0]
