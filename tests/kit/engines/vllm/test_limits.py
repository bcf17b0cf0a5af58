"""The kit's table of vLLM's releases agrees with the installed vLLM."""

from __future__ import annotations

from typing import get_args

import pytest

from kit.engines.vllm.limits import installed_limits, limits_of
from kit.engines.vllm.releases import RELEASES, Release


@pytest.mark.vllm
def test_the_table_has_what_the_installed_vllm_says() -> None:
    from vllm.config.lora import MaxLoRARanks
    from vllm.model_executor.models import registry
    from vllm.model_executor.models.interfaces import supports_lora

    row = installed_limits().release
    assert row is not None, "kit/engines/vllm/releases.py has no row for this version"
    assert row.ranks == get_args(MaxLoRARanks)
    listed = {**registry._TEXT_GENERATION_MODELS, **registry._TRANSFORMERS_SUPPORTED_MODELS}
    assert row.adapters | row.merged_only == {name for name in listed if name.endswith("ForCausalLM")}
    adapts = {}
    for name in row.adapters | row.merged_only:
        try:
            adapts[name] = supports_lora(registry.ModelRegistry.models[name].load_model_cls())
        except ModuleNotFoundError as error:
            if error.name != "torchvision":  # some also read images, and need a package that text does not
                raise
    assert adapts == {name: name in row.adapters for name in adapts}
    assert len(adapts) > 100


@pytest.mark.parametrize("row", RELEASES.values(), ids=RELEASES)
def test_an_architecture_is_in_one_column_only(row: Release) -> None:
    assert row.adapters
    assert not row.adapters & row.merged_only


def test_a_build_has_the_limits_of_its_release_and_a_patch_has_none() -> None:
    assert limits_of("0.33.0+cu129").support("LlamaForCausalLM") == "adapters"
    assert limits_of("0.33.0").support("FalconForCausalLM") == "merged only"
    assert limits_of("0.33.0").support("NoSuchForCausalLM") == "none"
    assert limits_of("0.33.1").support("LlamaForCausalLM") == "unknown"
