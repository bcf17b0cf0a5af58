"""Model FLOP utilisation: the share of a GPU's peak that the model needs (Chowdhery et al. 2022, appendix B)."""

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
"""TFLOP/s in bfloat16, without sparsity, from NVIDIA's data sheets, by a part of torch's name for the GPU."""


@dataclass(frozen=True)
class Utilisation:
    """Floating-point operations per computed token, and the GPU's peak per second."""

    per_token: float
    peak: float

    def of(self, computed_per_second: float) -> float:
        """Return the share of the peak that is used, from 0 to 1."""
        return computed_per_second * self.per_token / self.peak


def utilisation(base: Base, plan: StepPlan, device: torch.device) -> Utilisation | None:
    """Return the utilisation of a plan; None on a CPU, on a GPU without a known peak, and for unusual bases.

    By definition, activations that the backward pass recomputes do not count.
    """
    peak = peak_of(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    flops = plan_flops(base, plan)
    return None if flops is None or peak is None else Utilisation(flops / plan.computed, peak)


def plan_flops(base: Base, plan: StepPlan) -> float | None:
    """Return the floating-point operations of all steps; None for a base that the formula does not cover."""
    shape = read_shape(base.folder)
    if shape is None:
        return None
    length = plan.tokens / sum(len(step.rows) for step in plan.steps)
    return training_flops(shape, plan.computed, plan.supervised, length, plan.section.method != "full")


def peak_of(name: str) -> float | None:
    """Return the peak FLOP/s of a GPU by torch's name for it; None if it is not listed."""
    words = name.split()
    found = (peak for part, peak in PEAKS.items() if part in name and part.split()[0] in _models(words))
    return next((peak * 1e12 for peak in found), None)


def _models(words: list[str]) -> set[str]:
    """Return the words, cut at a hyphen: `A100-SXM4-80GB` is an A100, and `A10` is not `A100`."""
    return {word.partition("-")[0] for word in words}
