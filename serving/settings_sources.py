"""Where the settings of a service come from: flags, environment variables, a file, and defaults, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from kit.errors import InputError
from kit.recipe.validation import KeyPath, dotted, problems_of
from kit.recipe.yaml_source import read_yaml
from serving.settings import ENVIRONMENT, Settings

DEFAULT = "default"
_SECRETS = ("key", "token", "secret", "password")


@dataclass(frozen=True)
class Resolved:
    """The settings, and for each one that is not the default the place that it comes from."""

    settings: Settings
    places: Mapping[str, str]

    def as_yaml(self) -> str:
        """Return the settings as a file for --config, with the place of each value."""
        lines = []
        for name, value in self.settings.model_dump(mode="json").items():
            text = yaml.safe_dump({name: value}, sort_keys=False, default_flow_style=None).rstrip()
            first, *rest = text.splitlines()
            lines += [f"{first}  # {self.places.get(name, DEFAULT)}", *rest]
        return "\n".join(lines)


def resolve(flags: Mapping[str, Any], config: Path | None = None) -> Resolved:
    """Return the settings from every source. A flag whose value is None was not given.

    Raises InputError with every mistake and its place: the flag, the variable, or the line of the file.
    """
    file = read_yaml(config) if config is not None else None
    layers: list[tuple[str, Mapping[str, Any]]] = []
    if file is not None:
        layers.append((str(config), file.data))
    layers.append(("environment", _environment()))
    layers.append(("flag", {name: value for name, value in flags.items() if value is not None}))
    merged: dict[str, Any] = {}
    places: dict[str, str] = {}
    for place, values in layers:
        for name, value in values.items():
            inner = merged.get(name)
            both = isinstance(inner, Mapping) and isinstance(value, Mapping)
            merged[name] = {**inner, **value} if both else value  # type: ignore[dict-item]
            places[name] = place

    def where(path: KeyPath) -> str:
        source = places.get(str(path[0])) if path else None
        if source == "environment":
            return ENVIRONMENT + "__".join(str(part).upper() for part in path)
        if source == "flag":
            return "--" + dotted(path).replace("_", "-")
        return file.place(path) if file is not None else dotted(path)

    try:
        return Resolved(Settings(**merged), places)
    except ValidationError as error:
        raise InputError(problems_of(error, Settings, where)) from None


def _environment() -> dict[str, Any]:
    """Return the settings in environment variables; variables that name no setting belong to others."""
    return dict(EnvSettingsSource(Settings, env_prefix=ENVIRONMENT, env_nested_delimiter="__")())
