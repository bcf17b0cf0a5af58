"""Decide whether rows may share their prefixes: only if that is known to be exact. Loads no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.base import Base
from kit.data.rows import Row
from kit.recipe import TrainSection

ARCHITECTURES = frozenset(
    {"gemma", "gemma3_text", "granite", "llama", "mistral", "olmo2", "olmo3", "phi3", "qwen2", "qwen3", "smollm3"}
)
"""Model types whose layers only attend along a path or work on single tokens; a test compares each with plain rows."""
METHODS = frozenset({"lora", "qlora", "full", "bottleneck"})
"""Methods that change the computation of a token, but not which tokens it attends to."""
_ROTATIONS = {"default", "linear", "llama3", "yarn"}


@dataclass(frozen=True)
class Sharing:
    """Whether rows may share their prefixes; `why_not` is part of a sentence, empty if they may."""

    why_not: str = ""

    @property
    def on(self) -> bool:
        """Whether they may."""
        return not self.why_not


NOT_ASKED = Sharing("it was not asked for")


def sharing(base: Base, section: TrainSection, rows: Sequence[Row], device: str = "cpu") -> Sharing:
    """Decide from the recipe, the base's configuration, the longest row and the device type."""
    config = json.loads((base.folder / "config.json").read_text(encoding="utf-8"))
    longest = max((len(row.ids) for row in rows), default=0)
    objections = list(_objections(config, section, longest))
    if device not in ("cpu", "cuda"):
        objections.append(f"there is no attention for it on {device}")
    return Sharing(next(iter(objections), ""))


def _objections(config: Mapping[str, Any], section: TrainSection, longest: int) -> Iterator[str]:
    if section.trees == "off":
        yield "train.trees is off"
    if section.method not in METHODS:
        yield f"the method {section.method} may change what a token sees"
    if section.bottleneck.dropout if section.method == "bottleneck" else section.lora.dropout:
        yield "dropout must be drawn for every row"
    yield from _structural(config, longest)


def _structural(config: Mapping[str, Any], longest: int) -> Iterator[str]:
    """Yield what in a base's configuration makes a shared prefix differ from the prefix of a single row."""
    kind = str(config.get("model_type"))
    if kind not in ARCHITECTURES:
        yield f"the architecture {kind} is not known to be exact with it"
    for name, value in config.items():
        if name.endswith(("dropout", "pdrop")) and value:
            yield f"the base has {name} {value}"
    window = config.get("sliding_window")
    if window and config.get("use_sliding_window", True) and window < longest:
        yield f"the base's attention slides over {window} tokens, and a row has {longest}"
    for rotation in set(_rotations(config.get("rope_parameters") or config.get("rope_scaling"))) - _ROTATIONS:
        yield f"the base's positions of type {rotation} depend on the length of a row"


def _rotations(settings: Any) -> Iterator[str]:
    """Yield the types of rotary positions, set for all layers or for each kind of layer."""
    if isinstance(settings, Mapping):
        yield from (str(settings[name]) for name in ("rope_type", "type") if name in settings)
        for inner in settings.values():
            yield from _rotations(inner)
