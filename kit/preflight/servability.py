"""Whether what the recipe would train can be served, in which form and by which engine: told before it is trained."""

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
    """The engines that serve the adapter by itself, and those that serve it merged; None: not known yet.

    `reason` is a sentence on why it is not both of both; empty where it is. `vllm_unknown` marks a vLLM that is not in
    the kit's table: what is said here of vLLM is then a guess.
    """

    adapter: Engines
    merged: Engines | None
    reason: str = ""
    vllm_unknown: bool = False

    @property
    def decision(self) -> Decision:
        """The best that can be done with it."""
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
    """Decide for a method on an architecture. `mergeable` is what an attach pre-flight found, for methods of peft."""
    found = _of_method(section, limits, mergeable)
    if limits.release is None:
        return replace(found, vllm_unknown=True)
    support = limits.support(architecture) if architecture else None
    if support == "none":
        merged = None if found.merged is None else _without_vllm(found.merged)
        return Servability(_without_vllm(found.adapter), merged, f"{limits.name} does not know {architecture}.")
    if support == "merged only" and "vllm" in found.adapter:
        return Servability(LOCAL, found.merged, f"{limits.name} takes no adapters on {architecture}.")
    return found


def _of_method(section: TrainSection, limits: VllmLimits, mergeable: bool | None) -> Servability:
    lora = section.lora
    match section.method:
        case "full":
            return Servability(NONE, BOTH, "All weights are trained, so there is no adapter.")
        case "prompt":
            return Servability(LOCAL, NONE, "A soft prompt merges into nothing, and vLLM takes none.")
        case "bottleneck":
            return Servability(LOCAL, NONE, "Bottleneck layers merge into nothing, and vLLM has none.")
        case "peft":
            merged = {True: BOTH, False: NONE, None: None}[mergeable]
            what = f"{limits.name} takes no {section.peft.type} adapters"
            told = {True: "", False: ", and it cannot be merged", None: "; whether it merges was not tried"}[mergeable]
            return Servability(LOCAL, merged, f"{what}{told}.")
    if lora.dora:
        return Servability(NONE, BOTH, f"{limits.name} takes no DoRA adapters.")
    if limits.release and lora.saved_rank > (most := max(limits.release.ranks)):
        what = f"{limits.name} holds ranks up to {most}; the saved adapter has {lora.saved_rank}."
        return Servability(LOCAL, BOTH, what)
    return Servability(BOTH, BOTH)


def _without_vllm(engines: Engines) -> Engines:
    return tuple(engine for engine in engines if engine != "vllm")


def check_servability(recipe: Recipe, base: Path | None = None, mergeable: bool | None = None) -> Check:
    """Check that the bundle that the recipe asks for can be served by the engines that it asks for."""
    architecture = _architecture_name(_config(base)) if base else None
    limits = installed_limits()
    found = servability(recipe.train, limits, architecture, mergeable)
    form = recipe.bundle.form
    engines = found.adapter if form == "adapter" else found.merged
    if engines is None:
        return Check("servability", "unmeasured", f"{found.reason} Ask with: kit check --attach")
    right = f"{_named(recipe.train)}: {_forms(found)}.{' ' if found.reason else ''}{found.reason}"
    if not engines:
        other = "merged" if form == "adapter" else "adapter"
        served = found.merged if form == "adapter" else found.adapter
        advice = f"Set bundle.form: {other}." if served else "Take another method or another base."
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
    """Return the sentence on how the bundle will be served. Raises InputError where it could not be."""
    check = check_servability(recipe, base, mergeable)
    if check.state == "failed":
        raise InputError(list(check.problems))
    return check.what


def _named(section: TrainSection) -> str:
    if section.method in ("lora", "qlora"):
        return f"{section.method}, rank {section.lora.saved_rank}"
    return section.peft.type if section.method == "peft" else section.method


def _forms(found: Servability) -> str:
    told = [
        f"{form} on {' and '.join(engines)}"
        for form, engines in (("as an adapter", found.adapter), ("merged", found.merged or ()))
        if engines
    ]
    only = " only" if found.decision == "local only" else ""
    return f"serves {', '.join(told)}{only}"


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
    wrong = f"{name} is not a plain text model: engines have ignored adapters on such without a word."
    return Check.of("base.architecture", plain, right, wrong, next="Choose a base whose architecture is …ForCausalLM.")


def _context(recipe: Recipe, config: dict[str, Any]) -> Check:
    limit = config.get("max_position_embeddings")
    if limit is None:
        return Check("base.context", "unmeasured", "The base does not say how long its context is.")
    before = recipe.train.prompt.tokens if recipe.train.method == "prompt" else 0
    wanted = {"train.max_length": recipe.train.max_length, "serve.max_length": recipe.serve.max_length}
    beyond = {name: value for name, value in wanted.items() if value + before > limit}
    right = f"The base's context of {limit} tokens holds what the recipe asks for."
    soft = f", of which the soft prompt takes {before}" if before else ""
    told = ", ".join(f"{name} is {value}" for name, value in beyond.items())
    wrong = f"The base's context is {limit} tokens{soft}; {told}."
    advice = f"Lower {' and '.join(beyond)} to {limit - before}."
    return Check.of("base.context", not beyond, right, wrong, next=advice)


def check_targets(recipe: Recipe) -> Check:
    """Check that an engine can load an adapter of the modules that the recipe names."""
    targets = recipe.train.lora.targets
    names = [targets] if isinstance(targets, str) else targets
    embedding = [name for name in names if name in _EMBEDDINGS]
    wrong = f"{' and '.join(embedding)}: an adapted embedding cannot be served, and breaks the tie when merged."
    right = f"The adapted modules ({', '.join(names)}) can be served."
    return Check.of("train.lora.targets", not embedding, right, wrong, next="Leave it out; all-linear does.")
