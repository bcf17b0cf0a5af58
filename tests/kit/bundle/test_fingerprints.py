"""The engine must answer as the tuned model does: the right model passes, any other is refused with the cause."""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from kit.base import NANO, find_base
from kit.bundle.fingerprint import shift, tolerance
from kit.bundle.seal import Fingerprint, Noise
from kit.bundle.store import Bundle
from kit.bundle.verify import verify_files, verify_fingerprints, verify_renders
from kit.engines.base import EngineConfig
from kit.errors import InputError, Refused
from tests.kit.bundle.conftest import Built
from tests.kit.bundle.parts import ask_local, check_on, copy_of, rewrite_tensors, seal_weights_again

AS_BASE = "answers as the base model does: the adapter is zero, ignored or absent"
AS_NEITHER = "answers as neither the tuned nor the base model"


def copied(folder: Path, place: Path) -> Path:
    shutil.copytree(folder, place)
    return place


# --- unmodified bundles ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_unmodified_bundles_of_both_forms_start(built: Built, dtype: str, threads: int) -> None:
    merged = ask_local(built.merged.seal, built.merged.model_folder, dtype=dtype, threads=threads)
    adapter = ask_local(built.adapter.seal, NANO, built.adapter.adapter_folder, dtype=dtype, threads=threads)
    for check in (merged, adapter):
        assert check.distance_to_tuned < check.tolerance / 4
        assert check.distance_to_base > 10 * check.tolerance


@pytest.mark.vllm
@pytest.mark.parametrize("form", ["merged", "adapter"])
def test_an_unmodified_bundle_starts_on_vllm(built: Built, form: str) -> None:
    pytest.importorskip("vllm")
    from kit.engines.vllm.engine import VllmEngine

    bundle: Bundle = getattr(built, form)
    adapters = {} if form == "merged" else {"tuned": bundle.adapter_folder}
    model = bundle.model_folder if form == "merged" else NANO
    engine = VllmEngine(EngineConfig(model, max_length=256, adapters=adapters, max_rank=8))
    check = asyncio.run(check_on(engine, bundle.seal, "tuned" if adapters else None))
    assert check.distance_to_tuned < check.tolerance / 2


# --- what is not the tuned model --------------------------------------------------------------------------------


def test_an_ignored_adapter_is_refused(built: Built) -> None:
    with pytest.raises(Refused, match=AS_BASE):
        ask_local(built.adapter.seal, NANO)


def test_a_zeroed_adapter_is_refused_even_when_its_files_were_sealed_again(built: Built, tmp_path: Path) -> None:
    bundle = copy_of(built.adapter, tmp_path)
    rewrite_tensors(bundle.adapter_folder / "adapter_model.safetensors", lambda _, tensor: tensor * 0)
    careless = seal_weights_again(bundle)
    verify_files(careless)
    with pytest.raises(Refused, match=AS_BASE):
        ask_local(careless.seal, NANO, careless.adapter_folder)


def test_a_neighbours_adapter_is_refused_even_when_its_files_were_sealed_again(
    built: Built, neighbour: Path, tmp_path: Path
) -> None:
    bundle = copy_of(built.adapter, tmp_path)
    shutil.copy(neighbour / "adapter_model.safetensors", bundle.adapter_folder)
    with pytest.raises(Refused, match="This file has changed"):
        verify_files(bundle)
    careless = seal_weights_again(bundle)
    verify_files(careless)
    with pytest.raises(Refused, match=AS_NEITHER):
        ask_local(careless.seal, NANO, careless.adapter_folder)


def test_half_an_adapter_is_refused(built: Built, tmp_path: Path) -> None:
    half = copied(built.adapter.adapter_folder, tmp_path / "half")
    rewrite_tensors(half / "adapter_model.safetensors", lambda name, tensor: tensor * (0 if "mlp" in name else 1))
    with pytest.raises(Refused, match=AS_NEITHER):
        ask_local(built.adapter.seal, NANO, half)


