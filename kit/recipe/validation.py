"""Turns a pydantic error into problems with their places; for an unknown key, the advice is the most similar one."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from kit.errors import Problem, nearest
from kit.recipe.wording import words_for

KeyPath = tuple[str | int, ...]


def problems_of(error: ValidationError, model: type[BaseModel], place: Callable[[KeyPath], str]) -> list[Problem]:
    """Return one problem per mistake; `place` returns the location of a path of keys and indices."""
    return [_problem(dict(item), model, place) for item in error.errors(include_url=False, include_input=False)]


def _problem(item: dict[str, Any], model: type[BaseModel], place: Callable[[KeyPath], str]) -> Problem:
    path: KeyPath = tuple(item["loc"])
    where = place(path)
    if item["type"] == "extra_forbidden":
        known = keys_at(model, path[:-1])
        listed = f"Known: {', '.join(known)}." if known else ""
        return Problem(f"Unknown key '{path[-1]}'.", where, nearest(str(path[-1]), known) or listed)
    if item["type"] == "missing":
        return Problem(f"The key '{path[-1]}' is missing.", where)
    return Problem(f"{words_for(item)}.", where)


def dotted(path: KeyPath) -> str:
    """Write a path of keys and indices as one word."""
    return ".".join(map(str, path))


def keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Return the keys that are allowed at a place in a model; empty if any key is allowed."""
    found: list[Any] = [model]
    for part in path:
        found = [inner for annotation in found for inner in _step(annotation, part)] or found
    return sorted({key for kind in found for key in getattr(kind, "model_fields", {})})


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    """Yield the types behind a key or an index; nothing for the parts that pydantic adds to name a union's member."""
    fields = getattr(annotation, "model_fields", None)
    if fields is not None:
        if part in fields:
            yield from _models(fields[part].annotation)
    elif isinstance(part, int):
        yield annotation


def _models(annotation: Any) -> Iterator[Any]:
    """Yield the models inside an annotation: through Annotated, unions, and containers."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    elif get_origin(annotation) is Annotated:
        yield from _models(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType, list, tuple, dict):
        for inner in get_args(annotation):
            yield from _models(inner)
