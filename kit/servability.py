"""Whether what the recipe would train can be served: told from the recipe and the base's configuration alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kit.checks import Check
from kit.recipe import Recipe

_EMBEDDINGS = ("lm_head", "embed_tokens")


def check_base(recipe: Recipe, base: Path) -> list[Check]:
    """Check the base's architecture and context. `base` is its folder."""
    config: dict[str, Any] = json.loads((base / "config.json").read_text(encoding="utf-8"))
    return [_architecture(recipe, config), _context(recipe, config)]


def _architecture(recipe: Recipe, config: dict[str, Any]) -> Check:
    name = (config.get("architectures") or ["unknown"])[0]
    plain = name.endswith("ForCausalLM") and "text_config" not in config
    right = f"{name}: a {recipe.bundle.form} bundle serves, at rank {recipe.train.lora.rank}."
    wrong = f"{name} is not a plain text model: engines have ignored adapters on such without a word."
    return Check.of("base.architecture", plain, right, wrong, next="Choose a base whose architecture is …ForCausalLM.")


def _context(recipe: Recipe, config: dict[str, Any]) -> Check:
    limit = config.get("max_position_embeddings")
    if limit is None:
        return Check("base.context", "unmeasured", "The base does not say how long its context is.")
    wanted = {"train.max_length": recipe.train.max_length, "serve.max_length": recipe.serve.max_length}
    beyond = [f"{name} is {value}" for name, value in wanted.items() if value > limit]
    right = f"The base's context of {limit} tokens holds what the recipe asks for."
    return Check.of("base.context", not beyond, right, f"The base's context is {limit} tokens; {', '.join(beyond)}.")


def check_targets(recipe: Recipe) -> Check:
    """Check that an engine can load an adapter of the modules that the recipe names."""
    targets = recipe.train.lora.targets
    names = [targets] if isinstance(targets, str) else targets
    embedding = [name for name in names if name in _EMBEDDINGS]
    wrong = f"{' and '.join(embedding)}: an adapted embedding cannot be served, and breaks the tie when merged."
    right = f"The adapted modules ({', '.join(names)}) can be served."
    return Check.of("train.lora.targets", not embedding, right, wrong, next="Leave it out; all-linear does.")
