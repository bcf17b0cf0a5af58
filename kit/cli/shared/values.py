"""Settings on the command line: NAME=VALUE, where a name may have dots and a value is read as YAML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kit.errors import InputError


def named_values(words: Sequence[str]) -> dict[str, Any]:
    """Return nested settings: `vllm.max_num_seqs=64` is the entry `max_num_seqs` of `vllm`.

    Raises InputError for a word without an equals sign, and for a value that is no YAML.
    """
    import yaml

    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise InputError("This is not NAME=VALUE.", f"--set {word}", "For example: --set body_bytes=1000000")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"This value cannot be read: {error}.", f"--set {word}") from None
        *outer, last = name.split(".")
        place = found
        for part in outer:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                what = f"'{part}' has a value already, so it cannot have settings of its own."
                raise InputError(what, f"--set {word}", "Give either the whole value or its settings.")
        place[last] = value
    return found
