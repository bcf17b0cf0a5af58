"""Splits that stay put: a group's side depends on its name alone, so new rows never move an old one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from kit.task import Example

AnyExample = Example[Any, Any]
ExampleT = TypeVar("ExampleT", bound=AnyExample)


def position(name: str) -> float:
    """Map a name to 0 ≤ x < 1, evenly, by the first 64 bits of its SHA-256."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def held_out(group: str, share: float) -> bool:
    """Say whether a group belongs to the held-out share."""
    return position(group) < share


def split_examples(examples: Iterable[ExampleT], share: float) -> tuple[list[ExampleT], list[ExampleT]]:
    """Return the examples that are kept and those that are held out, whole groups each, in their order."""
    kept: list[ExampleT] = []
    held: list[ExampleT] = []
    for example in examples:
        (held if held_out(example.group, share) else kept).append(example)
    return kept, held


def first_groups(examples: Sequence[ExampleT], count: int) -> tuple[list[ExampleT], list[ExampleT]]:
    """Return the examples of the first `count` groups in hash order, and the others, in their order."""
    chosen = set(sorted({example.group for example in examples}, key=position)[:count])
    inside = [example for example in examples if example.group in chosen]
    return inside, [example for example in examples if example.group not in chosen]


def limited(examples: Sequence[ExampleT], limit: int | None) -> list[ExampleT]:
    """Return at most `limit` examples, the first in hash order of their ids, in their order."""
    if limit is None or len(examples) <= limit:
        return list(examples)
    chosen = set(sorted((example.id for example in examples), key=position)[:limit])
    return [example for example in examples if example.id in chosen]


def data_digest(examples: Iterable[AnyExample]) -> str:
    """SHA-256 over the examples in their order."""
    digest = hashlib.sha256()
    for example in examples:
        line = json.dumps(example.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
