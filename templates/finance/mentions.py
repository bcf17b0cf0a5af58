"""Finds a company's name in a text, and marks it for the model."""

from __future__ import annotations

import re

OPEN, CLOSE = "[[", "]]"


def _pattern(name: str) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, name.split()))
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def is_mentioned(text: str, name: str) -> bool:
    """Whether the text has the name as whole words, in any case of letters."""
    return _pattern(name).search(text) is not None


def marked(text: str, name: str) -> str:
    """Return the text with brackets around each mention of the name."""
    return _pattern(name).sub(lambda match: f"{OPEN}{match.group()}{CLOSE}", text)


def around(text: str, name: str | None) -> str:
    """Return the parts of the text that speak of a name: its clauses, or the whole text if none has the name."""
    if name is None:
        return text
    clauses = re.split(r"[.;:!?](?:\s+|$)|,? (?:while|but|whereas|although|as|and) ", text)
    own = [clause for clause in clauses if is_mentioned(clause, name)]
    return " ".join(own) if own else text
