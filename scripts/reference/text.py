"""Markdown and words that the pages of the reference share."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any

Schema = Mapping[str, Any]
_KINDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
_BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}
_GREAT = {
    2**31 - 1: "2³¹ − 1",
    2**53: "2⁵³",
    -(2**53): "−2⁵³",
    2**63 - 1: "2⁶³ − 1",
    2.0**63: "2⁶³",
    -(2.0**63): "−2⁶³",
}
_SIZES = {"minLength": "length ≥ {}", "maxLength": "length ≤ {}", "minItems": "length ≥ {}", "maxItems": "length ≤ {}"}


def table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ("---",) * len(headings), *([cell(each) for each in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(text: str) -> str:
    """Return text that stays in one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def paragraphs(docstring: str | None) -> str:
    """Return a docstring as Markdown, without its indent."""
    return inspect.cleandoc(docstring or "").replace("\b\n", "")


def value(default: Any) -> str:
    """Return a value as a recipe or a JSON body writes it."""
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def default_of(schema: Schema) -> str:
    """Return a setting's default in words."""
    return f"default {value(schema.get('default'))}"


def short(name: str) -> str:
    """Return a type's own name, without the module that distinguishes types of the same name."""
    return name.rpartition("__")[2]


def kind(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """Return the type and the bounds of a JSON schema in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return kind(definitions[name], definitions) if "enum" in definitions.get(name, {}) else f"`{short(name)}`"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(kind(each, definitions) for each in schema[key]))
    if "const" in schema or "enum" in schema:
        return " or ".join(value(each) for each in schema.get("enum", [schema.get("const")]))
    return ", ".join([_plain_kind(schema, definitions), *_limits(schema)])


def _plain_kind(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}), definitions)}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"mapping to {kind(inner, definitions)}" if isinstance(inner, dict) and inner else "mapping"
    return _KINDS.get(str(schema.get("type")), "any value")


def _limits(schema: Schema) -> list[str]:
    found = [words.format(_number(schema[key])) for key, words in (_BOUNDS | _SIZES).items() if key in schema]
    return [*found, f"pattern `{schema['pattern']}`"] if "pattern" in schema else found


def _number(bound: float) -> str:
    if bound in _GREAT:
        return _GREAT[bound]
    return f"{bound:,.0f}" if float(bound).is_integer() and abs(bound) < 1e12 else f"{bound:g}"
