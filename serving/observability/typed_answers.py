"""What typed answers say, as far as their type declares it: abstentions, hand-offs and other closed sets of values.

A field of a response whose type is a closed set of words (`Literal`) is counted by its value, such as the status
"abstained" or the action "hand_off". Nothing else of an answer is looked at, and a task declares nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin

import orjson
from pydantic import BaseModel

from serving.ledger.entry import pinned
from serving.models.catalogue import Model
from serving.observability.metrics import Metrics

_MOST_VALUES = 20


@cache
def closed_fields(kind: type[BaseModel]) -> Mapping[str, frozenset[str]]:
    """Return the fields of a response that hold one of a few words, by the name that JSON has, with these words."""
    found = {
        field.serialization_alias or field.alias or name: frozenset(_words(field.annotation))
        for name, field in kind.model_fields.items()
    }
    return {name: words for name, words in found.items() if 0 < len(words) <= _MOST_VALUES}


def _words(annotation: Any) -> Iterator[str]:
    """Yield the words of a type that allows nothing but words, or null; nothing for any other type."""
    if get_origin(annotation) is Literal:
        yield from (each for each in get_args(annotation) if isinstance(each, str))
    elif get_origin(annotation) is not None and type(None) in get_args(annotation):
        rest = [each for each in get_args(annotation) if each is not type(None)]
        if len(rest) == 1:
            yield from _words(rest[0])


class TypedAnswers:
    """Counts the typed answers of a service."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def read(self, model: Model, route: str, response: bytes) -> None:
        """Count an answer that the task could read, or that its own rule gave."""
        fields = closed_fields(model.tasks[route].response_type)
        said = orjson.loads(response) if fields else {}
        values = {name: str(said[name]) for name, words in fields.items() if said.get(name) in words}
        self._metrics.read(_name(model), route, True, values)

    def unreadable(self, model: Model, route: str) -> None:
        """Count an answer that the task could not read."""
        self._metrics.read(_name(model), route, False, {})


def _name(model: Model) -> str:
    return pinned(model.deployed.bundle.seal.name, model.deployed.bundle.digest)
