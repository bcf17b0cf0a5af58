"""Decides before training whether the result can be served, in which form, and by which engine."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from kit.checks import Check
from kit.engines.vllm.limits import VllmLimits, installed_limits
from kit.engines.vllm.releases import RELEASES
from kit.errors import InputError
from kit.recipe import Recipe, TrainSection

_EMBEDDINGS = ("lm_head", "embed_tokens")
Decision = Literal["adapter", "merged only", "local only", "refused", "unmeasured"]
BOTH, LOCAL, NONE = ("vllm", "local"), ("local",), ()
Engines = tuple[str, ...]


@dataclass(frozen=True)
class Servability:
    """The engines that can serve the adapter, and those that can serve the merged model; None: not known yet.

    `reason` says why an engine cannot serve one of them; empty if all can. `vllm_unknown` marks a vLLM release that is
    not in the kit's table: the statements about vLLM are then a guess.
    """

    adapter: Engines
    merged: Engines | None
    reason: str = ""
    vllm_unknown: bool = False

    @property
    def decision(self) -> Decision:
        """The best form and engine for serving."""
        if self.merged is None or (self.vllm_unknown and "vllm" in (*self.adapter, *self.merged)):
            return "unmeasured"
        if "vllm" in self.adapter:
            return "adapter"
        if "vllm" in self.merged:
            return "merged only"
        return "local only" if self.adapter or self.merged else "refused"


def servability(
    section: TrainSection, limits: VllmLimits, architecture: str | None = None, mergeable: bool | None = None
) -> Servability:
    """Return how a method on an architecture can be served.

    `mergeable` is the result of `kit check --attach`, for methods of peft.
    """
    found = _of_method(section, limits, mergeable)
    if limits.release is None:
        return replace(found, vllm_unknown=True)
    support = limits.support(architecture) if architecture else None
    if support == "none":
        merged = None if found.merged is None else _without_vllm(found.merged)
        return Servability(_without_vllm(found.adapter), merged, f"{limits.name} does not know {architecture}.")
    if support == "merged only" and "vllm" in found.adapter:
        return Servability(LOCAL, found.merged, f"{limits.name} does not support adapters on {architecture}.")
    return found


def _of_method(section: TrainSection, limits: VllmLimits, mergeable: bool | None) -> Servability:
    lora = section.lora
    match section.method:
        case "full":
            return Servability(NONE, BOTH, "All weights are trained, so there is no adapter.")
        case "prompt":
            return Servability(LOCAL, NONE, "A soft prompt cannot be merged, and vLLM does not support it.")
        case "bottleneck":
            return Servability(LOCAL, NONE, "Bottleneck layers cannot be merged, and vLLM does not support them.")
        case "peft":
            merged = {True: BOTH, False: NONE, None: None}[mergeable]
            what = f"{limits.name} does not support {section.peft.type} adapters"
            note = {True: "", False: ", and it cannot be merged", None: "; whether it can be merged was not tried"}[
                mergeable
            ]
            return Servability(LOCAL, merged, f"{what}{note}.")
    if lora.dora:
        return Servability(NONE, BOTH, f"{limits.name} does not support DoRA adapters.")
    if limits.release and lora.saved_rank > (most := max(limits.release.ranks)):
        what = f"{limits.name} supports ranks up to {most}; the saved adapter has {lora.saved_rank}."
        return Servability(LOCAL, BOTH, what)
    return Servability(BOTH, BOTH)


def _without_vllm(engines: Engines) -> Engines:
    return tuple(engine for engine in engines if engine != "vllm")


def check_servability(recipe: Recipe, base: Path | None = None, mergeable: bool | None = None) -> Check:
    """Check that the engines that the recipe names can serve the bundle that it describes."""
    architecture = _architecture_name(_config(base)) if base else None
    limits = installed_limits()
    found = servability(recipe.train, limits, architecture, mergeable)
    form = recipe.bundle.form
    engines = found.adapter if form == "adapter" else found.merged
    if engines is None:
        return Check("servability", "unmeasured", f"{found.reason} Find out with: kit check --attach")
    right = f"{_named(recipe.train)}: {_forms(found)}.{' ' if found.reason else ''}{found.reason}"
    if not engines:
        other = "merged" if form == "adapter" else "adapter"
        served = found.merged if form == "adapter" else found.adapter
        advice = f"Set bundle.form: {other}." if served else "Choose another method or another base."
        return Check.of(
            "servability", False, right, f"bundle.form: {form} cannot be served. {found.reason}", next=advice
        )
    asked = {"serve.engine": recipe.serve.engine, "eval.engine": recipe.eval.engine}
    if found.vllm_unknown and "vllm" in engines and set(asked.values()) != {"local"}:
        return Check("servability", "unmeasured", _unknown_vllm(limits))
    beyond = [name for name, engine in asked.items() if engine not in ("auto", *engines)]
    wrong = f"{' and '.join(beyond)}: vLLM cannot serve it. {found.reason}"
    advice = " ".join(f"Set {name}: local." for name in beyond)
    return Check.of("servability", not beyond, right, wrong, next=advice)


def _unknown_vllm(limits: VllmLimits) -> str:
    known = " or ".join(RELEASES)
    return (
        f"{limits.name} is not in the kit's table of releases, so whether it serves this model is unknown. "
        f"Install {known}, or set serve.engine and eval.engine to local."
    )


def refuse_unservable(recipe: Recipe, base: Path, mergeable: bool | None) -> str:
    """Return a sentence on how the bundle will be served. Raises InputError if it cannot be served."""
    check = check_servability(recipe, base, mergeable)
    if check.state == "failed":
        raise InputError(list(check.problems))
    return check.what


def _named(section: TrainSection) -> str:
    if section.method in ("lora", "qlora"):
        return f"{section.method}, rank {section.lora.saved_rank}"
    return section.peft.type if section.method == "peft" else section.method


def _forms(found: Servability) -> str:
    forms = [
        f"{form} on {' and '.join(engines)}"
        for form, engines in (("as an adapter", found.adapter), ("merged", found.merged or ()))
        if engines
    ]
    only = " only" if found.decision == "local only" else ""
    return f"serves {', '.join(forms)}{only}"


def check_base(recipe: Recipe, base: Path) -> list[Check]:
    """Check the base's architecture and context. `base` is its folder."""
    config = _config(base)
    return [_architecture(config), _context(recipe, config)]


