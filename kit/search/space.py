"""The search space: the settings with a range in the recipe, their defaults, and recipes with other values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from kit.errors import InputError, Problem, nearest
from kit.recipe import Range, Recipe, SearchSection
from kit.recipe.wording import words_for

Values = Mapping[str, Any]
_OPEN = ("train.", "tasks.")
_WHERE = "search.ranges"


def defaults(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe's own value of every setting that has a range.

    Raises InputError with every range that cannot be searched: an unknown setting, a setting that changes the meaning
    of the score, a default outside of its range, and an end of the range that the recipe refuses.
    """
    if not recipe.search.ranges:
        advice = "Declare ranges: search: {ranges: {train.learning_rate: {low: 1e-4, high: 1e-2, log: true}}}"
        raise InputError("The recipe declares nothing to search.", _WHERE, advice)
    problems = [problem for name, span in recipe.search.ranges.items() for problem in _problems(recipe, name, span)]
    if problems:
        raise InputError(problems)
    settings = recipe.model_dump()
    return {name: _at(settings, name) for name in recipe.search.ranges}


def with_values(recipe: Recipe, values: Values) -> Recipe:
    """Return the recipe with other values and without its search. Raises InputError if they are invalid."""
    settings = recipe.model_dump()
    for name, value in values.items():
        *path, last = name.split(".")
        place = _at(settings, ".".join(path))
        place[int(last) if isinstance(place, list) else last] = value
    settings["search"] = SearchSection().model_dump()
    try:
        return Recipe.model_validate(settings, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(f"The recipe refuses {dict(values)}: {words_for(first)}.", _WHERE) from None


def digest_of(values: Values) -> str:
    """Return a short name for values: the first 12 digits of their SHA-256."""
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()[:12]


def _problems(recipe: Recipe, name: str, span: Range) -> Iterator[Problem]:
    where = f"{_WHERE}: {name}"
    settings = recipe.model_dump()
    known = [path for path in _paths(settings) if path.startswith(_OPEN)]
    if name not in known:
        advice = nearest(name, known) or "Name a setting of train or of tasks by its dotted path: train.learning_rate."
        yield Problem(f"The recipe has no setting '{name}' to search.", where, advice)
        return
    default = _at(settings, name)
    if not _inside(span, default):
        yield Problem(
            f"The default {default!r} is outside of the range.",
            where,
            "Widen the range: the default is the first trial.",
        )
    for value in span.choices or (span.low, span.high):
        try:
            with_values(recipe, {name: value})
        except InputError as error:
            yield Problem(error.problems[0].what, where)


def _inside(span: Range, value: Any) -> bool:
    if span.choices is not None:
        return value in span.choices
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    assert span.low is not None, "the schema asks for choices or for both ends"
    assert span.high is not None, "the schema asks for choices or for both ends"
    return span.low <= value <= span.high


def _at(settings: Any, name: str) -> Any:
    for part in name.split(".") if name else []:
        settings = settings[int(part) if isinstance(settings, list) else part]
    return settings


def _paths(settings: Any, before: str = "") -> Iterator[str]:
    """Yield the dotted path of every setting that holds one value."""
    items = settings.items() if isinstance(settings, dict) else enumerate(settings)
    for key, value in items:
        yield f"{before}{key}"
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            yield from _paths(value, f"{before}{key}.")
