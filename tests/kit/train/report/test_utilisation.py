"""Model FLOP utilisation, as far as it can be tested without a GPU."""

from __future__ import annotations

import pytest
import torch

from kit.base import find_base
from kit.train.plan.plan import make_plan
from kit.train.report.meter import Meter
from kit.train.report.utilisation import Utilisation, peak_of, utilisation
from tests.kit.train.parts import copy_rows, section


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA H200", 989),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A10", 125),
        ("NVIDIA L4", 121),
        ("NVIDIA L40S", 362),
    ],
)
def test_a_gpu_is_found_by_its_name_in_torch(name: str, tflops: float) -> None:
    assert peak_of(name) == tflops * 1e12


@pytest.mark.parametrize("name", ["NVIDIA A1000", "NVIDIA L40", "Radeon", "NVIDIA GeForce RTX 4090"])
def test_a_gpu_that_is_not_listed_is_not_confused_with_another(name: str) -> None:
    assert peak_of(name) is None


def test_half_of_the_peak_is_a_utilisation_of_a_half() -> None:
    assert Utilisation(per_token=1e9, peak=1e12).of(500.0) == 0.5


def test_there_is_no_utilisation_on_a_cpu() -> None:
    plan = make_plan(copy_rows(8), section())
    assert utilisation(find_base("nano"), plan, torch.device("cpu")) is None


def test_rates_count_tokens_of_rows_supervised_tokens_and_computed_tokens() -> None:
    meter = Meter()
    assert meter.rates() == (0.0, 0.0, 0.0)
    meter.step(600, 30, 200)
    tokens, supervised, computed = meter.rates()
    assert tokens == pytest.approx(20 * supervised)
    assert tokens == pytest.approx(3 * computed)
