"""Looks for things that may identify a person. It gives kinds and counts, never the words themselves.

The patterns find common forms in English. They miss others: this is a second look, no removal of identifiers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from .schema import Identifier, IdentifierKind, Place

_DATE = (
    r"(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2}(?:st|nd|rd|th)?\s+[A-Z][a-z]{2,8}\s+\d{4}"
    r"|[A-Z][a-z]{2,8}\s+\d{1,2},?\s+\d{4})"
)
_BORN = r"(?i:\b(?:DOB|D\.O\.B\.|born(?:\s+on)?|birth\s*date|date\s+of\s+birth|birthday))"
_NUMBER_OF = r"(?i:\b(?:MRN|NHS|SSN|CHI|hospital|medical\s+record|record|patient|insurance|case|policy))"
_FULL_NAME = r"[A-Z][\w'’-]+(?:\s+[A-Z][\w'’-]+)*"
PATTERNS: dict[IdentifierKind, re.Pattern[str]] = {
    "name": re.compile(
        rf"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Sister|Nurse)\.?\s+(?:[A-Z]\.\s*)*{_FULL_NAME}"
        rf"|(?i:\b(?:patient|name|next of kin)\s*:)\s*{_FULL_NAME}"
    ),
    "phone": re.compile(
        r"(?<![\w.])(?:\+\d{1,3}[\s.-]?)?(?:\(\d{2,5}\)[\s.-]?)?\d{2,5}[\s.-]\d{3,4}[\s.-]\d{3,4}(?![\w-])"
        r"|\(\d{2,5}\)[\s.-]?\d{3,4}[\s.-]\d{3,4}(?![\w-])"
        r"|(?<![\w.])(?:\+|00)\d{9,14}(?!\w)"
        r"|(?i:\b(?:tel|phone|mobile|cell)\b[.:]?\s*)\+?\d[\d\s-]{5,}\d"
    ),
    "email": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "date_of_birth": re.compile(rf"{_BORN}\W{{0,3}}{_DATE}"),
    "record_number": re.compile(rf"{_NUMBER_OF}\s*(?i:number|no\.?|id|#)?\s*[:#]?\s*[A-Z]{{0,3}}-?\d[\d -]{{4,}}\d\b"),
    "address": re.compile(
        r"\b\d{1,4}[a-z]?,?\s+(?:[A-Z][\w'’-]+\s+){1,3}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Close|Way|Court)\b"
    ),
}


def scan(texts: Iterable[tuple[Place, str]]) -> tuple[Identifier, ...]:
    """Return which kinds stand in which texts, and how often."""
    counts: Counter[tuple[Place, IdentifierKind]] = Counter()
    for place, text in texts:
        for kind, pattern in PATTERNS.items():
            counts[place, kind] += sum(1 for _ in pattern.finditer(text))
    return tuple(
        Identifier(kind=kind, place=place, count=count) for (place, kind), count in sorted(counts.items()) if count
    )
