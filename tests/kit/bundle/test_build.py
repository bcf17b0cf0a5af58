"""Building: the whole bundle or nothing, and the same bundle from the same plan."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.base import NANO, find_base
from kit.bundle.build import PARITY, BuildPlan, build_bundle
from kit.bundle.golden import dialogues_of
from kit.bundle.store import Store
from kit.chat import Renderer
from kit.errors import GateFailed, InputError
from kit.system.files import file_digest
from kit.task import Message
from tests.kit.bundle.conftest import Built
from tests.kit.bundle.parts import TASK, THINGS, make_recipe, rewrite_tensors

Plans = Callable[..., BuildPlan]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def left_in(store: Store) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file() or path.name.startswith(".")]


@pytest.mark.parametrize("form", ["merged", "adapter"])
def test_the_same_plan_gives_the_same_digest_in_another_store(
    built: Built, plans: Plans, store: Store, form: str
) -> None:
    assert build_bundle(plans(form), store).digest == getattr(built, form).digest


def test_a_bundle_holds_all_that_serving_needs(built: Built) -> None:
    def files(folder: Path) -> set[str]:
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    tokenizer = {
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
    }
    common = {"README.md", "manifest.json", "seal.json", "task/task.py", "task/recipe.json"}
    assert files(built.merged.folder) == common | {f"model/{name}" for name in {*tokenizer, "model.safetensors"}}
    assert files(built.adapter.folder) == common | {f"tokenizer/{name}" for name in tokenizer} | {
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
    }


def test_task_and_recipe_are_read_from_the_bundle(built: Built) -> None:
    (task,) = built.merged.tasks()
    assert (task.name, task.route) == ("keeper", "/v1/keeper")
    assert task.prompts(task.request_type(thing="kettle"))[0].messages[0].text == "Where is the kettle?"
    assert built.merged.recipe == make_recipe("merged")
    (sealed,) = built.merged.seal.tasks
    assert (sealed.use, len(sealed.schema_digest)) == ("task.py:Keeper", 64)
    assert sealed == built.adapter.seal.tasks[0]


def test_the_seal_names_the_base_and_the_method(built: Built) -> None:
    seal = built.adapter.seal
    assert seal.base.model_dump() == {
        "model": "nano",
        "revision": None,
        "weights_digest": find_base("nano").weights_digest(),
        "dtype": "bfloat16",
    }
    assert (seal.adapter.rank, seal.adapter.alpha, len(seal.adapter.targets)) == (8, 16, 7)
    assert seal.stop_ids == list(Renderer(NANO).stop_ids)
    assert seal.digests.recipe == file_digest(built.adapter.task_folder / "recipe.json")
    assert (len(seal.fingerprints), len(seal.fingerprints[0].positions)) == (8, 8)
    assert 0 < seal.noise.mean <= seal.noise.largest


def test_text_that_spells_special_tokens_is_sealed_without_any(built: Built) -> None:
    golden = next(item for item in built.merged.seal.golden if "Say" in item.turns[-1].text)
    assert golden.generation
    assert "<|im_start|>system twice" in golden.text
    start = next(special.id for special in Renderer(NANO).specials if special.text == "<|im_start|>")
    assert golden.ids.count(start) == 2


def test_a_finished_dialogue_is_sealed_as_finished(built: Built) -> None:
    golden = next(item for item in built.merged.seal.golden if item.turns[-1].role == "assistant")
    assert not golden.generation
    assert golden.text.rstrip().endswith("Good day<|im_end|>")


def test_about_eight_dialogues_are_chosen_and_some_spell_special_tokens() -> None:
    prompts = [[Message.of("user", f"Where is the {thing}?")] for thing in THINGS]
    chosen = dialogues_of(prompts, Renderer(NANO))
    assert len(chosen) == 8
    assert prompts[0] in chosen
    assert any("<|im_end|>" in message.text for dialogue in chosen for message in dialogue)
    assert len(dialogues_of([], Renderer(NANO))) >= 4


def test_a_published_adapter_has_no_path_of_the_training_machine(built: Built) -> None:
    config = json.loads((built.adapter.adapter_folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "nano"
    assert config["target_modules"] == sorted(config["target_modules"])
    for bundle in (built.merged, built.adapter):
        text = "".join(
            path.read_text("utf-8", "replace") for path in bundle.folder.rglob("*.*") if path.suffix != ".safetensors"
        )
        assert str(NANO.parent) not in text


def test_the_card_has_what_a_user_must_know(built: Built) -> None:
    card = (built.merged.folder / "README.md").read_text()
    for words in (
        "A tuned language model writes these answers.",
        "Finding things.",
        f"| base weights (SHA-256) | {find_base('nano').weights_digest()} |",
        f"| training data (SHA-256) | {'d' * 64} |",
        "LoRA, rank 8",
        "| steps | 20 |",
        "| nano | Apache-2.0 |",
        "kit serve",
    ):
        assert words in card


def test_the_figures_of_the_merge_are_attested(built: Built) -> None:
    (found,) = built.store.attestations(built.merged.digest)
    assert (found.kind, found.fault) == (PARITY, "")
    assert found.payload["stored"]["mean"] < found.payload["shift"]["mean"] / 100
    assert built.store.attestations(built.adapter.digest) == []


# --- what must not be published ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["merged", "adapter"])
def test_a_zero_adapter_publishes_nothing(plans: Plans, adapter: Path, store: Store, tmp_path: Path, form: str) -> None:
    zero = shutil.copytree(adapter, tmp_path / "zero")
    rewrite_tensors(zero / "adapter_model.safetensors", lambda _, tensor: tensor * 0)
    with pytest.raises(GateFailed, match="all zero"):
        build_bundle(plans(form, adapter=zero), store)
    assert left_in(store) == []


def test_an_adapter_too_close_to_its_base_is_not_published(
    plans: Plans, adapter: Path, store: Store, tmp_path: Path
) -> None:
    weak = shutil.copytree(adapter, tmp_path / "weak")
    rewrite_tensors(weak / "adapter_model.safetensors", lambda _, tensor: tensor * 0.01)
    with pytest.raises(GateFailed, match=r"The largest change by training is 0\.0"):
        build_bundle(plans("adapter", adapter=weak), store)
    assert left_in(store) == []


def test_no_rows_means_no_fingerprints_and_no_bundle(plans: Plans, store: Store) -> None:
    with pytest.raises(InputError, match="no rows to take fingerprints from"):
        build_bundle(plans(rows=((7,),)), store)
    assert left_in(store) == []


def test_a_task_that_must_not_be_published_leaves_no_partial_bundle(plans: Plans, store: Store, tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text("import torch\n" + TASK)
    with pytest.raises(InputError, match="may not import 'torch'"):
        build_bundle(plans("adapter", project=tmp_path), store)
    assert left_in(store) == []


def test_an_interrupt_leaves_no_partial_bundle(plans: Plans, store: Store) -> None:
    def interrupt_when_weights_appear() -> None:
        for _ in range(6000):
            if any(store.root.rglob(".staging-*/*")):
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.01)

    watcher = threading.Thread(target=interrupt_when_weights_appear)
    watcher.start()
    with pytest.raises(KeyboardInterrupt):
        build_bundle(plans("merged"), store)
    watcher.join()
    assert left_in(store) == []


def test_long_rows_are_cut_to_what_every_engine_can_score(plans: Plans, store: Store) -> None:
    plan = plans("adapter")
    recipe = plan.recipe.model_copy(update={"serve": plan.recipe.serve.model_copy(update={"max_length": 64})})
    long = tuple(row * 4 for row in plan.rows)
    seal = build_bundle(plans("adapter", recipe=recipe, rows=long), store).seal
    assert {len(item.ids) for item in seal.fingerprints} == {63}
    assert all(tuple(item.ids) in {row[-63:] for row in long} for item in seal.fingerprints)
