"""An adapter that would be attached in part, or not at all, is refused before an engine loads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from kit.adapters.format import check_adapter
from kit.base import NANO
from kit.errors import InputError

Weights = dict[str, Any]
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def copy(adapter: Path, folder: Path, change: Callable[[Weights], Weights] = dict, **settings: Any) -> Path:
    """Copy an adapter with other weights or settings."""
    folder.mkdir()
    save_file(change(load_file(adapter / WEIGHTS)), folder / WEIGHTS)
    config = json.loads((adapter / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, **settings}))
    return folder


def renamed(old: str, new: str) -> Callable[[Weights], Weights]:
    return lambda weights: {key.replace(old, new): value for key, value in weights.items()}


def test_a_sound_adapter_passes(adapter: Path, tmp_path: Path) -> None:
    check_adapter("sound", adapter, NANO, max_rank=8)
    check_adapter(
        "a wrapper's prefix",
        copy(adapter, tmp_path / "wrapped", renamed("model.model.layers", "model.model.language_model.layers")),
        NANO,
        max_rank=8,
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (renamed("layers", "blocks"), "fits no module of this model"),
        (renamed("layers.7.", "layers.70."), "lacks 7 of its 56 modules"),
        (renamed("lora_A", "lora_Z"), "is not an adapter matrix"),
        (
            lambda weights: {key: value for key, value in weights.items() if "0.mlp.up_proj.lora_B" not in key},
            "another size",
        ),
        (lambda weights: {key: value[..., :-1].contiguous() for key, value in weights.items()}, "another size"),
        (lambda weights: {}, "fits no module of this model"),
        (renamed("model.layers.0.self_attn.q_proj", "lm_head"), "outside the layers"),
    ],
)
def test_weights_that_do_not_fit_the_model_are_refused(
    adapter: Path, tmp_path: Path, change: Callable[[Weights], Weights], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        check_adapter("odd", copy(adapter, tmp_path / "odd", change), NANO, max_rank=8)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"peft_type": "IA3"}, "IA3, not LORA"),
        ({"r": 64}, "its rank 64 is above the engine's 8"),
        ({"rank_pattern": {"q_proj": 32}}, "its rank 32 is above"),
        ({"modules_to_save": ["lm_head"]}, "replaces whole modules"),
        ({"bias": "all"}, "trains biases"),
        ({"use_dora": True}, "DoRA"),
    ],
)
def test_kinds_of_adapter_that_an_engine_would_refuse_later_are_refused(
    adapter: Path, tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        check_adapter("odd", copy(adapter, tmp_path / "odd", **settings), NANO, max_rank=8)


def test_all_faults_are_reported_at_once(adapter: Path, tmp_path: Path) -> None:
    odd = copy(adapter, tmp_path / "odd", renamed("layers", "blocks"), bias="all", use_dora=True)
    with pytest.raises(InputError) as refusal:
        check_adapter("odd", odd, NANO, max_rank=8)
    assert len(refusal.value.problems) == 3


@pytest.mark.parametrize("keep", [0, 5, 4000, -1])
def test_a_file_that_was_cut_is_refused(adapter: Path, tmp_path: Path, keep: int) -> None:
    cut = copy(adapter, tmp_path / "cut")
    (cut / WEIGHTS).write_bytes((cut / WEIGHTS).read_bytes()[:keep])
    with pytest.raises(InputError, match=rf"{WEIGHTS}: .*(not a safetensors file|cannot be read|longer|shorter)"):
        check_adapter("cut", cut, NANO, max_rank=8)


def test_a_folder_without_an_adapter_is_refused(tmp_path: Path, adapter: Path) -> None:
    with pytest.raises(InputError, match="configuration cannot be read"):
        check_adapter("none", tmp_path, NANO, max_rank=8)
    half = copy(adapter, tmp_path / "half")
    (half / WEIGHTS).unlink()
    with pytest.raises(InputError, match="weights cannot be read"):
        check_adapter("half", half, NANO, max_rank=8)
