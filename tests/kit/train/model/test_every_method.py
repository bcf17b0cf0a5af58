"""Every method: it learns, loads from disk in a new process, resumes after a stop, and serves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kit.base import NANO, find_base
from kit.bundle.build import build_bundle
from kit.bundle.plan import BuildPlan
from kit.bundle.store import Bundle, Store
from kit.bundle.verify import verify_fingerprints, verify_renders
from kit.engines import make_engine
from kit.engines.base import EngineConfig
from kit.errors import Exit, InputError
from kit.recipe import TrainSection
from kit.train.events import Event, Stepped
from kit.train.job import RunBroke, Stopped, Trained
from kit.train.loop import train
from kit.train.report.applied import read_facts
from kit.train.state.saved import weights_file
from tests.kit.bundle.parts import TASK, TUNED, make_recipe, rows_of
from tests.kit.engines.parts import ask
from tests.kit.train.parts import job, section
from tests.kit.train.tiny import make_tiny

ROOT = Path(__file__).parents[4]
LORA = {"rank": 8}
METHODS: dict[str, dict[str, Any]] = {
    "lora": {"lora": LORA},
    "dora": {"lora": {**LORA, "dora": True}},
    "pissa": {"lora": {**LORA, "initialisation": "pissa_niter_4", "rslora": True, "alpha": 16}},
    "full": {"method": "full", "learning_rate": 5e-4},
    "prompt": {"method": "prompt", "prompt": {"tokens": 8}, "learning_rate": 3e-2},
    "bottleneck": {"method": "bottleneck", "bottleneck": {"width": 16}},
    "ia3": {"method": "peft", "peft": {"type": "IA3"}, "learning_rate": 2e-2},
    "loha": {"method": "peft", "peft": {"type": "loha", "arguments": {"r": 4, "alpha": 8}}},
}
PROBE = tuple(range(100, 130))


def settings(name: str, **changes: Any) -> TrainSection:
    common = {"learning_rate": 5e-3, "epochs": 2, "batch_rows": 8, "evaluations": 1}
    return section(**{**common, **METHODS[name], **changes})


@dataclass(frozen=True)
class Tuned:
    """A finished run, and the logits of its model, computed before the model was freed."""

    trained: Trained
    logits: Tensor
    folder: Path


def logits_of(model: Any) -> Tensor:
    with torch.no_grad():
        ids = torch.tensor([PROBE], device=next(model.parameters()).device)
        return torch.as_tensor(model.get_base_model()(input_ids=ids).logits[0].cpu().clone())


def silent(_: Event) -> None:
    """Report nothing."""


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tuned]:
    """All methods on nano, in float32, on the rows that the bundles' task is trained on."""
    from kit.data.rows import Row

    rows = [Row(f"r{at}", f"g{at}", each.ids, each.answer_start, 1.0) for at, each in enumerate(rows_of(TUNED))]
    found = {}
    for name in METHODS:
        seen: list[Tensor] = []

        def look(model: Any, seen: list[Tensor] = seen) -> dict[str, float]:
            seen.append(logits_of(model))
            return {}

        folder = tmp_path_factory.mktemp(name)
        asked = job(folder, rows, settings(name, epochs=8, batch_rows=10), validation=rows[:4], dtype="float32")
        found[name] = Tuned(train(asked, look, silent), seen[-1], folder)
    return found


