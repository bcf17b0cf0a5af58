"""Recursive JSON schemas: accept those that a finite value can match, refuse the others."""

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
    """Say what is wrong with a schema's references to itself; None if nothing is.

    Two kinds match no value: a reference that leads back to itself at the same level, and a schema that requires
    another value of its own kind at every level.
    """
    nodes = list(_nodes(root))
    if _has_cycle(root, nodes):
        return "A $ref of the schema leads back to itself and describes no value."
    if not _has_finite_value(root, nodes):
        return (
            "No finite value matches the schema: every value requires another one inside. Make the nested one optional."
        )
    return None


def _nodes(root: Schema) -> Iterator[Schema]:
    """Yield the schema, its nested schemas, and all schemas that they refer to, each once."""
    waiting: list[Any] = [root]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Mapping) or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        waiting.append(_referenced(root, node))
        waiting += [node.get(key) for key in (*_ONE_SCHEMA, *_SAME_PLACE)]
        waiting += [item for key in _LISTS for item in _list_at(node, key)]
        waiting += [item for key in _NAMED if isinstance(node.get(key), Mapping) for item in node[key].values()]


def _has_cycle(root: Schema, nodes: list[Schema]) -> bool:
    """Whether some schema leads back to itself at the same level of the value (topological sort)."""
    below = {id(node): [id(each) for each in _at_same_place(root, node)] for node in nodes}
    above: dict[int, list[int]] = defaultdict(list)
    for node, targets in below.items():
        for target in targets:
            above[target].append(node)
    open_ends = {node: len(targets) for node, targets in below.items()}
    done = [node for node, count in open_ends.items() if count == 0]
    for node in done:  # the list grows: a schema is done when all that it leads to are done
        for upper in above[node]:
            open_ends[upper] -= 1
            if open_ends[upper] == 0:
                done.append(upper)
    return len(done) < len(below)


def _at_same_place(root: Schema, node: Schema) -> list[Schema]:
    found = [_referenced(root, node), *(node.get(key) for key in _SAME_PLACE)]
    found += [item for key in ("allOf", "anyOf", "oneOf") for item in _list_at(node, key)]
    return [each for each in found if isinstance(each, Mapping)]


def _has_finite_value(root: Schema, nodes: list[Schema]) -> bool:
    """Whether a finite value can match the root; only references and required parts are considered."""
    ends: set[int] = set()
    users: dict[int, list[Schema]] = defaultdict(list)
    for node in nodes:
        for each in (
            *_required_parts(root, node),
            *(item for key in ("anyOf", "oneOf") for item in _list_at(node, key)),
        ):
            users[id(each)].append(node)
    waiting = deque(nodes)
    while waiting:
        node = waiting.popleft()
        if id(node) not in ends and _is_finite(root, node, ends):
            ends.add(id(node))
            waiting.extend(users[id(node)])
    return id(root) in ends


def _is_finite(root: Schema, node: Schema, ends: set[int]) -> bool:
    def known(each: Any) -> bool:
        return not isinstance(each, Mapping) or id(each) in ends

    choices = [_list_at(node, key) for key in ("anyOf", "oneOf")]
    return all(map(known, _required_parts(root, node))) and all(any(map(known, each)) for each in choices if each)


def _required_parts(root: Schema, node: Schema) -> list[Any]:
    """Schemas that every value of this schema, or a required part of it, must match too."""
    found = [_referenced(root, node), *_list_at(node, "allOf")]
    properties, required = node.get("properties"), node.get("required")
    if isinstance(properties, Mapping) and isinstance(required, list) and node.get("type", "object") == "object":
        found += [properties.get(name) for name in required if isinstance(name, str)]
    least = node.get("minItems")
    if isinstance(least, int) and least > 0 and node.get("type", "array") == "array":
        first = _list_at(node, "prefixItems")
        found += [*first[:least], *([node.get("items")] if least > len(first) else [])]
    return [each for each in found if isinstance(each, Mapping)]


def _referenced(root: Schema, node: Schema) -> Any:
    """The part of the root that a schema's $ref names; None if it has no $ref or the part does not exist."""
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


def _list_at(node: Schema, key: str) -> list[Any]:
    value = node.get(key)
    return value if isinstance(value, list) else []
