"""The classical baseline: the completion of the training gap whose surrounding lines are the most similar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kit.task import Example, Predictor
from kit.text.nearest import Nearest

from .reading import read_middle
from .schema import CodeCompletion, CompletionRequest

_BEFORE, _AFTER = 3, 2
_WORD = re.compile(r"[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]")


def fit_nearest(examples: Sequence[Example[Any, Any]]) -> Predictor:
    """Learn from training examples; the answer is read like a model's answer, so that it never repeats the suffix."""
    nearest = Nearest([_around(example.request) for example in examples])

    def predict(request: CompletionRequest) -> CodeCompletion:
        found = examples[nearest.find(_around(request))].response.completion
        python = request.language_name == "python"
        read = read_middle(request.prefix, request.suffix, found, python)
        return CodeCompletion(completion=read.text, stopped=read.stopped, parses=read.parses)

    return predict


def _around(request: CompletionRequest) -> str:
    """Return the words next to the gap, marked by the side that they are on and by their line."""
    before = request.prefix.split("\n")[-_BEFORE:][::-1]
    after = request.suffix.split("\n")[:_AFTER]
    marked = [
        f"{side}{number}{word}" if word.isalnum() else f"{side}{number}x{ord(word)}"
        for side, lines in (("b", before), ("a", after))
        for number, line in enumerate(lines)
        for word in _WORD.findall(line)
    ]
    return " ".join(marked) or "empty"
