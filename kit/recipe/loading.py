"""Reads a recipe from YAML: merges a profile into it, validates the result, and reports every problem with its line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kit.errors import InputError, Problem, nearest
from kit.recipe.schema import Recipe
from kit.recipe.validation import KeyPath, dotted, problems_of
from kit.recipe.yaml_source import Source, read_yaml


def load_recipe(path: Path, profile: str | None = None) -> Recipe:
    """Read a recipe, merge the profile into it, and validate the result and the results of the other profiles.

    Raises InputError with every problem at once: file, line and key, and the most similar key for an unknown one.
    """
    source = _read(path)
    profiles = source.data.get("profiles") or {}
    if not isinstance(profiles, dict):
        raise InputError("'profiles' is a mapping from a name to settings.", source.place(("profiles",)))
    if profile is not None and profile not in profiles:
        raise InputError(f"There is no profile '{profile}'.", str(path), nearest(profile, profiles) or _known(profiles))
    recipe, problems = _resolve(source, profile)
    for name in profiles:
        problems.extend(problem for problem in _resolve(source, name)[1] if problem not in problems)
    if problems or recipe is None:
        raise InputError(problems)
    return recipe


def profile_names(path: Path) -> list[str]:
    """Return the names of a recipe's profiles. Raises InputError if there is no recipe, or it is not YAML."""
    return list(_read(path).data.get("profiles") or {})


def _read(path: Path) -> Source:
    if not path.is_file():
        raise InputError("There is no recipe here.", str(path), "Make a project with: kit new legal")
    return read_yaml(path)


def _known(names: Mapping[str, Any]) -> str:
    return f"Known: {', '.join(sorted(names))}." if names else "The recipe declares no profiles."


def _resolve(source: Source, profile: str | None) -> tuple[Recipe | None, list[Problem]]:
    """Return the recipe with a profile, or its problems. Values are not converted to other types."""
    raw = {key: value for key, value in source.data.items() if key != "profiles"}
    overlay: KeyPath = ("profiles", profile) if profile is not None else ()

    def place(path: KeyPath) -> str:
        own = bool(overlay) and source.holds((*overlay, *path))
        whole = (*overlay, *path) if own else path
        return f"{source.place(whole)}: {dotted(whole)}"

    if profile is not None:
        raw = _merge(raw, source.data["profiles"][profile] or {})
    try:
        return Recipe.model_validate(raw, strict=True), []
    except ValidationError as error:
        return None, problems_of(error, Recipe, place)


def _merge(base: Any, overlay: Any) -> Any:
    if isinstance(base, dict) and isinstance(overlay, dict):
        return {**base, **{key: _merge(base.get(key), value) for key, value in overlay.items()}}
    return overlay