def _config(base: Path) -> dict[str, Any]:
    return dict(json.loads((base / "config.json").read_text(encoding="utf-8")))


def _architecture_name(config: dict[str, Any]) -> str:
    return str((config.get("architectures") or ["unknown"])[0])


def _architecture(config: dict[str, Any]) -> Check:
    name = _architecture_name(config)
    plain = name.endswith("ForCausalLM") and "text_config" not in config
    right = f"{name} is a plain text model."
    wrong = f"{name} is not a plain text model: some engines silently ignore adapters on such models."
    return Check.of("base.architecture", plain, right, wrong, next="Choose a base whose architecture is …ForCausalLM.")


def _context(recipe: Recipe, config: dict[str, Any]) -> Check:
    limit = config.get("max_position_embeddings")
    if limit is None:
        return Check("base.context", "unmeasured", "The base's configuration does not state the length of its context.")
    before = recipe.train.prompt.tokens if recipe.train.method == "prompt" else 0
    wanted = {"train.max_length": recipe.train.max_length, "serve.max_length": recipe.serve.max_length}
    beyond = {name: value for name, value in wanted.items() if value + before > limit}
    right = f"The base's context of {limit} tokens is long enough for the recipe."
    soft = f", of which the soft prompt takes {before}" if before else ""
    asked = ", ".join(f"{name} is {value}" for name, value in beyond.items())
    wrong = f"The base's context is {limit} tokens{soft}; {asked}."
    advice = f"Lower {' and '.join(beyond)} to {limit - before}."
    return Check.of("base.context", not beyond, right, wrong, next=advice)


def check_targets(recipe: Recipe) -> Check:
    """Check that an engine can load an adapter on the modules that the recipe names."""
    targets = recipe.train.lora.targets
    names = [targets] if isinstance(targets, str) else targets
    embedding = [name for name in names if name in _EMBEDDINGS]
    wrong = f"{' and '.join(embedding)}: an adapter on an embedding cannot be served, and a merge would untie it."
    right = f"The adapted modules ({', '.join(names)}) can be served."
    return Check.of("train.lora.targets", not embedding, right, wrong, next="Remove it; all-linear leaves it out.")
