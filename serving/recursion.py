"""Schemas that refer to themselves: fine where a value can end, refused where none could be written."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

Schema = Mapping[str, Any]
_EXTRA = ("additionalProperties", "unevaluatedProperties", "unevaluatedItems")
_ONE_SCHEMA = ("items", "contains", "propertyNames", *_EXTRA)
_SAME_PLACE = ("not", "if", "then", "else")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "$defs", "definitions", "dependentSchemas")


def recursion_problem(root: Schema) -> str | None:
    """Say what is wrong with a schema's references to itself; None where nothing is.

    A reference that leads back to itself without a step into the value can be met by nothing, and neither can a value
    that must always hold another one of its own kind.
    """
    nodes = list(_nodes(root))
    if _circles(root, nodes):
        return "The schema refers to itself without an end."
    if not _finite(root, nodes):
        return "No finite value fits the schema: it always requires another one inside."
    return None


def _nodes(root: Schema) -> Iterator[Schema]:
    """Yield every schema in a schema once, itself first, and whatever else it refers to."""
    waiting: list[Any] = [root]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Mapping) or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        waiting.append(_target(root, node))
        waiting += [node.get(key) for key in (*_ONE_SCHEMA, *_SAME_PLACE)]
        waiting += [item for key in _LISTS for item in _listed(node, key)]
        waiting += [item for key in _NAMED if isinstance(node.get(key), Mapping) for item in node[key].values()]


def _circles(root: Schema, nodes: list[Schema]) -> bool:
    """Whether some schema leads back to itself at the same place in the value."""
    below = {id(node): [id(each) for each in _at_same_place(root, node)] for node in nodes}
    above: dict[int, list[int]] = defaultdict(list)
    for node, targets in below.items():
        for target in targets:
            above[target].append(node)
    open_ends = {node: len(targets) for node, targets in below.items()}
    done = [node for node, count in open_ends.items() if count == 0]
    for node in done:  # it grows: a schema is done once all that it leads to are
        for upper in above[node]:
            open_ends[upper] -= 1
            if open_ends[upper] == 0:
                done.append(upper)
    return len(done) < len(below)


def _at_same_place(root: Schema, node: Schema) -> list[Schema]:
    found = [_target(root, node), *(node.get(key) for key in _SAME_PLACE)]
    found += [item for key in ("allOf", "anyOf", "oneOf") for item in _listed(node, key)]
    return [each for each in found if isinstance(each, Mapping)]


def _finite(root: Schema, nodes: list[Schema]) -> bool:
    """Whether a finite value fits the root, as far as references and requirements decide."""
    ends: set[int] = set()
    users: dict[int, list[Schema]] = defaultdict(list)
    for node in nodes:
        for each in (*_needed(root, node), *(item for key in ("anyOf", "oneOf") for item in _listed(node, key))):
            users[id(each)].append(node)
    waiting = deque(nodes)
    while waiting:
        node = waiting.popleft()
        if id(node) not in ends and _ends(root, node, ends):
            ends.add(id(node))
            waiting.extend(users[id(node)])
    return id(root) in ends


def _ends(root: Schema, node: Schema, ends: set[int]) -> bool:
    def known(each: Any) -> bool:
        return not isinstance(each, Mapping) or id(each) in ends

    choices = [_listed(node, key) for key in ("anyOf", "oneOf")]
    return all(map(known, _needed(root, node))) and all(any(map(known, each)) for each in choices if each)


def _needed(root: Schema, node: Schema) -> list[Any]:
    """What any value of a schema must also hold or be."""
    found = [_target(root, node), *_listed(node, "allOf")]
    properties, required = node.get("properties"), node.get("required")
    if isinstance(properties, Mapping) and isinstance(required, list) and node.get("type", "object") == "object":
        found += [properties.get(name) for name in required if isinstance(name, str)]
    least = node.get("minItems")
    if isinstance(least, int) and least > 0 and node.get("type", "array") == "array":
        first = _listed(node, "prefixItems")
        found += [*first[:least], *([node.get("items")] if least > len(first) else [])]
    return [each for each in found if isinstance(each, Mapping)]


def _target(root: Schema, node: Schema) -> Any:
    """What a schema refers to inside the root; None where it refers to nothing, or to nothing that is there."""
    pointer = node.get("$ref")
    if not isinstance(pointer, str) or not pointer.startswith("#"):
        return None
    found: Any = root
    for part in unquote(pointer[1:]).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def _listed(node: Schema, key: str) -> list[Any]:
    value = node.get(key)
    return value if isinstance(value, list) else []
