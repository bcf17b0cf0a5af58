"""Checks of a model on disk: files and model have the same tensors, ids fit the embeddings, values are finite.

`kit check` reports the faults; training and every engine refuse them before they load. Imports no heavy package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.base.configuration import CONFIG, config_problems, read_config
from kit.base.families import number
from kit.base.tensors import tensor_problems
from kit.base.values import not_finite
from kit.base.weight_files import Weights, read_weights
from kit.errors import InputError, Problem

_AGAIN = "Get this file again."


@dataclass(frozen=True)
class Soundness:
    """The faults of a model's folder by subject; a subject is None if an earlier fault prevented its check.

    `unknown` says why the names of the tensors could not be compared; it is empty if they were.
    """

    files: tuple[Problem, ...]
    tensors: tuple[Problem, ...] | None = None
    ids: tuple[Problem, ...] | None = None
    values: tuple[Problem, ...] | None = None
    unknown: str = ""
    tensor_count: int = 0

    @property
    def problems(self) -> list[Problem]:
        """All of them."""
        return [problem for part in (self.files, self.tensors, self.ids, self.values) for problem in part or ()]


def inspect_model(folder: Path) -> Soundness:
    """Check a model's folder: configuration, headers and values of its weights, and the ids of its tokenizer."""
    try:
        config = read_config(folder)
    except InputError as error:
        return Soundness(tuple(error.problems))
    weights = read_weights(folder)
    files = (*config_problems(config, folder / CONFIG), *weights.problems)
    if files:
        return Soundness(files)
    tensors, unknown = tensor_problems(config, weights, folder)
    ids, values = _ids(config, folder), _values(weights)
    return Soundness((), tuple(tensors), tuple(ids), tuple(values), unknown, len(weights.tensors))


def refuse_unsound(folder: Path) -> None:
    """Raise InputError with everything that is wrong with a model's folder."""
    if problems := inspect_model(folder).problems:
        raise InputError(problems)


def _ids(config: Mapping[str, Any], folder: Path) -> list[Problem]:
    rows = number(config, "vocab_size")
    if rows is None:
        return []
    problems = []
    for name in (CONFIG, "generation_config.json"):
        settings = config if name == CONFIG else _read(folder / name)
        beyond = [(key, id) for key in ("eos_token_id", "pad_token_id") for id in _listed(settings.get(key), rows, key)]
        for key, id in beyond:
            what = f"{key} is {id}; the model has embeddings for 0 to {rows - 1}."
            problems.append(Problem(what, str(folder / name), "Give the id that the tokenizer has for it."))
    highest = _highest(_read(folder / "tokenizer.json"))
    if highest >= rows:
        what = f"The tokenizer's vocabulary goes up to id {highest}; the model has embeddings for 0 to {rows - 1}."
        problems.append(Problem(what, str(folder / "tokenizer.json"), "Use this base's own tokenizer."))
    return problems


def _listed(value: Any, rows: int, key: str) -> list[Any]:
    """Return the ids that have no embedding; a padding id of -1 means that a base has none."""
    ids = value if isinstance(value, list) else [] if value is None else [value]
    least = -rows if key == "pad_token_id" else 0
    return [id for id in ids if not isinstance(id, int) or not least <= id < rows]


def _highest(tokenizer: Mapping[str, Any]) -> int:
    """Return the highest id that a user's text can yield.

    Some bases list added tokens beyond their embeddings; the renderer refuses one that a template or a task writes.
    """
    model, added = tokenizer.get("model"), tokenizer.get("added_tokens")
    words = model.get("vocab") if isinstance(model, Mapping) else None
    ids = words.values() if isinstance(words, Mapping) else range(len(words)) if isinstance(words, list) else ()
    special = {token.get("id") for token in added if isinstance(token, Mapping)} if isinstance(added, list) else set()
    return max((id for id in ids if isinstance(id, int) and id not in special), default=-1)


def _read(file: Path) -> dict[str, Any]:
    """Return a JSON object; empty if the file is missing or unreadable, which the renderer refuses."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _values(weights: Weights) -> list[Problem]:
    problems = []
    for file in weights.files:
        if bad := not_finite(file):
            which = f"{len(bad)} tensors, such as '{bad[0]}', hold" if len(bad) > 1 else f"The tensor '{bad[0]}' holds"
            what = f"{which} values that are infinite or not a number."
            problems.append(Problem(what, str(file), _AGAIN))
    return problems
