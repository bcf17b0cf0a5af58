"""Plain sentences for pydantic's validation errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_OBJECT = "This must be an object, with keys and values"
_WORDS = {
    "string_type": "This must be text",
    "string_unicode": "This must be text of whole characters",
    "int_type": "This must be a whole number",
    "int_parsing": "This must be a whole number",
    "int_from_float": "This must be a whole number, not a fraction",
    "int_parsing_size": "This whole number is too large",
    "float_type": "This must be a number",
    "float_parsing": "This must be a number",
    "finite_number": "This must be a finite number",
    "bool_type": "This must be true or false",
    "bool_parsing": "This must be true or false",
    "none_required": "This must be null",
    "dict_type": _OBJECT,
    "mapping_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "list_type": "This must be a list",
    "tuple_type": "This must be a list",
    "set_type": "This must be a list",
    "frozen_set_type": "This must be a list",
    "iterable_type": "This must be a list",
    "literal_error": "This must be {expected}",
    "enum": "This must be {expected}",
    "string_pattern_mismatch": "This must be text of the pattern {pattern}",
    "greater_than": "This must be more than {gt}",
    "greater_than_equal": "This must be {ge} or more",
    "less_than": "This must be less than {lt}",
    "less_than_equal": "This must be {le} or less",
    "multiple_of": "This must be a multiple of {multiple_of}",
    "missing": "The key is missing",
    "extra_forbidden": "The key is unknown",
    "json_invalid": "This is not JSON: {error}",
    "recursion_loop": "This is nested too deeply",
    "value_error": "{error}",
    "assertion_error": "{error}",
    "union_tag_invalid": "{discriminator} must be one of {expected_tags}",
    "union_tag_not_found": "The key {discriminator} is missing",
}
_COUNTED = {
    "too_short": ("item", "at least", "min_length"),
    "too_long": ("item", "at most", "max_length"),
    "string_too_short": ("character", "at least", "min_length"),
    "string_too_long": ("character", "at most", "max_length"),
}


def words_for(found: Mapping[str, Any]) -> str:
    """Return one of pydantic's errors (`ValidationError.errors()`) in our words, without a full stop."""
    kind, context = found["type"], found.get("ctx", {})
    if kind in _COUNTED:
        return _counted(*_COUNTED[kind], context)
    if kind in _WORDS:
        return _WORDS[kind].format_map(context)
    return re.sub(r"^\w+ should", "This must", str(found["msg"]))


def _counted(what: str, side: str, name: str, context: Mapping[str, Any]) -> str:
    limit, actual = context[name], context.get("actual_length")
    if name == "min_length" and limit == 1:
        return "This must not be empty"
    plural = "" if limit == 1 else "s"
    return f"This must have {side} {limit} {what}{plural}" + (f", and has {actual}" if isinstance(actual, int) else "")
