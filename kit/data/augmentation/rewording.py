"""Rewords text: a small table of English phrases that needs no model, and checks of a model's rewording.

The table never changes names, numbers or line breaks. A model's rewording that loses a number is refused.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Reword = Callable[[str], str]

PAIRS: tuple[tuple[str, ...], ...] = (
    ("do not", "don't"), ("does not", "doesn't"), ("did not", "didn't"), ("is not", "isn't"), ("are not", "aren't"),
    ("was not", "wasn't"), ("were not", "weren't"), ("has not", "hasn't"), ("have not", "haven't"),
    ("cannot", "can't", "can not"), ("will not", "won't"), ("would not", "wouldn't"), ("could not", "couldn't"),
    ("i am", "i'm"), ("i have been", "i've been"), ("what is", "what's"), ("where is", "where's"),
    ("that is", "that's"), ("there is", "there's"), ("it is", "it's"),
    ("i want to", "i would like to", "i'd like to"), ("i need to", "i have to", "i must"),
    ("how do i", "how can i", "how would i"), ("can you", "could you", "would you"),
    ("why did", "for what reason did"), ("tell me", "let me know"), ("help me", "assist me"), ("buy", "purchase"),
    ("as soon as possible", "at the earliest opportunity"), ("in order to", "so as to"),
    ("in the event that", "should it happen that"),
    ("in accordance with", "according to"), ("notwithstanding", "despite"), ("in writing", "in written form"),
    ("written notice", "notice in writing"), ("without delay", "promptly"), ("with respect to", "regarding"),
    ("at its own expense", "at its own cost"), ("on behalf of", "in the name of"), ("at least", "no less than"),
    ("for the purpose of", "with the aim of"), ("however", "nevertheless"),
    ("also", "in addition"), ("because of", "on account of"), ("began", "started"), ("begins", "starts"),
)  # fmt: skip
"""Phrases with the same meaning, one set per line, in lower case; each can replace any other of its line."""

ONE_WAY = {"prior to": "before", "pursuant to": "under", "no later than": "not later than"}
"""Phrases that can be replaced in one direction only: "before it ends" is not "prior to it ends"."""

_OTHERS = {phrase: [other for other in line if other != phrase] for line in PAIRS for phrase in line}
_OTHERS |= {phrase: [other] for phrase, other in ONE_WAY.items()}
_PHRASE = re.compile(
    rf"(?<![\w'’-])({'|'.join(re.escape(phrase) for phrase in sorted(_OTHERS, key=len, reverse=True))})(?![\w'’-])",
    re.IGNORECASE,
)
_BLANKS = re.compile(r"\s+")
_NUMBER = re.compile(r"\d+")
_FEWEST_WORDS = 3
_SHORTEST, _LONGEST = 0.4, 2.5


class Unfit(Exception):
    """A rewording that cannot replace its source."""


def by_table(seed: str, share: float = 0.7) -> Reword:
    """Return a rewording by the table: replaces each phrase with probability `share`; one seed gives one result."""
    chance = random.Random(seed)

    def exchange(found: re.Match[str]) -> str:
        phrase = found[0]
        if chance.random() >= share:
            return phrase
        other = chance.choice(_OTHERS[phrase.lower()])
        return other[0].upper() + other[1:] if phrase[0].isupper() or other.startswith("i ") else other

    return lambda text: re.sub(r"\bi('|’| )", r"I\1", _PHRASE.sub(exchange, text)) if _PHRASE.search(text) else text


def by_paragraph(reword: Reword) -> Reword:
    """Return a rewording that works paragraph by paragraph, and keeps headings and white space.

    The rewording raises Unfit if a new paragraph lacks a number, or is much shorter or longer.
    """

    def whole(text: str) -> str:
        done, parts = 0, list[str]()
        for gap in _BLANKS.finditer(text):
            if gap[0].count("\n") > 1:
                parts += [_paragraph(text[done : gap.start()], reword), gap[0]]
                done = gap.end()
        return "".join([*parts, _paragraph(text[done:], reword)])

    return whole


def _paragraph(text: str, reword: Reword) -> str:
    core = text.strip()
    if len(core.split()) < _FEWEST_WORDS:
        return text
    made = reword(core).strip()
    if sorted(_NUMBER.findall(core)) != sorted(_NUMBER.findall(made)):
        raise Unfit("a number was lost or made up")
    if not _SHORTEST * len(core) <= len(made) <= _LONGEST * len(core):
        raise Unfit("it is much shorter or longer than its source")
    start = text.index(core)
    return text[:start] + made + text[start + len(core) :]
