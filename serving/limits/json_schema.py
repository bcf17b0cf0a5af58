"""Limits on the JSON schema of a client: it is compiled into a grammar, so it must be small and cheap to compile."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kit.task import JsonSchema
from serving.errors import ServiceError
from serving.limits.recursion import recursion_problem

_LONGEST = 32_768
_DEEPEST = 24
_LARGEST_BOUND = 4_096
_REFUSED = frozenset({"pattern", "patternProperties", "$dynamicRef", "$id", "$anchor", "$dynamicAnchor"})
_BOUNDS = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})
_NAMED_SCHEMAS = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
_DATA = frozenset({"enum", "const", "default", "examples", "required"})


def client_schema(schema: Mapping[str, Any], param: str) -> JsonSchema:
    """Check a client's schema and return it for the engine.

    Raises ServiceError (400) if it is too large, too deep, has a regular expression, an external or endless reference,
    or a bound too large to compile.
    """
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    if len(text) > _LONGEST:
        raise _refusal(param, f"The schema has {len(text)} characters; the limit is {_LONGEST}.")
    for problem in _problems(schema, 0):
        raise _refusal(param, problem)
    if endless := recursion_problem(schema):
        raise _refusal(param, endless)
    return JsonSchema(text)


def _refusal(param: str, what: str) -> ServiceError:
    return ServiceError(400, "schema_not_supported", what, param)


def _problems(node: Any, depth: int) -> Iterator[str]:
    """Yield the problems of a schema or a list of schemas."""
    if depth > _DEEPEST:
        yield f"The schema is nested deeper than {_DEEPEST} levels."
    elif isinstance(node, list):
        for item in node:
            yield from _problems(item, depth + 1)
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _keyword_problems(key, value, depth)


def _keyword_problems(key: str, value: Any, depth: int) -> Iterator[str]:
    if key in _REFUSED:
        yield f"The schema uses '{key}', which this service does not accept. Remove it."
    elif key == "$ref" and not str(value).startswith("#"):
        yield "The schema has a $ref to another document. Put that definition under $defs."
    elif key in _BOUNDS and isinstance(value, int) and value > _LARGEST_BOUND:
        yield f"The schema's {key} is {value}; the limit is {_LARGEST_BOUND}."
    elif key in _NAMED_SCHEMAS and isinstance(value, Mapping):
        for inner in value.values():
            yield from _problems(inner, depth + 1)
    elif key not in _DATA:
        yield from _problems(value, depth + 1)
