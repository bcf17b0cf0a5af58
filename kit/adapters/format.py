"""Reads an adapter folder, and refuses an adapter that an engine would attach only in part. Loads no heavy package."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from kit.base.headers import Shapes, shapes_in
from kit.errors import InputError, Problem

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
BOTTLENECK, PROMPT = "KIT_BOTTLENECK", "PROMPT_TUNING"
HOOKED_KINDS = (BOTTLENECK, PROMPT)  # kinds that hook into a model and cannot be merged
_MATRIX = re.compile(r"^base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight$")
_FROM_LAYER = re.compile(r"\w+\.\d+\..+$")


def check_adapter(name: str, adapter: Path, model: Path, max_rank: int) -> None:
    """Check that every engine can serve an adapter, and that each of its matrices fits a module of the model.

    An engine may silently skip matrices whose names it does not know, so they are refused here.
    Raises InputError with all problems at once.
    """
    config = _read_config(adapter / ADAPTER_CONFIG)
    matrices, strangers = _pairs(shapes_in(adapter / ADAPTER_WEIGHTS))
    faults = _unsupported(config, max_rank)
    faults += [f"it has a tensor '{stranger}', which is not an adapter matrix." for stranger in strangers[:3]]
    faults += _misfits(matrices, model)
    if faults:
        raise InputError([Problem(f"The adapter '{name}' is refused: {fault}", str(adapter)) for fault in faults])


def adapted(adapter: Path) -> frozenset[str]:
    """Return the last names of the modules that an adapter adapts, such as `q_proj`."""
    modules, _ = _pairs(shapes_in(adapter / ADAPTER_WEIGHTS))
    return frozenset(module.rpartition(".")[2] for module in modules)


def adapter_kind(adapter: Path) -> str:
    """Return the method of an adapter, from its configuration.

    Raises InputError if there is none.
    """
    return str(_read_config(adapter / ADAPTER_CONFIG).get("peft_type"))


def _read_config(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(f"The adapter's configuration cannot be read: {error}.", str(file)) from None


def _unsupported(config: dict[str, Any], max_rank: int) -> list[str]:
    rank = max(config.get("r") or 0, *(config.get("rank_pattern") or {}).values(), 0)
    faults = {
        f"it is of the kind {config.get('peft_type')}, not LORA.": config.get("peft_type") != "LORA",
        f"its rank {rank} is above the engine's {max_rank}.": rank > max_rank,
        "it replaces whole modules (modules_to_save).": bool(config.get("modules_to_save")),
        "it trains biases.": config.get("bias", "none") != "none",
        "it is weight-decomposed (DoRA).": bool(config.get("use_dora")),
    }
    return [sentence for sentence, present in faults.items() if present]


def _pairs(shapes: Shapes) -> tuple[dict[str, Shapes], list[str]]:
    """Group an adapter's tensors by module and side; also return the names of all other tensors."""
    modules: dict[str, Shapes] = defaultdict(dict)
    strangers = []
    for key, shape in shapes.items():
        if match := _MATRIX.match(key):
            modules[match["module"]][match["side"]] = shape
        else:
            strangers.append(key)
    return modules, strangers


def _misfits(modules: dict[str, Shapes], model: Path) -> list[str]:
    places = _places(model)
    lost = [module for module in modules if _place(module) not in places]
    if len(lost) == len(modules):
        return ["it fits no module of this model."]
    faults = [f"the model lacks {len(lost)} of its {len(modules)} modules, such as '{lost[0]}'."] if lost else []
    # Tied weights would change twice, and vLLM dies when it scores with an adapted output layer.
    faults += [f"it adapts '{module}', outside the layers." for module in modules if not _FROM_LAYER.search(module)]
    wrong = [name for name in modules if name not in lost and not _fits(modules[name], places[_place(name)])]
    return faults + ([f"its matrices for '{wrong[0]}' have another size than the model's."] if wrong else [])


def _fits(pair: Shapes, weights: set[tuple[int, ...]]) -> bool:
    """Whether B·A has the shape of one of the weights (some architectures store them transposed)."""
    if pair.keys() != {"A", "B"}:
        return False
    update = (pair["B"][0], pair["A"][1])
    return update in weights or update[::-1] in weights


def _places(model: Path) -> dict[str, set[tuple[int, ...]]]:
    """Shapes of the model's weights by place."""
    places = defaultdict(set)
    for file in sorted(model.glob("*.safetensors")):
        for key, shape in shapes_in(file).items():
            places[_place(key.removesuffix(".weight"))].add(shape)
    return places


def _place(module: str) -> str:
    """Name of a module without the part before its layer, which differs between a checkpoint and its classes."""
    found = _FROM_LAYER.search(module)
    return found.group() if found else module
