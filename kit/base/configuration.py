"""Checks of a base's `config.json`: it is readable, of a known type, and not quantised."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kit.base.families import FAMILIES
from kit.errors import InputError, Problem

CONFIG = "config.json"
_QUANTISED = ("quantization_config", "quantization", "compression_config")
_AUTO = ("models/auto/auto_mappings.py", "models/auto/configuration_auto.py")


def read_config(folder: Path) -> dict[str, Any]:
    """Return a folder's configuration. Raises InputError if there is none, or it is not a JSON object."""
    file = folder / CONFIG
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"There is no {CONFIG}.", str(folder), "Give the folder of a whole model.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"The model's configuration cannot be read: {error}.", str(file), "Get it again.") from None
    if not isinstance(found, dict):
        raise InputError("The model's configuration is not a JSON object.", str(file), "Get it again.")
    return found


def config_problems(config: Mapping[str, Any], file: Path) -> list[Problem]:
    """Return the problems that make a base unusable with any weights."""
    return [*_quantised(config, file), *_unknown(config, file)]


def refuse_config(folder: Path) -> None:
    """Raise InputError if the configuration alone rules the base out."""
    if problems := config_problems(read_config(folder), folder / CONFIG):
        raise InputError(problems)


def _quantised(config: Mapping[str, Any], file: Path) -> list[Problem]:
    key = next((key for key in _QUANTISED if config.get(key)), None)
    if key is None:
        return []
    settings = config[key]
    method = settings.get("quant_method") if isinstance(settings, Mapping) else None
    what = f"This base is quantised already ({method or key}); it cannot be tuned or merged."
    advice = "Choose the base that it was made from; method: qlora quantises it."
    return [Problem(what, str(file), advice)]


def _unknown(config: Mapping[str, Any], file: Path) -> list[Problem]:
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        return [Problem("The configuration names no model_type.", str(file), "Get it again.")]
    if kind in FAMILIES or kind in (known := _known_kinds()) or not known:
        return []
    what = f"The installed transformers has no model of the type '{kind}'."
    own = "It comes with code of its own, which is not run. " if config.get("auto_map") else ""
    return [Problem(what, str(file), f"{own}Choose another base, or correct model_type.")]


class _Kinds:
    """Text of the tables in which transformers lists its types of models; empty if it is not installed."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __contains__(self, kind: object) -> bool:
        return f'"{kind}"' in self._text

    def __bool__(self) -> bool:
        return bool(self._text)


def _known_kinds() -> _Kinds:
    """Read transformers' tables from its source: importing it would load torch."""
    spec = find_spec("transformers")
    if spec is None or not spec.submodule_search_locations:
        return _Kinds("")
    root = Path(spec.submodule_search_locations[0])
    files = [root / name for name in _AUTO if (root / name).is_file()]
    return _Kinds("".join(file.read_text(encoding="utf-8") for file in files))
