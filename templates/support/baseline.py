"""The classical baseline: decide as in the most similar training turn, and cite the most similar passage."""

from __future__ import annotations

from collections.abc import Sequence

from kit.text.nearest import Nearest

from .schema import Choice, SupportRequest, SupportResponse


class NearestTurn:
    """Training turns by the words of their last customer turn."""

    def __init__(self, rows: Sequence[tuple[SupportRequest, SupportResponse]]) -> None:
        self._answers = [response for _, response in rows]
        self._index = Nearest([_asked(request) for request, _ in rows])

    def choose(self, request: SupportRequest) -> Choice:
        """Return the decision of the nearest training turn, with the passage that shares most with the question."""
        near = self._answers[self._index.find(_asked(request))]
        numbers = []
        if near.sources and request.passages:
            numbers = [1 + Nearest([f"{each.id} {each.text}" for each in request.passages]).find(_asked(request))]
        reason = near.hand_off.reason if near.hand_off else None
        return Choice.model_validate(
            {"intent": near.intent, "action": near.action, "sources": numbers, "reason": reason}
        )


def _asked(request: SupportRequest) -> str:
    """The customer's last two turns: a short answer means little without the question before it."""
    turns = [turn.text for turn in request.thread if turn.role == "customer"]
    return " ".join(turns[-2:])
