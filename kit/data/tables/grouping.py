"""Leaves out rows that the project already has, and puts rows with equal or nearly equal requests into one group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kit.data.checking.duplicates import NearDuplicates, words_of
from kit.data.keys import request_key
from kit.data.tables.converting import Found, content_of
from kit.data.tables.existing import Known
from kit.data.tables.reading import Table
from kit.errors import InputError, Problem
from kit.task import Example

AnyExample = Example[Any, Any]


@dataclass(frozen=True)
class Grouped:
    """The new examples with their final groups, and sentences about duplicates and about rows to look at."""

    examples: list[AnyExample]
    duplicates: list[str]
    notes: list[str]


@dataclass
class _Seen:
    """The examples seen so far (new or existing), by content, by request and by similar text."""

    contents: dict[str, str] = field(default_factory=dict)
    requests: dict[str, tuple[str, str]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    """Groups that the data files hold: they keep their names."""
    joined: dict[str, str] = field(default_factory=dict)
    """Groups that became part of another one."""
    near: NearDuplicates = field(default_factory=NearDuplicates)

    def add(self, example: AnyExample, place: str) -> None:
        """Remember an example and its place."""
        self.contents.setdefault(content_of(example), place)
        self.requests.setdefault(request_key(example.request), (place, example.group))
        self.groups[place] = example.group
        self.near.add(place, _text(example))

    def group(self, name: str) -> str:
        """Return the group that a group is now part of."""
        while name in self.joined:
            name = self.joined[name]
        return name

    def join(self, first: str, second: str) -> str:
        """Make two groups one, and return its name. Two groups of the data files stay apart: the first is returned."""
        first, second = self.group(first), self.group(second)
        if first == second or {first, second} <= self.kept:
            return first
        lasting, other = (second, first) if second in self.kept else (first, second)
        self.joined[other] = lasting
        return lasting


def grouped(table: Table, found: Sequence[Found], known: Sequence[Known]) -> Grouped:
    """Return the examples to add.

    A row equal to an earlier one is left out. A different response to the same request is kept.
    A group that the user named is kept, except where a row of another group has the same request: the two groups become
    one, so that both rows are on one side of a split.
    Raises InputError if an id is already used for another example.
    """
    _refuse_used_ids(table, found, known)
    seen, result = _Seen(), Grouped([], [], [])
    for old in known:
        seen.add(old.example, old.place)
        seen.kept.add(old.example.group)
    for each in found:
        place = f"row {each.row.number}"
        if first := seen.contents.get(content_of(each.example)):
            result.duplicates.append(f"Row {each.row.number} is the same as {first}.")
            continue
        example = each.example.model_copy(update={"group": _group_of(each, seen, result.notes)})
        seen.add(example, place)
        result.examples.append(example)
    final = [each.model_copy(update={"group": seen.group(each.group)}) for each in result.examples]
    return Grouped(final, result.duplicates, result.notes)


def _group_of(found: Found, seen: _Seen, notes: list[str]) -> str:
    example = found.example
    if same := seen.requests.get(request_key(example.request)):
        place, group = same
        note = f"Row {found.row.number} has a different response to the request of {place}; look at both."
        notes.append(note + (_joined(seen, group, example.group) if found.grouped else ""))
        return seen.group(group)
    if found.grouped:
        return example.group
    match = seen.near.match(_text(example))
    return seen.groups[match.name] if match is not None else example.group


def _joined(seen: _Seen, group: str, own: str) -> str:
    """Join the group of a row with that of its request; return the sentence about it, or ""."""
    first, second = seen.group(group), seen.group(own)
    if first == second:
        return ""
    joined = seen.join(first, second)
    if seen.group(second) != joined:
        return f" It is in the group '{joined}', not in '{second}': both are in the data files."
    return f" The groups '{first}' and '{second}' are now one, '{joined}': a split must not divide equal requests."


def _refuse_used_ids(table: Table, found: Sequence[Found], known: Sequence[Known]) -> None:
    used = {old.example.id: old for old in known}
    problems = [
        Problem(
            f"The id '{each.example.id}' is already used at {old.place} for another example.",
            table.place(each.row),
            "Give it another id, or replace the file's examples with --replace.",
        )
        for each in found
        if (old := used.get(each.example.id)) and old.content != content_of(each.example)
    ]
    if problems:
        raise InputError(problems)


def _text(example: AnyExample) -> str:
    return words_of(example.request.model_dump(mode="json"))
