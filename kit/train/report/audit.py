"""Check against the recipe what a run really does: watch its first step, and inspect model and optimiser."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from kit.base import Base
from kit.recipe import FloatType
from kit.system.machine import compute_type
from kit.train.distributed.sharded import whole
from kit.train.job import TrainJob
from kit.train.model.loading import DTYPES
from kit.train.model.methods.targets import HEAD, linear_names
from kit.train.report.applied import Fact, fact, write_facts
from kit.train.step.optimiser import Optimiser, StepFigures

_SAMPLED = 32
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SLACK = 1.001


@dataclass(frozen=True)
class LoadedBase:
    """The base before a method is attached: whether its weights match its files, and its linear modules."""

    weights: Fact
    linear: tuple[str, ...]


def inspect_base(model: Any, base: Base, stored: FloatType) -> LoadedBase:
    """Compare the weights of a loaded model with its files, rounded to the stored type, and list its linear modules.

    If the files lack a weight, loading fills it with random values and only logs a line.
    """
    return LoadedBase(_weights(model, base, DTYPES[stored]), tuple(linear_names(model)))


def _weights(model: Any, base: Base, stored: torch.dtype) -> Fact:
    name, own = "base weights", dict(model.named_parameters())
    places: dict[str, Path] = {}
    for file in base.weight_files():
        with safe_open(file, framework="pt") as stream:
            places |= dict.fromkeys(stream.keys(), file)
    shared = sorted(own.keys() & places.keys())
    missing = sorted(own.keys() - places.keys())
    if not shared or (missing and places.keys() - own.keys()):  # the class renames what the files hold
        return fact(name, "equal to its files", None)
    if missing:
        return fact(name, "equal to its files", f"{len(missing)} missing in its files, such as {missing[0]}")
    chosen = shared[:: max(1, len(shared) // _SAMPLED)]
    other = []
    for key in chosen:
        with safe_open(places[key], framework="pt") as stream:
            wanted = stream.get_tensor(key)
        held = own[key].detach()
        if held.shape != wanted.shape:
            return fact(name, "equal to its files", None)  # stored in another form, such as 4 bits
        if not torch.equal(held.cpu(), wanted.to(stored).to(held.dtype)):
            other.append(key)
    return fact(name, "equal to its files", f"{other[0]} differs" if other else "equal to its files")


class Audit:
    """Watches the first step of a session, then writes all facts to the run's folder."""

    def __init__(self, job: TrainJob, optimiser: Optimiser, loaded: LoadedBase) -> None:
        self._job, self._optimiser, self._loaded = job, optimiser, loaded
        self._seen = _Seen()
        self.facts: list[Fact] | None = None

    def watched(self, number: int, step: Callable[[int], StepFigures]) -> StepFigures:
        """Make a step (counted from 0), and watch it if it is the first of the session."""
        if self.facts is not None:
            return step(number)
        with self._watching():
            outcome = step(number)
        self.facts = [*self._of_step(number), *self._of_model()]
        if self._optimiser.ranks.first:
            write_facts(self._job.folder, self.facts)
        return outcome

    @contextmanager
    def _watching(self) -> Iterator[None]:
        seen, parameters = self._seen, self._optimiser.parameters
        head = self._optimiser.body.model.get_base_model().get_output_embeddings()
        handles = [
            head.register_forward_hook(lambda _module, given, _out: seen.head(given[0])),
            parameters[0].register_post_accumulate_grad_hook(lambda _: seen.backward()),
            self._optimiser.adam.register_step_pre_hook(lambda *_: seen.before_step(parameters)),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _of_step(self, number: int) -> list[Fact]:
        seen, plan, section = self._seen, self._optimiser.plan, self._job.section
        parts = self._optimiser.ranks.share(plan.steps[number])
        labels, passes = sum(map(plan.step_labels, parts)), sum(len(part.micros) for part in parts)
        clipped = None if seen.norm is None else seen.norm <= section.clip * _SLACK
        held = {None: None, True: f"norm at most {section.clip:g}", False: f"norm {seen.norm}"}[clipped]
        return [
            fact("loss mask", f"supervised tokens: {labels}", f"supervised tokens: {seen.labels}"),
            fact("accumulation", _passes(passes, 1), _passes(seen.backwards, seen.steps)),
            fact("clipping", f"norm at most {section.clip:g}", held),
            fact("optimiser", _optimiser_asked(self._optimiser, number), _optimiser_applied(self._optimiser)),
        ]

    def _of_model(self) -> list[Fact]:
        job, model = self._job, self._optimiser.body.model
        found = [
            fact("dtype", *_dtypes(job, model)),
            fact("seed", job.section.seed, torch.initial_seed()),
            _revision(job.base),
            self._loaded.weights,
        ]
        if job.section.method in ("lora", "qlora"):
            found.append(fact("adapter scale", f"{_scale_asked(job):.6g}", _scale_applied(model)))
        if (targets := _targets(job, model, self._loaded.linear)) is not None:
            found.append(targets)
        return found


class _Seen:
    """Counts that hooks collect during one step."""

    def __init__(self) -> None:
        self.labels = self.backwards = self.steps = 0
        self.norm: float | None = None

    def head(self, hidden: torch.Tensor) -> None:
        """Count the positions whose logits have a gradient."""
        if hidden.requires_grad:
            self.labels += hidden.numel() // hidden.shape[-1]

    def backward(self) -> None:
        """Count a backward pass."""
        self.backwards += 1

    def before_step(self, parameters: list[nn.Parameter]) -> None:
        """Count a step, and measure the norm of its gradient."""
        self.steps += 1
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        self.norm = float(whole(torch.nn.utils.get_total_norm(gradients))) if gradients else None


def _passes(backward: int, steps: int) -> str:
    return f"backward passes: {backward}, optimiser steps: {steps}"


def _optimiser_asked(optimiser: Optimiser, number: int) -> str:
    decay = optimiser.plan.section.weight_decay
    return f"AdamW over all trained parameters, rate {optimiser.rate(number):.6g}, decay {decay:g} on matrices only"


def _optimiser_applied(optimiser: Optimiser) -> str:
    adam = optimiser.adam
    groups = adam.param_groups
    held = {id(parameter) for group in groups for parameter in group["params"]}
    trained = {id(parameter) for parameter in optimiser.body.model.parameters() if parameter.requires_grad}
    over = "all trained parameters" if held == trained else f"{len(held & trained)} of {len(trained)} tensors"
    rates = "/".join(sorted({f"{group['lr']:.6g}" for group in groups}))
    decays = {
        matrix: {group["weight_decay"] for group in groups for each in group["params"] if (each.ndim > 1) is matrix}
        for matrix in (True, False)
    }
    matrices = "/".join(f"{decay:g}" for decay in sorted(decays[True])) or f"{optimiser.plan.section.weight_decay:g}"
    only = "only" if not any(decays[False]) else "and vectors"
    return f"{type(adam).__name__} over {over}, rate {rates}, decay {matrices} on matrices {only}"


def _dtypes(job: TrainJob, model: Any) -> tuple[str, str]:
    """Return the expected and the actual types of trained and frozen weights."""
    found = {
        trained: sorted({str(value.dtype)[6:] for value in model.parameters() if value.requires_grad is trained})
        for trained in (True, False)
    }
    compute = compute_type(job.section.compute, job.dtype, next(model.parameters()).device.type)
    frozen = {"full": "", "qlora": f"{job.dtype}+uint8"}.get(job.method, compute)
    return f"trained float32, frozen {frozen}", f"trained {'+'.join(found[True])}, frozen {'+'.join(found[False])}"


def _revision(base: Base) -> Fact:
    """Compare the revision in the recipe with the folder name, which for a base from the hub is its commit."""
    name, here = "base revision", base.folder.name
    if base.name == "nano" or base.folder.parent.name != "snapshots":
        return fact(name, "the folder on this machine", "the folder on this machine")
    if base.revision is None or not _COMMIT.fullmatch(base.revision):
        return Fact(name, base.revision or "none in the recipe", here, "unmeasured")
    return fact(name, base.revision, here)


def _scale_asked(job: TrainJob) -> float:
    lora = job.section.lora
    return lora.alpha / (math.sqrt(lora.rank) if lora.rslora else lora.rank)


def _scale_applied(model: Any) -> str | None:
    layers = [module for module in model.modules() if hasattr(module, "lora_A")]  # attention has a scale of its own
    scales = {f"{module.scaling['default']:.6g}" for module in layers if "default" in module.scaling}
    return " and ".join(sorted(scales)) or None


def _targets(job: TrainJob, model: Any, linear: tuple[str, ...]) -> Fact | None:
    """Compare the modules that the recipe names with those that have an adapter; None if the method has no targets."""
    section = job.section
    if section.method in ("full", "prompt"):
        return None
    named: Any = {
        "bottleneck": section.bottleneck.targets,
        "peft": section.peft.arguments.get("target_modules", []),
    }.get(section.method, section.lora.targets)
    wanted = {name for name in linear if _named(name, named)}
    adapted = {
        name
        for name, module in model.get_base_model().named_modules()
        if hasattr(module, "base_layer")
        or (section.method == "bottleneck" and name in linear and module._forward_hooks)
    }
    if section.method == "peft" and "target_modules" not in section.peft.arguments:
        return fact("targets", "the method's own", "the method's own" if adapted else "0 modules")
    return fact("targets", f"{len(wanted)} modules", _found(adapted, wanted))


def _named(name: str, targets: str | list[str]) -> bool:
    if targets == "all-linear":
        return not name.endswith(HEAD)
    listed = [targets] if isinstance(targets, str) else targets
    return any(f".{name}".endswith(f".{target}") for target in listed)


def _found(adapted: set[str], wanted: set[str]) -> str | None:
    if not adapted:
        return "0 modules"
    odd = sorted(adapted ^ wanted)
    return f"{len(adapted)} modules{f', different: {odd[0]}' if odd else ''}"
