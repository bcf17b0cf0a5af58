"""Compiles a model's layers for training steps, where the run is long enough to pay for it.

Regional: all layers run the same code, which is compiled once. Micro-batches have three forms, and compiled code serves
one, so the form that computes most is chosen; others, evaluation and scoring run as they always do. Attention over a
forest stays outside, since its calls follow the node table.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator

import torch
from torch._dynamo.exc import TorchDynamoException

from kit.base import Base
from kit.errors import InputError
from kit.train.model.compiled import Compiled
from kit.train.plan.packing import Form, Step
from kit.train.plan.plan import Plan
from kit.train.report.utilisation import plan_flops
from kit.train.state.checkpoint import random_state, set_random_state
from kit.train.step.loss import layers_of
from kit.train.step.optimiser import Optimiser

PAYS = 3e13
"""Floating-point operations per thread from which compiling pays on a CPU.

On nano in float32, one thread of a Xeon without AMX: 4 % more tokens per second than lean layers make, for 10 to 22
seconds of compiling, which are made up for after four to nine minutes at the 65 GFLOP/s that training makes there.
"""
_LEAST_MINUTES = 4.0
_NO_COMPILER = "Compiling for a CPU takes a C++ compiler, and there is none."


def wants_compiling(plan: Plan, base: Base, device: torch.device, threads: int, sharded: bool = False) -> bool:
    """Whether to compile: as the recipe says, or by what the plan computes.

    `auto` compiles on a CPU alone: what it brings on a GPU is not measured. Raises InputError where the recipe asks
    for it and it cannot be.
    """
    asked, hindrance = plan.section.compile, _hindrance(device, sharded)
    if asked == "on" and hindrance:
        raise InputError(hindrance, "train.compile", "Set it to auto, or take the hindrance away.")
    if asked != "auto" or hindrance or device.type != "cpu":
        return asked == "on"
    minutes = plan.section.max_minutes
    return (minutes is None or minutes >= _LEAST_MINUTES) and _flops(plan, base) >= PAYS * threads


def _hindrance(device: torch.device, sharded: bool) -> str:
    if sharded:
        return "Layers that are sharded over processes are not compiled."
    compilers = filter(None, (os.environ.get("CXX"), "g++", "clang++"))
    return _NO_COMPILER if device.type == "cpu" and not any(map(shutil.which, compilers)) else ""


def _flops(plan: Plan, base: Base) -> float:
    """What the plan computes in the form that it computes most in; 0 for a base that the formula does not know."""
    return (plan_flops(base, plan) or 0.0) * max(_computed(plan).values()) / plan.computed


def _computed(plan: Plan) -> Counter[Form]:
    """Tokens that the plan computes in each form."""
    found: Counter[Form] = Counter()
    for form, piece in _pieces(plan):
        found[form] += plan.step_computed(piece)
    return found


def _pieces(plan: Plan) -> Iterator[tuple[Form, Step]]:
    """Every micro-batch with its form."""
    for step in plan.steps:
        for at, form in enumerate(step.forms):
            yield form, step.part(slice(at, at + 1))


def compiled_for(optimiser: Optimiser) -> Compiled | None:
    """Compile, on the largest micro-batch of the chosen form, so that a resumed run computes with the same code.

    Gradients are thrown away; random states stay as they are. None where it cannot be done; where the recipe asks for
    it, raises InputError then.
    """
    plan, before = optimiser.plan, random_state()
    ((form, _),) = _computed(plan).most_common(1)
    largest = max((piece for each, piece in _pieces(plan) if each == form), key=plan.step_computed)
    try:
        optimiser.compiled = compiled = Compiled(layers_of(optimiser.body.base), form)
        float(optimiser.accumulate(largest)[0])
    except (TorchDynamoException, InputError) as error:
        if plan.section.compile == "on":
            reason = str(error).splitlines()[0]
            raise InputError(
                f"The layers could not be compiled: {reason}", "train.compile", "Set it to off."
            ) from error
        return None
    else:
        return compiled
    finally:
        optimiser.adam.zero_grad()
        set_random_state(before)
