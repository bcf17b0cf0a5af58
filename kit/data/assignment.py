"""Assigns whole groups to training, validation and test: by the hash of the group's name, within each label.

Groups that a validation or test file already holds stay there, so that no tested row is ever trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from kit.data.split import VALIDATION, position

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class Group:
    """A group to assign: the label that it counts for, and the part where it must stay, if any."""

    name: str
    label: str = ""
    stays: Part | None = None


def assign(groups: Iterable[Group], validation: float, test: float) -> dict[str, Part]:
    """Return the part of each group. `validation` and `test` are shares of the groups; the rest is for training.

    Each label gets its share of both parts, as near as whole groups allow. At least one group is for training if any
    may move, and a part with a share gets at least one group if there are enough.
    """
    every = sorted(groups, key=lambda group: group.name)
    parts: dict[str, Part] = {group.name: group.stays for group in every if group.stays is not None}
    _fill(parts, every, "test", test, salt="")
    _fill(parts, every, "validation", validation, salt=VALIDATION)
    return {group.name: parts.get(group.name, "train") for group in every}


def rarest(labels: Sequence[str], counts: Mapping[str, int]) -> str:
    """Return the label of a group that the fewest groups have. It decides, because a rare label is lost most easily."""
    return min(labels, key=lambda label: (counts[label], label), default="")


def labelled(labels: Mapping[str, Sequence[str]], stays: Mapping[str, Part]) -> list[Group]:
    """Return groups by the labels of their rows."""
    counts = Counter(label for found in labels.values() for label in set(found))
    return [Group(name, rarest(found, counts), stays.get(name)) for name, found in labels.items()]


def _fill(parts: dict[str, Part], groups: Sequence[Group], part: Part, share: float, salt: str) -> None:
    """Move free groups into a part until each label has its quota there."""
    free = [group for group in groups if group.name not in parts]
    there = Counter(group.label for group in groups if parts.get(group.name) == part)
    room = there + Counter(group.label for group in free)
    quotas = _quotas(Counter(group.label for group in groups), room, share)
    left = len(free) - 1  # keep one for training
    for group in sorted(free, key=lambda group: (position(group.name, salt), group.name)):
        if left > 0 and there[group.label] < quotas[group.label]:
            parts[group.name] = part
            there[group.label] += 1
            left -= 1


def _quotas(sizes: Mapping[str, int], room: Mapping[str, int], share: float) -> dict[str, int]:
    """Return how many groups of each label a part gets: whole numbers with the right sum (largest remainders).

    `room` is how many it can get of each label at most.
    """
    total = sum(sizes.values())
    wanted = max(round(total * share), 1) if share and total > 1 else 0
    quotas = {label: min(int(size * share), room.get(label, 0)) for label, size in sizes.items()}
    open_to_more = [label for label in sizes if quotas[label] < room.get(label, 0)]
    by_remainder = sorted(open_to_more, key=lambda label: (quotas[label] - sizes[label] * share, label))
    for label in by_remainder[: max(0, wanted - sum(quotas.values()))]:
        quotas[label] += 1
    return quotas
