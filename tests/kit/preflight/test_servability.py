"""Where a method can be served is decided before it is trained, with the reason; so is what is likely to go wrong."""

from __future__ import annotations

from typing import Any

import pytest

from kit.base import NANO
from kit.engines.vllm.limits import VllmLimits, limits_of
from kit.engines.vllm.releases import Release
from kit.errors import InputError
from kit.preflight.ranges import check_ranges, safe_rates
from kit.preflight.servability import check_servability, refuse_unservable, servability
from kit.recipe import Recipe, TrainSection

LIMITS = VllmLimits("0.32.0", Release((1, 8, 16, 32, 64, 128), frozenset({"A"}), frozenset({"B"})))
UNLISTED = limits_of("0.32.1")
PEFT = {"method": "peft", "peft": {"type": "LOHA"}}


def train(**settings: Any) -> TrainSection:
    return TrainSection.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "mergeable", "decision", "reason"),
    [
        ({}, None, "adapter", ""),
        ({"lora": {"rslora": True, "initialisation": "pissa"}}, None, "adapter", ""),
        ({"method": "qlora"}, None, "adapter", ""),
        ({"lora": {"dora": True}}, None, "merged only", "vLLM 0.32.0 does not support DoRA adapters."),
        ({"lora": {"rank": 256}}, None, "merged only", "ranks up to 128; the saved adapter has 256"),
        ({"lora": {"rank": 128, "initialisation": "olora"}}, None, "merged only", "the saved adapter has 256"),
        ({"method": "full"}, None, "merged only", "there is no adapter"),
        ({"method": "prompt"}, None, "local only", "cannot be merged"),
        ({"method": "bottleneck"}, None, "local only", "cannot be merged"),
        (PEFT, True, "merged only", "does not support LOHA adapters"),
        (PEFT, False, "local only", "it cannot be merged"),
        (PEFT, None, "unmeasured", "whether it can be merged was not tried"),
    ],
)
def test_each_method_is_decided_with_its_reason(
    settings: dict[str, Any], mergeable: bool | None, decision: str, reason: str
) -> None:
    found = servability(train(**settings), LIMITS, mergeable=mergeable)
    assert found.decision == decision
    assert reason in found.reason


@pytest.mark.parametrize(
    ("architecture", "decision", "reason"),
    [
        ("A", "adapter", ""),
        ("B", "merged only", "vLLM 0.32.0 does not support adapters on B."),
        ("C", "local only", "vLLM 0.32.0 does not know C."),
    ],
)
def test_each_architecture_is_decided_with_its_reason(architecture: str, decision: str, reason: str) -> None:
    found = servability(train(), LIMITS, architecture)
    assert (found.decision, found.reason) == (decision, reason)


@pytest.mark.parametrize(
    ("settings", "decision"),
    [({}, "unmeasured"), ({"method": "full"}, "unmeasured"), ({"method": "prompt"}, "local only")],
)
def test_what_a_vllm_outside_the_table_serves_is_unmeasured(settings: dict[str, Any], decision: str) -> None:
    assert servability(train(**settings), UNLISTED, "LlamaForCausalLM").decision == decision


@pytest.mark.parametrize(
    ("serve", "evaluate", "state"),
    [("auto", "vllm", "unmeasured"), ("vllm", "local", "unmeasured"), ("local", "local", "held")],
)
def test_a_check_never_holds_on_a_guess_about_vllm(
    serve: str, evaluate: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.preflight.servability.installed_limits", lambda: UNLISTED)
    check = check_servability(recipe(serve={"engine": serve}, eval={"engine": evaluate}), NANO)
    assert check.state == state
    said = "vLLM 0.32.1 is not in the kit's table of releases"
    assert (said in check.what) == (state == "unmeasured")


def recipe(form: str = "merged", **parts: Any) -> Recipe:
    return Recipe.model_validate(
        {"name": "r", "base": {"model": "nano"}, "tasks": [{"use": "task.py:T"}], "bundle": {"form": form}, **parts}
    )


@pytest.mark.parametrize(
    ("asked", "said", "advice"),
    [
        (
            recipe("adapter", train={"lora": {"dora": True}}),
            "does not support DoRA adapters",
            "Set bundle.form: merged.",
        ),
        (recipe("adapter", train={"method": "full"}), "there is no adapter", "Set bundle.form: merged."),
        (recipe("merged", train={"method": "prompt"}), "cannot be merged", "Set bundle.form: adapter."),
        (
            recipe("adapter", train={"method": "bottleneck"}, serve={"engine": "vllm"}),
            "serve.engine: vLLM cannot serve it",
            "Set serve.engine: local.",
        ),
    ],
)
def test_a_bundle_that_could_not_be_served_is_refused_before_training(asked: Recipe, said: str, advice: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        refuse_unservable(asked, NANO, None)
    assert error.value.problems[0].next == advice
    assert check_servability(asked, NANO).state == "failed"


def test_what_only_the_local_engine_serves_is_said_before_training() -> None:
    shown = refuse_unservable(recipe("adapter", train={"method": "bottleneck"}), NANO, None)
    assert "bottleneck: serves as an adapter on local only." in shown
    assert "Bottleneck layers cannot be merged" in shown


# --- learning rate and epochs -------------------------------------------------------------------------------------


def outcomes(**settings: Any) -> dict[str, tuple[str, str]]:
    checks = check_ranges(recipe(train=settings), NANO)
    assert not any(check.blocking for check in checks)
    return {check.name: (check.state, check.what) for check in checks}


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        ({"learning_rate": 5e-3}, "held"),
        ({"learning_rate": 2e-4}, "held"),
        ({"learning_rate": 2e-2}, "failed"),
        ({"learning_rate": 1e-6}, "failed"),
        ({"method": "full", "learning_rate": 5e-3}, "failed"),
        ({"method": "full", "learning_rate": 3e-4}, "held"),
        ({"method": "prompt", "learning_rate": 3e-2}, "held"),
        ({**PEFT, "learning_rate": 1e-3}, "unmeasured"),
    ],
)
def test_a_learning_rate_is_judged_by_the_bases_width_and_the_method(settings: dict[str, Any], state: str) -> None:
    assert outcomes(**settings)["train.learning_rate"][0] == state


def test_rates_of_the_literature_are_inside_for_the_widths_that_they_were_used_on() -> None:
    used = [(4096, 2e-4), (5120, 2e-4), (6656, 1e-4), (8192, 1e-4), (12288, 2e-4), (2560, 2e-4)]
    for hidden, rate in used:
        least, most, _ = safe_rates(train(), hidden) or (1.0, 0.0, "")
        assert least <= rate <= most
    least, most, _ = safe_rates(train(method="full"), 4096) or (1.0, 0.0, "")
    assert least <= 2e-5 <= most < 2e-4


def test_too_many_epochs_are_told_with_the_reason() -> None:
    state, what = outcomes(epochs=20)["train.epochs"]
    assert (state, "more than the recommended 10: a small base memorises rows slowly" in what) == ("failed", True)
    assert outcomes(epochs=3)["train.epochs"][0] == "held"
    assert outcomes(method="prompt", epochs=20, learning_rate=3e-2)["train.epochs"][0] == "held"
