"""Words that say whether something rose or fell, and whether a figure near them is a change or a level."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UP = (
    r"rose|rises?|risen|rising|grew|grows?|grown|growing|growth|increas\w+|climb\w*|gain(?:s|ed|ing)?|advanc\w+|up"
    r"|higher|more|jump\w*|surg\w+|improv\w+|expand\w*|expansion"
)
_DOWN = (
    r"fell|falls?|fallen|falling|declin\w+|decreas\w+|drop(?:s|ped|ping)?|shr[aiu]nk\w*|slid\w*|down|lower|less"
    r"|reduc\w+|contract(?:ed|ion)|slipp\w+|eased|plung\w+"
)
_SAME = r"unchanged|the\s+same|flat|stable|stayed|remained|remains|stays|constant"
_WORD = re.compile(rf"\b(?:(?P<up>{_UP})|(?P<down>{_DOWN})|(?P<same>{_SAME}))\b", re.IGNORECASE)
_LEVEL = re.compile(
    r"\b(?:to|from|at|was|were|is|are|reached|stood|totalled|against|than|with|versus|vs\.?)\s+"
    r"(?:(?:about|around|nearly|almost|some|a|an|loss|profit|deficit|of|level)\s+)*$",
    re.IGNORECASE,
)
_NOT = re.compile(r"\b(?:not|no|never|neither|nor|without)\s+(?:\w+\s+){0,2}$", re.IGNORECASE)
_LOSS = re.compile(r"\b(?:loss(?:es)?|deficit|shortfall|outflow)\b[^.;]{0,20}$", re.IGNORECASE)


@dataclass(frozen=True)
class Direction:
    """A word such as rose. `up` is False for a fall, None for no change; `denied`: a "not" stands before it."""

    start: int
    end: int
    up: bool | None
    denied: bool
    short: bool = False
    """Whether it is "up" or "down", which after a figure begin something new: "14 million, up 5 %"."""
    vague: bool = False
    """Whether it is "more" or "less", which without a figure need not be about time."""


def directions(text: str) -> list[Direction]:
    """Return every such word, in order."""
    return [
        Direction(
            each.start(),
            each.end(),
            None if each["same"] else each["up"] is not None,
            _NOT.search(text[: each.start()]) is not None,
            each.group().casefold() in ("up", "down"),
            each.group().casefold() in ("more", "less"),
        )
        for each in _WORD.finditer(text)
    ]


def is_level(before: str) -> bool:
    """Whether the words before a figure make it a level, as in "rose to" and "was"."""
    return _LEVEL.search(before) is not None


def loss_before(before: str) -> bool:
    """Whether the words before a figure say that it is a loss."""
    return _LOSS.search(before) is not None
