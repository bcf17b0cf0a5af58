"""Where vLLM does not come up, the sentence says what to do."""

from __future__ import annotations

from kit.engines.vllm_environment import advice_on


def test_a_package_for_another_torch_is_named_with_the_command_that_removes_it() -> None:
    advice = advice_on(RuntimeError("operator torchvision::nms does not exist"))
    assert "pip uninstall torchvision torchaudio torchcodec" in advice


def test_what_is_not_known_points_at_vllms_own_words() -> None:
    assert "VLLM_LOGGING_LEVEL=INFO" in advice_on(RuntimeError("Engine core initialization failed."))