def test_a_merged_bundle_that_holds_the_base_is_refused_even_when_sealed_again(built: Built, tmp_path: Path) -> None:
    bundle = copy_of(built.merged, tmp_path)
    (bundle.model_folder / "model.safetensors").unlink()
    for file in NANO.glob("model*"):
        shutil.copy(file, bundle.model_folder)
    careless = seal_weights_again(bundle)
    verify_files(careless)
    verify_renders(careless, careless.renderer())
    with pytest.raises(Refused, match=AS_BASE):
        ask_local(careless.seal, careless.model_folder)


def test_an_adapter_on_other_base_weights_is_refused(built: Built, tmp_path: Path) -> None:
    other = copied(NANO, tmp_path / "other")
    for file in find_base(str(other)).weight_files():
        rewrite_tensors(file, lambda name, tensor: tensor * (1.2 if "layers.3" in name else 1))
    with pytest.raises(Refused, match=AS_NEITHER):
        ask_local(built.adapter.seal, other, built.adapter.adapter_folder)


def test_weights_that_are_not_numbers_are_refused_before_they_are_loaded(built: Built, tmp_path: Path) -> None:
    broken = copied(built.merged.model_folder, tmp_path / "broken")
    rewrite_tensors(broken / "model.safetensors", lambda name, tensor: tensor * (math.nan if "norm" in name else 1))
    with pytest.raises(InputError, match="values that are infinite or not a number"):
        ask_local(built.merged.seal, broken)


def test_answers_that_are_not_numbers_are_refused(built: Built) -> None:
    with pytest.raises(Refused, match="not numbers: its weights are damaged"):
        asyncio.run(verify_fingerprints(built.merged.seal, Answers(math.nan), None))  # type: ignore[arg-type]


def test_the_engine_itself_refuses_a_missing_adapter(built: Built, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="adapter"):
        ask_local(built.adapter.seal, NANO, tmp_path / "nowhere")


def test_a_seal_without_fingerprints_is_refused(built: Built) -> None:
    with pytest.raises(Refused, match="has no fingerprints"):
        ask_local(built.merged.seal.model_copy(update={"fingerprints": []}), built.merged.model_folder)


# --- the tolerance -----------------------------------------------------------------------------------------


def sealed(base: float, tuned: float) -> list[Fingerprint]:
    return [Fingerprint(ids=[1, 2, 3], positions=[1, 2], base=[base, base], tuned=[tuned, tuned])]


class Answers:
    """An engine that gives every token one log-probability."""

    def __init__(self, logprob: float) -> None:
        self.logprob = logprob

    async def score(self, ids: Sequence[int], adapter: str | None = None) -> tuple[float, ...]:
        return (self.logprob,) * (len(ids) - 1)


def test_the_tolerance_is_many_times_the_noise_but_stays_far_from_the_base() -> None:
    assert tolerance(Noise(mean=0.002, largest=0.1), sealed(-6, 0)) == pytest.approx(0.05)
    assert tolerance(Noise(mean=0.05, largest=0.4), sealed(-6, 0)) == pytest.approx(0.4)
    assert tolerance(Noise(mean=0.05, largest=0.4), sealed(-0.6, 0)) == pytest.approx(0.2)
    assert shift(sealed(-6, -1)) == pytest.approx(5)


@pytest.mark.parametrize(("logprob", "passes"), [(-1.0, True), (-1.049, True), (-0.951, True), (-1.051, False)])
def test_the_seal_sets_the_limit(built: Built, logprob: float, passes: bool) -> None:
    noise = Noise(mean=0.005, largest=0.1)
    seal = built.merged.seal.model_copy(update={"fingerprints": sealed(-7, -1), "noise": noise})
    if passes:
        check = asyncio.run(verify_fingerprints(seal, Answers(logprob), None))  # type: ignore[arg-type]
        assert check.distance_to_tuned == pytest.approx(abs(logprob + 1))
    else:
        with pytest.raises(Refused, match=r"Mean gap to the tuned model 0\.051, to the base 5\.949; allowed 0\.050"):
            asyncio.run(verify_fingerprints(seal, Answers(logprob), None))  # type: ignore[arg-type]
