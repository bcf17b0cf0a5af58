"""Keys that identify requests and groups without storing their text."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from kit.task import Example

_LENGTH = 16  # 64 bits: for a million trained rows and ten thousand tested ones, one false match in two billion


def request_key(request: BaseModel) -> str:
    """Hash a request, ignoring white space and Unicode normal form: 64 bits as 16 hex digits.

    Case matters: for some tasks it changes the request.
    """
    plain = _normalised(request.model_dump(mode="json"))
    return _hash(json.dumps(plain, sort_keys=True, ensure_ascii=False))


def canonical(value: BaseModel) -> str:
    """Return a request, a response or an example as one line of JSON with sorted keys."""
    return json.dumps(value.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)


def group_key(group: str) -> str:
    """Hash the name of a group: 64 bits as 16 hex digits."""
    return _hash(group)


@dataclass(frozen=True)
class Keys:
    """The keys of the requests and of the groups of some examples."""

    requests: frozenset[str]
    groups: frozenset[str]

    @classmethod
    def of(cls, examples: Iterable[Example[Any, Any]]) -> Keys:
        """Return the keys of examples."""
        every = list(examples)
        groups = {example.group for example in every}
        return cls(frozenset(request_key(each.request) for each in every), frozenset(map(group_key, groups)))


def _normalised(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(unicodedata.normalize("NFC", value).split())
    if isinstance(value, dict):
        return {key: _normalised(inner) for key, inner in value.items()}
    return [_normalised(inner) for inner in value] if isinstance(value, list) else value


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_LENGTH]
