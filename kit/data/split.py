"""Stable splits: the hash of a group's name decides its part, so new rows do not move old ones to another part.

Each split uses its own salt. With the same hash, two splits would take the same groups, and the second would find none
left. The test split has no salt, as in earlier versions, so that its rows stay the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence, Set
from typing import Any, TypeVar

from kit.data.keys import canonical
from kit.task import Example

AnyExample = Example[Any, Any]
ExampleT = TypeVar("ExampleT", bound=AnyExample)
VALIDATION = "validation"
"""The salt of the split that holds validation groups out of training."""


def position(name: str, salt: str = "") -> float:
    """Map a name to 0 ≤ x < 1, evenly, by the first 64 bits of its SHA-256; each salt gives another order."""
    salted = f"{salt}\0{name}" if salt else name
    return int.from_bytes(hashlib.sha256(salted.encode()).digest()[:8], "big") / 2**64


def held_out(group: str, share: float, salt: str = "") -> bool:
    """Return whether the hash of a group falls into the held-out share."""
    return position(group, salt) < share


def held_out_groups(groups: Iterable[str], share: float, salt: str = "", stay: Set[str] = frozenset()) -> set[str]:
    """Return the held-out groups. Of two groups or more, at least one is held out and one is kept.

    Groups in `stay` were held out before, and stay held out. With few groups, the share may contain the hashes of
    none or of all. Then the group with the lowest hash is held out, or the one with the highest is kept. A single group
    is kept.
    """
    names = set(groups)
    ordered = sorted(names, key=lambda name: (position(name, salt), name))
    held = {name for name in names if held_out(name, share, salt)} | (names & stay)
    movable = [name for name in ordered if name not in stay]
    if held == names and movable:
        held.discard(movable[-1])
    if not held and len(names) > 1:
        held.add(ordered[0])
    return held


def split_examples(
    examples: Iterable[ExampleT], share: float, salt: str = "", stay: Set[str] = frozenset()
) -> tuple[list[ExampleT], list[ExampleT]]:
    """Return the examples that are kept and those that are held out, whole groups each, in their order."""
    every = list(examples)
    groups = held_out_groups((example.group for example in every), share, salt, stay)
    held = [example for example in every if example.group in groups]
    return [example for example in every if example.group not in groups], held


def first_groups(examples: Sequence[ExampleT], count: int) -> tuple[list[ExampleT], list[ExampleT]]:
    """Return the examples of the first `count` groups in hash order, and the others, in their order."""
    chosen = set(sorted({example.group for example in examples}, key=position)[:count])
    inside = [example for example in examples if example.group in chosen]
    return inside, [example for example in examples if example.group not in chosen]


def limited(examples: Sequence[ExampleT], limit: int | None) -> list[ExampleT]:
    """Return at most `limit` examples: the first in hash order of their ids, but in their original order."""
    if limit is None or len(examples) <= limit:
        return list(examples)
    chosen = set(sorted((example.id for example in examples), key=position)[:limit])
    return [example for example in examples if example.id in chosen]


def data_digest(examples: Iterable[AnyExample]) -> str:
    """SHA-256 over the examples in their order."""
    digest = hashlib.sha256()
    for example in examples:
        line = canonical(example)
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
