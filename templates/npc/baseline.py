"""The classical baseline: the most similar player's words in training, and the target that the player names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kit.metrics.similarity import words_of
from kit.task import Example
from kit.text.nearest import Nearest

from .schema import NONE, Action, SceneRequest, SceneResponse, choices


class NearestTurn:
    """Knows each training turn with the names of targets masked, so that an action carries over to other things."""

    def __init__(self, examples: Sequence[Example[Any, Any]]) -> None:
        self._answers = [example.response for example in examples]
        self._nearest = Nearest([masked(example.request) for example in examples])

    def answer(self, request: SceneRequest) -> SceneResponse:
        """Return the action of the most similar turn, with a target that fits the player's words best."""
        like: SceneResponse = self._answers[self._nearest.find(masked(request))]
        said = words_of(request.player_says)
        allowed = [each for each in choices(request.state).values() if each.name == like.action.name]
        action = max(allowed, key=lambda each: _share(each, said), default=Action(name=NONE))
        if action.target is not None and not _share(action, said):
            action = Action(name=NONE)
        return SceneResponse(action=action, line=request.character.fallback, refused=like.refused)


def masked(request: SceneRequest) -> str:
    """Return the player's words with every target of the state as `target`."""
    text = request.player_says.casefold()
    names = {each.target.casefold() for each in choices(request.state).values() if each.target}
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"\b{re.escape(name)}\b", "target", text)
    return text


def _share(action: Action, said: frozenset[str]) -> float:
    words = words_of(action.target or "")
    return len(words & said) / len(words) if words else 0.0
