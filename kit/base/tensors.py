"""Compares the tensors of a model with those of its files: none random, none lost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kit.base.families import EMBEDDINGS, HEAD, Dimensions, expected_tensors, is_tied, number
from kit.base.values import same_values
from kit.base.weight_files import INDEX, Weights
from kit.errors import Problem

_LAYER = re.compile(r"\.(\d+)(?=\.)")
_LAYERS_OF = re.compile(r"^(?:.+\.)?(?:layers|h|blocks)\.(\d+)\.")
# Older versions of the classes saved these; they are computed, or belong to a cache.
_COMPUTED = re.compile(
    r"rotary_emb\.inv_freq$|\.(attn|attention|self_attn)\.(masked_)?bias$|\.[kv]_scale$|position_ids$"
)
_EMBEDDINGS = re.compile(r"(^|\.)(embed_tokens|wte|embed_in|word_embeddings|tok_embeddings)\.weight$")
_AGAIN = "Get the base again, weights and configuration of one version."


def lost(names: Iterable[str], modules: Set[str]) -> list[str]:
    """Return the names that belong to the model although it has no place for them.

    `modules` are the paths of its modules, with `*` for a layer's number. Tensors outside the text model, such as a
    vision tower or the head of a reward model, do not count.
    """
    return sorted(name for name in names if not _COMPUTED.search(name) and _is_inside(_starred(name), modules))


def modules_of(names: Iterable[str]) -> frozenset[str]:
    """Return the paths of all modules above tensors, with `*` for a layer's number."""
    found = set()
    for name in names:
        parts = _starred(name).split(".")[:-1]
        found |= {".".join(parts[: end + 1]) for end in range(len(parts))}
    return frozenset(found)


def tensor_problems(config: Mapping[str, Any], weights: Weights, folder: Path) -> tuple[list[Problem], str]:
    """Compare a configuration with the tensors in files; also return why the names could not be compared, if so."""
    held = {_full_name(name, weights): tensor.shape for name, tensor in weights.tensors.items()}
    wanted = expected_tensors(config)
    problems = _of_layers(config, held, folder) + _of_vocabulary(config, held, folder) + _of_head(config, held, folder)
    problems += _of_tie(config, weights, folder)
    if wanted is None:
        why = f"the kit does not list the tensors of a '{config.get('model_type')}'"
        return problems, "" if problems else why
    layers = set(range(number(config, "num_hidden_layers") or 0)) & _layers(held)
    compared = {name: shape for name, shape in wanted.items() if _layer_of(name) in (None, *layers)}
    present = {name: shape for name, shape in held.items() if _layer_of(name) in (None, *layers)}
    names, place = modules_of(wanted), _source(weights, folder)
    problems += difference(compared.keys() - {HEAD}, present.keys() - {HEAD}, names, str(place))
    return problems + _of_shapes(compared, present, place), ""


def difference(wanted: Set[str], held: Set[str], modules: Set[str], where: str) -> list[Problem]:
    """Return problems for tensors that would stay random, and for tensors of the files that would be lost."""
    absent, beyond = sorted(wanted - held), sorted(held - wanted)
    problems = []
    if absent:
        near = get_close_matches(absent[0], beyond, n=1)
        renamed = f"The files hold '{near[0]}'; was it renamed? " if near else ""
        what = f"No file holds {_counted('the model', absent)}: loading would leave random values."
        problems.append(Problem(what, where, renamed + _AGAIN))
    if stray := lost(beyond, modules):
        what = f"The model has no place for {_counted('the files', stray)}: loading would leave the values out."
        problems.append(Problem(what, where, _AGAIN))
    return problems


def _counted(owner: str, names: list[str]) -> str:
    if len(names) == 1:
        return f"'{names[0]}', a tensor of {owner}"
    return f"{len(names)} tensors of {owner}, such as '{names[0]}'"


def _starred(name: str) -> str:
    return _LAYER.sub(".*", f".{name}")[1:]


def _is_inside(starred: str, modules: Set[str]) -> bool:
    """Whether the module of a tensor is one of the model's, or is in one of its layers."""
    layer, found, _ = starred.partition(".*.")
    return starred.rpartition(".")[0] in modules or (bool(found) and f"{layer}.*" in modules)


