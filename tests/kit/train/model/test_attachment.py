"""The preview of attaching a method: from the configuration, it finds the same as attaching to real weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from kit.base import NANO, find_base
from kit.errors import InputError
from kit.train.model.attachment import preview
from kit.train.model.methods import attach, load_base
from tests.kit.train.parts import section

CPU = torch.device("cpu")
QWEN3_4B = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 2560, "intermediate_size": 9728,
    "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
    "vocab_size": 151936, "tie_word_embeddings": True,
}  # fmt: skip


@pytest.fixture
def config_only(tmp_path: Path) -> Path:
    """A folder with only nano's configuration."""
    shutil.copy(NANO / "config.json", tmp_path)
    return tmp_path


CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "lora": ({}, True),
    "pissa": ({"lora": {"rank": 8, "initialisation": "pissa"}}, True),
    "dora": ({"lora": {"rank": 8, "dora": True}}, True),
    "full": ({"method": "full"}, True),
    "prompt": ({"method": "prompt"}, False),
    "bottleneck": ({"method": "bottleneck"}, False),
    "ia3": ({"method": "peft", "peft": {"type": "IA3"}}, True),
    "lily": ({"method": "peft", "peft": {"type": "LILY"}}, False),
    "mica": ({"lora": {"rank": 8, "initialisation": "mica"}}, True),
    "unilora": ({"method": "peft", "peft": {"type": "UNILORA"}}, True),
    "frod": ({"method": "peft", "peft": {"type": "FROD"}}, True),
}


@pytest.mark.parametrize("name", CASES)
def test_a_preview_without_weights_equals_attaching_to_the_real_model(name: str, config_only: Path) -> None:
    settings, mergeable = CASES[name]
    found = preview(config_only, section(**settings))
    real = attach(load_base(find_base("nano"), "float32", section(**settings), CPU), section(**settings), "nano")
    assert found.trainable == sum(value.numel() for value in real.parameters() if value.requires_grad)
    assert found.mergeable is mergeable


def test_the_modules_are_counted_by_name(config_only: Path) -> None:
    assert preview(config_only, section(lora={"rank": 8, "targets": ["q_proj", "down_proj"]})).targets == {
        "q_proj": 8,
        "down_proj": 8,
    }
    assert preview(config_only, section(method="bottleneck")).targets == {"o_proj": 8, "down_proj": 8}
    assert preview(config_only, section(method="prompt")).targets == {}


def test_a_base_of_four_billion_parameters_is_previewed_without_its_memory(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(QWEN3_4B))
    found = preview(tmp_path, section(lora={"rank": 16}))
    assert found.parameters == 4_022_468_096
    assert found.trainable == 33_030_144
    assert "252 modules" in found.sentence


@pytest.mark.parametrize(
    ("settings", "said", "advice"),
    [
        ({"lora": {"rank": 8, "targets": ["q_porj"]}}, "No linear module .* 'q_porj'", "Did you mean 'q_proj'?"),
        ({"method": "bottleneck", "bottleneck": {"targets": ["o_prj"]}}, "'o_prj'", "Did you mean 'o_proj'?"),
        ({"method": "peft", "peft": {"type": "IA4"}}, "has no method 'IA4'", "Did you mean 'IA3'?"),
        ({"method": "peft", "peft": {"type": "LORA"}}, "method of its own", "Write method: lora."),
        ({"method": "peft", "peft": {"type": "ADALORA"}}, "changes ranks between steps", "Choose another method."),
        ({"method": "peft", "peft": {"type": "P_TUNING"}}, "no engine here can serve", "Choose another method."),
        (
            {"method": "peft", "peft": {"type": "LOHA", "arguments": {"alfa": 8}}},
            "LOHA has no argument 'alfa'",
            "Did you mean 'alpha'?",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_advice(
    settings: dict[str, Any], said: str, advice: str, config_only: Path
) -> None:
    with pytest.raises(InputError, match=said) as error:
        preview(config_only, section(**settings))
    assert error.value.problems[0].next == advice


def test_an_argument_that_peft_refuses_is_reported_with_its_message(config_only: Path) -> None:
    with pytest.raises(InputError, match="C3A cannot be attached: The block size should be a factor"):
        preview(config_only, section(method="peft", peft={"type": "C3A", "arguments": {"block_size": 250}}))


def test_qlora_without_a_gpu_is_refused_with_a_sentence() -> None:
    from kit.train.model.methods.qlora import refuse_elsewhere

    with pytest.raises(InputError, match="qlora trains on an NVIDIA GPU only; this run would be on cpu"):
        refuse_elsewhere(CPU)


@pytest.mark.cuda
def test_qlora_trains_over_a_base_in_four_bits(tmp_path: Path) -> None:
    from kit.train.loop import train
    from tests.kit.train.parts import job

    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed: 4-bit training is unproved")
    tuned = train(job(tmp_path, train=section(method="qlora", epochs=3)), None, lambda _: None)
    base, *_, last = [made.validation_loss for made in tuned.history]
    assert base is not None
    assert last is not None
    assert last < base
