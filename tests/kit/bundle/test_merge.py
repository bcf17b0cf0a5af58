"""Merging: the files equal the adapter on its base, and unsafe adapters are not published."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from kit.base import find_base
from kit.bundle.merge import MergeParity, check_lora_adapter, check_parity, merge_adapter
from kit.bundle.seal import Noise
from kit.errors import GateFailed, InputError
from tests.kit.bundle.parts import TUNED, rewrite_tensors, rows_of

NANO = find_base("nano")
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def damaged(adapter: Path, tmp_path: Path) -> Callable[[Callable[[str, torch.Tensor], torch.Tensor]], Path]:
    def make(change: Callable[[str, torch.Tensor], torch.Tensor]) -> Path:
        folder = tmp_path / "damaged"
        shutil.copytree(adapter, folder)
        rewrite_tensors(folder / WEIGHTS, change)
        return folder

    return make


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_the_merged_files_are_the_adapter_on_its_base(adapter: Path, tmp_path: Path, dtype: str) -> None:
    parity = merge_adapter(NANO, adapter, dtype, [row.ids for row in rows_of(TUNED)[:4]], tmp_path / "model")
    stored = load_file(tmp_path / "model" / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {getattr(torch, dtype)}
    assert "lm_head.weight" not in stored
    assert parity.stored.mean < (0.02 if dtype == "bfloat16" else 1e-4)
    assert parity.shift.mean > 1


def test_a_sound_adapter_may_be_published(adapter: Path) -> None:
    check_lora_adapter(NANO, adapter, 8)


@pytest.mark.parametrize("zeroed", ["lora_B", "lora_A", "lora_"])
def test_an_adapter_that_changes_nothing_is_refused(
    damaged: Callable[[Callable[[str, torch.Tensor], torch.Tensor]], Path], zeroed: str
) -> None:
    folder = damaged(lambda name, tensor: tensor * 0 if zeroed in name else tensor)
    with pytest.raises(GateFailed, match="all zero: training changed nothing"):
        check_lora_adapter(NANO, folder, 8)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_one_value_that_is_not_a_number_is_refused_by_name(
    damaged: Callable[[Callable[[str, torch.Tensor], torch.Tensor]], Path], value: float
) -> None:
    def set_one_value(name: str, tensor: torch.Tensor) -> torch.Tensor:
        if "layers.2.mlp.up_proj.lora_B" in name:
            tensor[3, 1] = value
        return tensor

    with pytest.raises(GateFailed, match=r"not numbers, first in .*layers\.2\.mlp\.up_proj\.lora_B"):
        check_lora_adapter(NANO, damaged(set_one_value), 8)


def test_an_adapter_on_a_tied_head_is_refused(adapter: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tied"
    shutil.copytree(adapter, folder)
    tensors = load_file(folder / WEIGHTS)
    tensors["base_model.model.lm_head.lora_A.weight"] = torch.ones(8, 256)
    tensors["base_model.model.lm_head.lora_B.weight"] = torch.ones(8192, 8)
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(InputError, match=r"changes base_model\.model\.lm_head.* ties its output head"):
        check_lora_adapter(NANO, folder, 8)


def test_an_adapter_that_an_engine_would_attach_only_in_part_is_refused(adapter: Path, tmp_path: Path) -> None:
    folder = tmp_path / "renamed"
    shutil.copytree(adapter, folder)
    tensors = {
        name.replace("layers.7.mlp", "layers.9.mlp"): tensor for name, tensor in load_file(folder / WEIGHTS).items()
    }
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(InputError, match="lacks 3 of its 56 modules"):
        check_lora_adapter(NANO, folder, 8)


def test_a_folder_without_an_adapter_is_not_merged(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"adapter_config\.json is missing"):
        check_lora_adapter(NANO, tmp_path, 8)
    shutil.copy(adapter / "adapter_config.json", tmp_path)
    with pytest.raises(InputError, match="weights cannot be read"):
        check_lora_adapter(NANO, tmp_path, 8)


def parity(stored: float, largest: float, rounding: float, shift: float) -> MergeParity:
    return MergeParity(
        stored=Noise(mean=stored, largest=largest),
        rounding=Noise(mean=rounding, largest=rounding * 10),
        shift=Noise(mean=shift, largest=shift),
    )


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        (parity(0.010, 0.1, 0.010, 2.0), None),
        (parity(0.00005, 0.001, 0.0, 2.0), None),
        (parity(0.030, 0.1, 0.010, 2.0), "not the adapter on its base: mean gap 0.0300, .* explains 0.0100"),
        (parity(0.010, 0.9, 0.010, 2.0), "not the adapter on its base"),
        (parity(float("nan"), 0.1, 0.010, 2.0), "not the adapter on its base"),
        (parity(0.010, 0.1, 0.010, 0.015), "Rounding undoes the training"),
    ],
)
def test_a_merge_is_refused_when_rounding_does_not_explain_it_or_undoes_it(
    figures: MergeParity, reason: str | None, tmp_path: Path
) -> None:
    if reason is None:
        check_parity(figures, tmp_path)
    else:
        with pytest.raises(GateFailed, match=reason):
            check_parity(figures, tmp_path)