@pytest.fixture(scope="module")
def read_again(tuned: dict[str, Tuned], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """Return the logits that a new process computes from the files alone."""
    answer = tmp_path_factory.mktemp("again") / "logits.pt"
    folders = json.dumps({name: str(each.trained.adapter) for name, each in tuned.items()})
    command = [sys.executable, "-m", "tests.kit.train.reader", folders, json.dumps(PROBE), str(answer)]
    subprocess.run(command, cwd=ROOT, check=True)
    return dict(torch.load(answer))


@pytest.mark.parametrize("name", METHODS)
def test_it_learns(name: str, tuned: dict[str, Tuned]) -> None:
    base, *_, last = [made.validation_loss for made in tuned[name].trained.history]
    assert base is not None
    assert last is not None
    assert last < 0.9 * base


@pytest.mark.parametrize("name", METHODS)
def test_a_fresh_process_reads_the_same_model(
    name: str, tuned: dict[str, Tuned], read_again: dict[str, Tensor]
) -> None:
    torch.testing.assert_close(read_again[name], tuned[name].logits, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_what_was_asked_is_what_was_applied(name: str, tuned: dict[str, Tuned]) -> None:
    facts = read_facts(tuned[name].folder)
    assert facts is not None
    assert {fact.name for fact in facts} >= {"loss mask", "accumulation", "optimiser", "dtype", "seed", "base weights"}
    assert [fact for fact in facts if fact.outcome != "held"] == []


def test_an_adapter_that_changed_its_base_is_saved_as_a_plain_one_of_twice_the_rank(tuned: dict[str, Tuned]) -> None:
    config = json.loads((tuned["pissa"].trained.adapter / "adapter_config.json").read_text())
    assert (config["r"], config["init_lora_weights"], config["use_rslora"]) == (16, True, False)
    assert config["lora_alpha"] / config["r"] == pytest.approx(16 / 8**0.5)


# --- going on -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


def stop_at(step: int) -> Callable[[Event], None]:
    def report(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    return report


@pytest.mark.parametrize("name", METHODS)
def test_a_stopped_run_resumes_to_the_same_bits(name: str, tiny: Any, tmp_path: Path) -> None:
    common: dict[str, Any] = {"train": settings(name, epochs=1, batch_rows=4), "base": tiny}
    whole = train(job(tmp_path / "whole", **common), None, silent)
    stopped = job(tmp_path / "stopped", **common)
    with pytest.raises(Stopped) as ended:
        train(stopped, None, stop_at(2))
    assert ended.value.code == Exit.INTERRUPTED
    resumed = train(replace(stopped, resume=True), None, silent)
    files = [
        (weights_file(run.adapter).read_bytes(), (run.adapter.parent / "state.pt").read_bytes())
        for run in (whole, resumed)
    ]
    assert files[0] == files[1]


@pytest.mark.parametrize("name", ["full", "prompt", "ia3"])
def test_training_that_changes_nothing_publishes_nothing(name: str, tiny: Any, tmp_path: Path) -> None:
    still = settings(name, learning_rate=1e-60, epochs=0.2)
    with pytest.raises(RunBroke, match="training changed nothing"):
        train(job(tmp_path, train=still, base=tiny), None, silent)


def test_vectors_are_not_decayed_and_matrices_are(tiny: Any, tmp_path: Path) -> None:
    asked = job(tmp_path, train=settings("full", weight_decay=0.1, epochs=0.2), base=tiny)
    train(asked, None, silent)
    facts = read_facts(tmp_path)
    assert facts is not None
    (found,) = [fact for fact in facts if fact.name == "optimiser"]
    assert "decay 0.1 on matrices only" in found.applied


# --- serving ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundle_of(tuned: dict[str, Tuned], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Bundle]:
    project, store, made = tmp_path_factory.mktemp("project"), Store(tmp_path_factory.mktemp("store")), {}
    (project / "task.py").write_text(TASK)

    def build(name: str, form: str) -> Bundle:
        if (name, form) not in made:
            recipe = make_recipe(form, dtype="float32").model_copy(update={"train": settings(name)})
            rows = [row.ids for row in rows_of(TUNED)]
            adapter = tuned[name].trained.adapter
            plan = BuildPlan(recipe, find_base("nano"), adapter, project, rows, (), "d" * 64, {})
            made[name, form] = build_bundle(plan, store)
        return made[name, form]

    return build


def served(bundle: Bundle, kind: Any) -> None:
    """Start an engine on a bundle as `kit serve` does, and compare its answers with the seal."""
    from kit.workflows.steps.engines import adapter_name, engine_config, engine_kind, running

    async def hold() -> None:
        engine = make_engine(engine_kind([bundle], kind), engine_config([bundle], Path()))
        async with running(engine):
            await verify_fingerprints(bundle.seal, engine, adapter_name(bundle))

    verify_renders(bundle, bundle.renderer())
    asyncio.run(hold())


SERVED = [
    ("pissa", "adapter"),
    ("dora", "merged"),
    ("full", "merged"),
    ("prompt", "adapter"),
    ("bottleneck", "adapter"),
    ("ia3", "merged"),
    ("loha", "adapter"),
]


@pytest.mark.parametrize(("name", "form"), SERVED)
def test_its_bundle_is_served_by_the_local_engine(
    name: str, form: str, bundle_of: Callable[[str, str], Bundle]
) -> None:
    bundle = bundle_of(name, form)
    served(bundle, "local")
    assert bundle.seal.adapter.sentence in (bundle.folder / "README.md").read_text()


@pytest.mark.vllm
def test_vllm_serves_an_adapter_that_changed_its_base(
    bundle_of: Callable[[str, str], Bundle],
) -> None:
    served(bundle_of("pissa", "adapter"), "vllm")


@pytest.mark.parametrize("name", ["prompt", "bottleneck", "loha"])
def test_what_vllm_cannot_serve_goes_to_the_local_engine_or_is_refused(
    name: str, bundle_of: Callable[[str, str], Bundle]
) -> None:
    from kit.workflows.steps.engines import engine_kind

    bundle = bundle_of(name, "adapter")
    assert engine_kind([bundle], "auto") == "local"
    with pytest.raises(InputError, match="the local engine does"):
        engine_kind([bundle], "vllm")


@pytest.mark.parametrize("name", ["prompt", "bottleneck"])
def test_an_adapter_that_cannot_be_merged_is_not_merged(name: str, bundle_of: Callable[[str, str], Bundle]) -> None:
    with pytest.raises(InputError, match="cannot be merged"):
        bundle_of(name, "merged")


def test_hooked_adapters_answer_side_by_side_and_do_not_change_the_base(tuned: dict[str, Tuned]) -> None:
    names = ("prompt", "bottleneck", "lora")
    config = EngineConfig(
        NANO, "float32", 256, {name: tuned[name].trained.adapter for name in names}, max_rank=8, threads=1
    )
    questions = ["Where is the kettle?", "Where is the ladder, and where would the second one have been put?"]

    async def answers() -> tuple[list[Any], list[tuple[float, ...]]]:
        from kit.workflows.steps.engines import running

        async with running(make_engine("local", config)) as engine:
            asked = [ask(text, max_tokens=8, adapter=name) for name in (*names, None) for text in questions]
            written = await asyncio.gather(*[engine.generate(each) for each in asked])
            rows = [(*each.ids, *done.token_ids) for each, done in zip(asked, written, strict=True)]
            scores = [
                (await engine.score(row, each.adapter))[len(each.ids) - 1 :]
                for row, each in zip(rows, asked, strict=True)
            ]
            return written, scores

    written, scores = asyncio.run(answers())
    for done, score in zip(written, scores, strict=True):  # decoding with a cache and one pass over it all agree
        assert done.logprobs == pytest.approx(score, abs=2e-3)
    assert len({done.logprobs for done in written[::2]}) == len(names) + 1
