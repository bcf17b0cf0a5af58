"""Where the settings of a service come from: flags, environment variables, a file, and defaults, in this order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, SettingsError

from kit.errors import InputError, Problem
from kit.recipe.validation import KeyPath, dotted, problems_of
from kit.recipe.yaml_source import read_yaml
from serving.settings import ENVIRONMENT, Settings

DEFAULT = "default"
_SECRETS = ("key", "token", "secret", "password", "authorization", "cookie")
_NO_SECRETS = ("key_variable", "key_limits", "tls_key")  # they name a key, or are about keys
_STARS = "***"
_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]*@")  # in a URL


@dataclass(frozen=True)
class Resolved:
    """The settings, and for each one that is not the default the place that it comes from."""

    settings: Settings
    places: Mapping[str, str]

    def as_yaml(self) -> str:
        """Return the settings as a file for --config, with the place of each value; secrets are hidden."""
        return "\n".join(f"# {self.places.get(name, DEFAULT)}\n{_block(name, value)}" for name, value in self.data())

    def data(self) -> list[tuple[str, Any]]:
        """Return each setting as data, with secrets hidden; of vLLM and the upstream only what was set."""
        whole = self.settings.model_dump(mode="json")
        inner = self.settings.model_dump(mode="json", exclude_unset=True, include={"vllm", "upstream"})
        set_only = {"vllm": inner.get("vllm", {}), "upstream": inner.get("upstream")}
        return [(name, _hidden(value)) for name, value in (whole | set_only).items()]


def _block(name: str, value: Any) -> str:
    return yaml.safe_dump({name: value}, sort_keys=False).rstrip()


def _hidden(value: Any) -> Any:
    """Return data in which the values of secrets are replaced."""
    if isinstance(value, list | tuple):
        return [_hidden(each) for each in value]
    if isinstance(value, str):
        return _PASSWORD.sub(rf"\1{_STARS}@", value)
    if not isinstance(value, Mapping):
        return value
    return {key: _STARS if _is_secret(str(key)) else _hidden(inner) for key, inner in value.items()}


def _is_secret(name: str) -> bool:
    return name not in _NO_SECRETS and any(word in re.split("[-_]", name.lower()) for word in _SECRETS)


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
    places: dict[KeyPath, str] = {}
    for place, values in layers:
        _lay(merged, values, place, places)

    def where(path: KeyPath) -> str:
        beginnings = (path[:length] for length in range(len(path), 0, -1))
        source = next((places[each] for each in beginnings if each in places), None)
        if source == "environment":
            return ENVIRONMENT + "__".join(str(part).upper() for part in path)
        if source == "flag":
            return dotted(path)
        return file.place(path) if file is not None else dotted(path)

    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise InputError(problems_of(error, Settings, where)) from None
    if stars := [path for path, value in _values(merged) if value == _STARS or f":{_STARS}@" in str(value)]:
        advice = "This is what --print-config writes in place of a secret. Write the secret itself, or leave it out."
        raise InputError([Problem("The value is hidden.", where(path), advice) for path in stars])
    return Resolved(settings, {str(path[0]): place for path, place in places.items()})


def _values(data: Mapping[str, Any], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield every value that is no mapping, with its path."""
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _values(value, (*path, name))
        else:
            yield (*path, name), value


def _lay(
    under: dict[str, Any], over: Mapping[str, Any], place: str, places: dict[KeyPath, str], path: KeyPath = ()
) -> None:
    """Write values over others, key by key, and note the place of each."""
    for name, value in over.items():
        here = (*path, name)
        if isinstance(value, Mapping):
            inner = under.get(name)
            under[name] = dict(inner) if isinstance(inner, Mapping) else {}
            _lay(under[name], value, place, places, here)
        else:
            under[name] = value
        places[here] = place


def _environment() -> dict[str, Any]:
    """Return the settings in environment variables; variables that name no setting belong to others.

    Raises InputError for a value that is no JSON where a setting needs a list or a mapping.
    """
    try:
        return dict(EnvSettingsSource(Settings, env_prefix=ENVIRONMENT, env_nested_delimiter="__")())
    except SettingsError as error:
        name = next((each for each in Settings.model_fields if f'"{each}"' in str(error)), "")
        where, advice = (
            ENVIRONMENT + name.upper(),
            'Write a list or a mapping as JSON, such as ["https://example.org"].',
        )
        raise InputError("This environment variable cannot be read.", where, advice) from None
