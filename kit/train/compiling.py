"""Compiles a model's layers for its training steps, where the run is long enough to pay for it.

Regional: all layers run the same code, so that one is compiled for all; attention over a forest stays outside, since its
calls depend on the node table. Evaluation and scoring run as they always do.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from kit.base import Base
from kit.errors import InputError
from kit.estimate import read_shape, training_flops
from kit.train.plan import Plan

PAYS = 1e13
"""Floating-point operations per thread from which compiling pays on a CPU.

On nano in float32, one thread of a Xeon: 23 % more tokens per second for 22 seconds of compiling, which are made up for
after two minutes at the 67 GFLOP/s that training makes there.
"""
_NO_COMPILER = "There is no C++ compiler, which compiling for a CPU takes."


def wants_compiling(plan: Plan, base: Base, device: torch.device, threads: int, sharded: bool = False) -> bool:
    """Whether to compile: as the recipe says, or by what the plan computes.

    `auto` compiles on a CPU alone: what it brings on a GPU is not measured. Raises InputError where the recipe asks
    for it and it cannot be.
    """
    asked, hindrance = plan.section.compile, _hindrance(device, sharded)
    if asked == "on" and hindrance:
        raise InputError(hindrance, "train.compile", "Set it to auto, or install g++.")
    if asked != "auto":
        return asked == "on"
    shape = read_shape(base.folder)
    if hindrance or device.type != "cpu" or shape is None:
        return False
    length = plan.tokens / sum(len(step.rows) for step in plan.steps)
    flops = training_flops(shape, plan.computed, plan.supervised, length, plan.section.method != "full")
    return flops >= PAYS * threads


def _hindrance(device: torch.device, sharded: bool) -> str:
    if sharded:
        return "Layers that are sharded over processes are not compiled."
    compilers = (os.environ.get("CXX", ""), "g++", "clang++")
    return _NO_COMPILER if device.type == "cpu" and not any(map(shutil.which, compilers)) else ""


class Compiled:
    """Layers with a compiled way to run them, taken inside `running` alone."""

    def __init__(self, layers: Sequence[Any]) -> None:
        self._layers = [(layer, torch.compile(layer.forward, dynamic=True)) for layer in layers]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the layers compiled while the block runs; the backward pass belongs inside too."""
        for layer, compiled in self._layers:
            layer.forward = compiled
        try:
            yield
        finally:
            for layer, _ in self._layers:
                del layer.forward
