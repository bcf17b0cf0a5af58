"""Looks for secrets and licences in source files before a model learns from them.

A pattern finds secrets of known forms; it proves nothing about others. What is found is never printed: a report names
the kind and the line.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_SECRETS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "an access key of AWS": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})",
    "a token of GitLab": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "a token of Slack": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a key of Google": r"\bAIza[0-9A-Za-z_-]{35}",
    "a key of Stripe": r"\b[rs]k_live_[0-9A-Za-z]{16,}",
    "a key that starts with sk-": r"\bsk-[A-Za-z0-9_-]{20,}",
    "a token of Hugging Face": r"\bhf_[A-Za-z0-9]{30,}",
    "a token of PyPI": r"\bpypi-[A-Za-z0-9_-]{50,}",
    "a signed web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "a password in an address": r"\b[a-z][a-z0-9+.-]*://[^\s:/@'\"{}<>]+:[^\s:/@'\"{}<>]{3,}@",
}
_ASSIGNED = re.compile(
    r"(?i)\b[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api_?key|access_?key|private_?key|credential)[\w-]*"
    r"['\"]?\s*\]?\s*[:=]\s*[rbu]?(['\"])(?P<value>[^'\"\s]{8,})\1"
)
_PLACEHOLDER = re.compile(
    r"(?i)example|change.?me|your|dummy|placeholder|redacted|sample|test|fake|xxx|\*\*\*|\.\.\.|\$\{|\{\{|<|%\("
)
_LEAST_ENTROPY = 2.8

# Licences by the words of their headers. The first that fits counts, so the narrower names come first.
_LICENCES = (
    ("AGPL", r"GNU Affero General Public Licen[cs]e|\bAGPL\b"),
    ("LGPL", r"GNU (?:Lesser|Library) General Public Licen[cs]e|\bLGPL\b"),
    ("GPL", r"GNU General Public Licen[cs]e|\bGPL(?:v?[23])?\b"),
    ("MPL", r"Mozilla Public Licen[cs]e|\bMPL\b"),
    ("EUPL", r"European Union Public Licen[cs]e|\bEUPL\b"),
    ("CC-BY-SA", r"\bCC[- ]BY[- ]SA\b|ShareAlike"),
    ("CC-BY-NC", r"\bCC[- ]BY[- ]NC\b|NonCommercial"),
    ("Apache-2.0", r"Apache Licen[cs]e"),
    ("MIT", r"\bMIT Licen[cs]e|Permission is hereby granted, free of charge"),
    ("BSD", r"\bBSD Licen[cs]e|Redistribution and use in source and binary forms"),
    ("proprietary", r"(?i)\bproprietary\b|\bconfidential\b|do not (?:copy|distribute)"),
)
_SPDX = re.compile(r"SPDX-License-Identifier:\s*([\w.+() -]+)")
_RESTRICTED = ("AGPL", "LGPL", "GPL", "MPL", "EUPL", "CC-BY-SA", "CC-BY-NC", "PROPRIETARY")
_HEADER_LINES = 40


@dataclass(frozen=True)
class Finding:
    """Something that a model should not learn: what it is, and its line, counted from 1."""

    what: str
    line: int


def scan(text: str) -> list[Finding]:
    """Return every secret of a known form, and a licence that asks for more than to be named."""
    found = list(_secrets(text))
    if (licence := licence_of(text)) and _restricts(licence):
        found.append(Finding(f"the licence {licence}", 1))
    return sorted(set(found), key=lambda each: (each.line, each.what))


def licence_of(text: str) -> str | None:
    """Return the licence that a file's first lines name: its SPDX identifier, or the name by its words."""
    header = "\n".join(text.split("\n")[:_HEADER_LINES])
    comments = "\n".join(line for line in header.split("\n") if _is_remark(line))
    if declared := _SPDX.search(header):
        return declared[1].strip()
    flat = re.sub(r"[\s#*/]+", " ", comments)
    return next((name for name, words in _LICENCES if re.search(words, flat)), None)


def _restricts(licence: str) -> bool:
    """Whether a licence restricts use. Of several with OR, one that does not is enough."""
    choices = re.split(r"\s+OR\s+", licence.upper().strip("()"))
    return all(any(name in choice for name in _RESTRICTED) for choice in choices)


def _is_remark(line: str) -> bool:
    """Whether a line can be part of a header: a comment, or words, and no statement."""
    return bool(re.match(r"\s*(#|//|\*|/\*|--|;|'''|\"\"\"|[A-Z(])", line))


def _secrets(text: str) -> Iterator[Finding]:
    for what, pattern in _SECRETS.items():
        for found in re.finditer(pattern, text):
            if not _PLACEHOLDER.search(found[0]):
                yield Finding(what, _line(text, found.start()))
    for found in _ASSIGNED.finditer(text):
        value = found["value"]
        if not _PLACEHOLDER.search(value) and re.search(r"\d", value) and _entropy(value) >= _LEAST_ENTROPY:
            yield Finding("a password, key or token in the code", _line(text, found.start()))


def _entropy(text: str) -> float:
    """Return the Shannon entropy of a text's characters in bits."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
