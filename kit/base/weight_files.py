"""Finds the weight files of a model and lists their tensors; reports missing and cut files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kit.base.headers import Tensor, read_header
from kit.errors import InputError, Problem

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_AGAIN = "Get the base again."
_OTHER_FORMATS = ("*.bin", "*.pt", "*.pth", "*.gguf", "*.h5", "*.msgpack", "*.onnx")


@dataclass(frozen=True)
class Weights:
    """The tensors of a folder by name, and the problems of its files; with problems, tensors may be missing."""

    tensors: Mapping[str, Tensor]
    problems: tuple[Problem, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the tensors, sorted."""
        return tuple(sorted({tensor.file for tensor in self.tensors.values()}))


def read_weights(folder: Path) -> Weights:
    """Return the tensors that loading the folder would read: of one file, or of the shards that an index names."""
    single, index = folder / SINGLE, folder / INDEX
    if not single.is_file() and not index.is_file():
        return Weights({}, (_no_weights(folder),))
    try:
        places = _read_index(index) if index.is_file() else {}
    except InputError as error:
        return Weights({}, tuple(error.problems))
    if single.is_file() and set(places.values()) - {SINGLE}:
        what = f"There are two sets of weights: {SINGLE}, and the shards of the index."
        return Weights({}, (Problem(what, str(index), "Engines differ in which they load. Remove one of the two."),))
    return _read_files(folder, sorted(set(places.values())) or [SINGLE], places)


def _no_weights(folder: Path) -> Problem:
    if loose := sorted(file.name for file in folder.glob("*.safetensors")):
        what = f"There is no {INDEX}, which says what {loose[0]}{' and others' if loose[1:] else ''} hold."
        return Problem(what, str(folder), f"Get the index too, or name a single file {SINGLE}.")
    if other := sorted(file.name for pattern in _OTHER_FORMATS for file in folder.glob(pattern)):
        what = f"The base model has no safetensors weights, only {other[0]}."
        advice = "Save them again with transformers: AutoModelForCausalLM.from_pretrained(…).save_pretrained(FOLDER)"
        return Problem(what, str(folder / other[0]), advice)
    advice = "Get them, or choose a base that ships safetensors."
    return Problem("The base model has no safetensors weights.", str(folder), advice)


def _read_index(index: Path) -> dict[str, str]:
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {str(name): str(file) for name, file in places.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"The index of the weights cannot be read: {error!r}.", str(index), _AGAIN) from None


def _read_files(folder: Path, names: list[str], places: Mapping[str, str]) -> Weights:
    tensors: dict[str, Tensor] = {}
    problems: list[Problem] = []
    for file in names:
        if not (folder / file).is_file():
            lost = sum(place == file for place in places.values())
            what = f"This file is missing; the index places {lost} tensors in it."
            problems.append(Problem(what, str(folder / file), "Get this file again."))
            continue
        try:
            held = read_header(folder / file)
        except InputError as error:
            problems.extend(error.problems)
            continue
        problems += _of_shard(folder / file, held, tensors, places)
        tensors |= held
    return Weights(tensors, tuple(problems))


def _of_shard(
    file: Path, held: Mapping[str, Tensor], before: Mapping[str, Tensor], places: Mapping[str, str]
) -> list[Problem]:
    absent = sorted(name for name, place in places.items() if place == file.name and name not in held)
    twice = sorted(before.keys() & held.keys())
    found = []
    if absent:
        what = f"The index places {len(absent)} tensors in this file that it does not hold, such as '{absent[0]}'."
        found.append(Problem(what, str(file), f"Get this file and {INDEX} again, of one version."))
    if twice:
        what = f"{len(twice)} tensors are in {before[twice[0]].file.name} too, such as '{twice[0]}'."
        found.append(Problem(what, str(file), _AGAIN))
    return found
