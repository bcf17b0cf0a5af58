"""Limits on a JSON schema that a client sends: it is compiled into a grammar, so it must be small and harmless."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kit.task import JsonSchema
from serving.errors import ServiceError
from serving.recursion import recursion_problem

_LONGEST = 32_768
_DEEPEST = 24
_LARGEST_BOUND = 4_096
_REFUSED = frozenset({"pattern", "patternProperties", "$dynamicRef", "$id", "$anchor", "$dynamicAnchor"})
_BOUNDS = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})
_NAMED_SCHEMAS = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
_DATA = frozenset({"enum", "const", "default", "examples", "required"})


def client_schema(schema: Mapping[str, Any], param: str) -> JsonSchema:
    """Return a client's schema for the engine.

    Raises ServiceError (400) where it is too large or too deep, or asks for a regular expression, a reference out of
    itself or in a circle, or a bound that would not compile.
    """
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    if len(text) > _LONGEST:
        raise _refusal(param, f"The schema has {len(text)} characters; at most {_LONGEST} are taken.")
    for problem in _problems(schema, 0):
        raise _refusal(param, problem)
    if circle := recursion_problem(schema):
        raise _refusal(param, circle)
    return JsonSchema(text)


def _refusal(param: str, what: str) -> ServiceError:
    return ServiceError(400, "schema_not_supported", what, param)


def _problems(node: Any, depth: int) -> Iterator[str]:
    """Yield what is wrong with a schema, or with a list of schemas."""
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
        yield f"The schema uses '{key}', which is not taken from clients."
    elif key == "$ref" and not str(value).startswith("#"):
        yield "The schema refers to something outside itself."
    elif key in _BOUNDS and isinstance(value, int) and value > _LARGEST_BOUND:
        yield f"The schema's {key} is {value}; at most {_LARGEST_BOUND} is taken."
    elif key in _NAMED_SCHEMAS and isinstance(value, Mapping):
        for inner in value.values():
            yield from _problems(inner, depth + 1)
    elif key not in _DATA:
        yield from _problems(value, depth + 1)
