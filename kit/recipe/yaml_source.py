"""Reads YAML strictly: repeated keys are refused, and the line of every value is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kit.errors import InputError, Problem
from kit.recipe.validation import KeyPath
from kit.system.decoding import read_text


class _Loader(yaml.SafeLoader):
    """Safe YAML 1.1, but 2e-4 is a number as in YAML 1.2, and a date stays text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@dataclass(frozen=True)
class Source:
    """A YAML file: its values and their lines."""

    path: Path
    data: dict[str, Any]
    _node: yaml.Node

    def holds(self, path: KeyPath) -> bool:
        """Whether a value exists at a path of keys and indices."""
        return _walk(self._node, path)[1]

    def place(self, path: KeyPath) -> str:
        """File and line of the value at a path, or of the innermost part of the path that exists."""
        return f"{self.path}:{_walk(self._node, path)[0] + 1}"


def read_yaml(path: Path) -> Source:
    """Read a file that holds a mapping.

    Raises InputError if there is no file, if it is not YAML (with line and column), and for every repeated key.
    """
    text = read_text(path)
    loader = _loader(text, path)
    try:
        node = loader.get_single_node()
        problems = list(_repeated(path, node, set())) if node is not None else []
        data = loader.construct_document(node) if node is not None and not problems else None
    except (RecursionError, ValueError) as error:
        what = "It is nested too deeply" if isinstance(error, RecursionError) else "It has a value that cannot be read"
        raise InputError(f"This YAML cannot be read. {what}.", str(path)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise InputError(f"This is not YAML: {getattr(error, 'problem', error)}.", where) from None
    finally:
        loader.dispose()
    if problems:
        raise InputError(problems)
    if node is None or not isinstance(data, dict):
        raise InputError("This file must be a mapping from keys to values.", str(path))
    return Source(path, data, node)


def _loader(text: str, path: Path) -> _Loader:
    """Raises InputError for a character that YAML does not allow: control characters, halves of pairs."""
    try:
        return _Loader(text)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = f"{path}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
        what = f"YAML does not allow the character U+{ord(text[error.position]):04X}."
        raise InputError(what, place, "Remove it, or write it as an escape in double quotes.") from None


def _repeated(path: Path, node: yaml.Node, seen: set[int]) -> Iterator[Problem]:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(path, item, seen)
    if isinstance(node, yaml.MappingNode):
        known: set[str] = set()
        for key, value in node.value:
            if str(key.value) in known:
                mark = key.start_mark
                yield Problem(f"The key '{key.value}' is repeated.", f"{path}:{mark.line + 1}:{mark.column + 1}")
            known.add(str(key.value))
            yield from _repeated(path, value, seen)


def _walk(node: yaml.Node, path: KeyPath) -> tuple[int, bool]:
    """Return the line (from 0) of a path, and whether the whole path exists."""
    line, whole = node.start_mark.line, True
    for part in path:
        found = _child(node, part)
        if found is None:
            whole = False
            continue
        line, node = found
    return line, whole


def _child(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    """Return the line of a key or of an item, and its value."""
    if isinstance(node, yaml.MappingNode):
        return next(((key.start_mark.line, value) for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line, node.value[part]
    return None
