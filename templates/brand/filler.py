"""The classical baseline: the first and last sentence of the most similar training text, and the bare facts between."""

from __future__ import annotations

from collections.abc import Sequence

from kit.text.nearest import Nearest

from .checks import numbers_in, value_of
from .schema import BriefRequest
from .voice import sentences_in, words_in


class Filler:
    """Learns frames: an opening and a closing without a number."""

    def __init__(self, rows: Sequence[tuple[BriefRequest, str]]) -> None:
        self._nearest = Nearest([_key(request) for request, _ in rows])
        self._frames = [_frame(text) for _, text in rows]

    def write(self, request: BriefRequest) -> str:
        """Return a text: as much of the frame as max_words allows, and each fact as a sentence."""
        opening, closing = self._frames[self._nearest.find(_key(request))]
        facts = [f"{value_of(fact)[:1].upper()}{value_of(fact)[1:]}." for fact in request.brief]
        text = " ".join([*opening, *facts, *closing])
        return text if len(words_in(text)) <= request.max_words else " ".join(facts)


def _key(request: BriefRequest) -> str:
    return "\n".join((request.channel, *request.brief))


def _frame(text: str) -> tuple[list[str], list[str]]:
    """Return the first and the last sentence of a text, if they have no number."""
    sentences = sentences_in(text)
    first, last = sentences[:1], sentences[1:][-1:]
    kept = [[f"{each}." for each in part if not numbers_in(each)] for part in (first, last)]
    return kept[0], kept[1]
