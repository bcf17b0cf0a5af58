"""Model FLOP utilisation: how much of what a GPU could compute the model needs (Chowdhery et al. 2022, appendix B)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from kit.base import Base
from kit.train.plan.estimate import read_shape, training_flops
from kit.train.plan.plan import StepPlan

PEAKS = {
    "H200": 989.0,
    "H100 80GB HBM3": 989.0,
    "H100 NVL": 835.0,
    "H100 PCIe": 756.0,
    "A100": 312.0,
    "L40S": 362.0,
    "A10": 125.0,
    "L4": 121.0,
}
"""TFLOP/s in bfloat16, without sparsity, from NVIDIA's data sheets, by a part of the name that torch gives."""


@dataclass(frozen=True)
class Utilisation:
    """Floating-point operations of a computed token, and those that the GPU can make in a second."""

    per_token: float
    peak: float

    def of(self, computed_per_second: float) -> float:
        """The share that is used, from 0 to 1."""
        return computed_per_second * self.per_token / self.peak


def utilisation(base: Base, plan: StepPlan, device: torch.device) -> Utilisation | None:
    """Return how to tell a run's utilisation; None on a CPU, on a GPU that is not listed, and for unusual bases.

    What is computed again in the backward pass is no work of the model, and does not count.
    """
    peak = peak_of(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    flops = plan_flops(base, plan)
    return None if flops is None or peak is None else Utilisation(flops / plan.computed, peak)


def plan_flops(base: Base, plan: StepPlan) -> float | None:
    """Return the floating-point operations of all steps; None for a base of a kind that the formula does not know."""
    shape = read_shape(base.folder)
    if shape is None:
        return None
    length = plan.tokens / sum(len(step.rows) for step in plan.steps)
    return training_flops(shape, plan.computed, plan.supervised, length, plan.section.method != "full")


def peak_of(name: str) -> float | None:
    """FLOP/s of a GPU by the name that torch gives it."""
    words = name.split()
    found = (peak for part, peak in PEAKS.items() if part in name and part.split()[0] in _models(words))
    return next((peak * 1e12 for peak in found), None)


def _models(words: list[str]) -> set[str]:
    """The words, and those before a hyphen: `A100-SXM4-80GB` is an A100, and `A10` is not `A100`."""
    return {word.partition("-")[0] for word in words}