def _full_name(name: str, weights: Weights) -> str:
    """Return a tensor's name as the class with a head has it; some files were saved from the class without."""
    bare = not any(each.startswith("model.") for each in weights.tensors)
    return f"model.{name}" if bare and name != HEAD else name


def _layer_of(name: str) -> int | None:
    found = _LAYERS_OF.match(name)
    return int(found.group(1)) if found and name.startswith("model.layers.") else None


def _layers(names: Iterable[str]) -> set[int]:
    """Return the numbers of the text model's layers; those of a vision encoder do not count."""
    found = [match for name in names if (match := _LAYERS_OF.match(name))]
    shortest = min((match.group().count(".") for match in found), default=0)
    return {int(match.group(1)) for match in found if match.group().count(".") == shortest}


def _of_layers(config: Mapping[str, Any], held: Iterable[str], folder: Path) -> list[Problem]:
    declared, layers = number(config, "num_hidden_layers"), _layers(held)
    beyond = not config.get("num_nextn_predict_layers")  # layers for speculative decoding come after the others
    if declared is None or not layers or (layers >= set(range(declared)) and (not beyond or len(layers) == declared)):
        return []
    what = f"num_hidden_layers is {declared}; the files hold {len(layers)} layers."
    advice = f"Set num_hidden_layers: {len(layers)}, or get the weights again."
    return [Problem(what, str(folder / "config.json"), advice)]


def _of_vocabulary(config: Mapping[str, Any], held: Mapping[str, tuple[int, ...]], folder: Path) -> list[Problem]:
    rows = next((shape[0] for name, shape in held.items() if _EMBEDDINGS.search(name) and shape), None)
    declared = number(config, "vocab_size")
    if rows is None or declared is None or rows == declared:
        return []
    what = f"vocab_size is {declared}; the embeddings in the files have {rows} rows."
    return [Problem(what, str(folder / "config.json"), f"Set vocab_size: {rows}, or get the weights again.")]


def _of_head(config: Mapping[str, Any], held: Iterable[str], folder: Path) -> list[Problem]:
    if is_tied(config) or HEAD in held or EMBEDDINGS not in held:
        return []
    what = f"The output head is not tied to the embeddings, and no file holds {HEAD}: its values would be random."
    advice = "Set tie_word_embeddings: true if the base was trained so, or get the file that holds it."
    return [Problem(what, str(folder / "config.json"), advice)]


def _of_tie(config: Mapping[str, Any], weights: Weights, folder: Path) -> list[Problem]:
    one = weights.tensors.get(EMBEDDINGS)
    other = weights.tensors.get(HEAD)
    if not is_tied(config) or one is None or other is None or one.kind != other.kind or same_values(one, other):
        return []
    what = (
        f"The output head is tied to the embeddings, but the files hold another {HEAD}: "
        "engines differ in which they load."
    )
    advice = "Set tie_word_embeddings: false if the stored head is the base's own."
    return [Problem(what, str(folder / "config.json"), advice)]


def _of_shapes(wanted: Mapping[str, Dimensions], held: Mapping[str, tuple[int, ...]], place: Path) -> list[Problem]:
    vocabulary = {EMBEDDINGS, HEAD}  # whose rows were compared before
    other = [
        name
        for name in sorted(wanted.keys() & held.keys())
        if not _fits(wanted[name][name in vocabulary :], held[name][name in vocabulary :])
    ]
    if not other:
        return []
    name = other[0]
    count = f"{len(other)} tensors have shapes" if len(other) > 1 else "A tensor has a shape"
    shapes = f"{list(held[name])} in the files, {list(wanted[name])} in the model"
    return [Problem(f"{count} that config.json does not describe, such as '{name}': {shapes}.", str(place), _AGAIN)]


def _fits(wanted: Dimensions, held: tuple[int, ...]) -> bool:
    return len(wanted) == len(held) and all(one in (None, other) for one, other in zip(wanted, held, strict=True))


def _source(weights: Weights, folder: Path) -> Path:
    """Return the one file of the weights, or the index of several."""
    return weights.files[0] if len(weights.files) == 1 else folder / INDEX
