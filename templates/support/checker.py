"""Checks a reply that the model wrote, before a customer can see it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .desk import CLAIM_STEMS
from .figures import plain, unsupported
from .schema import Check

_PLACEHOLDER = re.compile(
    r"\{[^}]*\}?|\}|\[[^\]]*\]?|\]|<[^>]*>?|>|%s|\$\{?[A-Za-z_]\w*|_{2,}|\bX{2,}\b|\bTODO\b|\bTBD\b|\blorem ipsum\b"
    r"|\b[A-Z]+_[A-Z_]+\b|\.{4,}|…{2,}"
)
_DONE = re.compile(
    r"\b(?:i|we)(?:'ve|’ve| have|'ll| will|'m going to| am going to| can now)?(?: just| now| already| also)*"
    r" (?:cancel|chang|refund|credit|activat|book|order|updat|switch|extend|unblock|block|remov|add|appl|delet|paus"
    r"|reset|set up|clos|renew|transfer|postpon|process|issu|schedul|arrang|sent|send)\w*"
    r"|\b(?:has|have|had|is|was) (?:now |just |already |been )+(?:cancel|chang|refund|credit|activat|book|order|updat"
    r"|switch|extend|unblock|block|remov|add|appl|delet|paus|reset|clos|renew|transfer|approv)\w*ed\b"
)
_CLAIM = re.compile(rf"\b(?:{'|'.join(CLAIM_STEMS)})\w*|\b(?:no|without)(?: any)? (?:charge|cost|fee)s?\b")

# An address of the web or of mail. Two sentences without a space between them look like one, and are withheld, too.
_LINK = re.compile(r"\b(?:https?:|www\.)\S+|\b[\w.+-]+@[\w.-]+|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b")
_HIDDEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def findings(reply: str, sources: Sequence[str]) -> list[Check]:
    """Return what is wrong with a reply that stands on these texts; nothing if a customer may see it."""
    said, known = plain(reply), plain("\n".join(sources))
    found = [Check(kind="placeholder", text=match.group()[:200]) for match in _PLACEHOLDER.finditer(reply)]
    found += [Check(kind="figure", text=words[:200]) for words in unsupported(reply, list(sources))]
    known_claims = {_stem(match.group()) for match in _CLAIM.finditer(known)}
    found += [
        Check(kind="claim", text=match.group()[:200])
        for match in _CLAIM.finditer(said)
        if _stem(match.group()) not in known_claims
    ]
    found += [
        Check(kind="link", text=match.group()[:200]) for match in _LINK.finditer(said) if match.group() not in known
    ]
    found += [Check(kind="form", text=f"hidden character U+{ord(each):04X}") for each in _HIDDEN.findall(reply)]
    found += [Check(kind="action", text=match.group()[:200]) for match in _DONE.finditer(said)]
    return list(dict.fromkeys(found))


def _stem(word: str) -> str:
    """Return the stem of a claim, so that `refunded` counts as the `refund` of a passage."""
    return next((stem for stem in CLAIM_STEMS if word.startswith(stem)), "no charge")
