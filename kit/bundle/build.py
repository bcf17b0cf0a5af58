"""Builds a bundle from a trained adapter: weights, tokenizer, task, seal, card, manifest. All of it or nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from kit.adapters.format import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from kit.base.soundness import refuse_unsound
from kit.bundle.card import write_card
from kit.bundle.fingerprint import LEAST_NOISE_FACTOR, shift, tolerance
from kit.bundle.manifest import canonical_json, write_manifest
from kit.bundle.merge import MergeParity, check_lora_adapter, check_weights, merge_adapter
from kit.bundle.plan import BuildPlan
from kit.bundle.rehearsal import rehearse
from kit.bundle.scoring import Weights, choose_fingerprints, measure_noise, score
from kit.bundle.seal import SEAL_FILE, Fingerprint, Noise, read_seal
from kit.bundle.sealing import make_seal
from kit.bundle.store import RECIPE_FILE, Bundle, Store
from kit.bundle.training_record import write_trained
from kit.chat import TOKENIZER_FILES, Renderer
from kit.errors import GateFailed, InputError
from kit.phases import Say, silent
from kit.task.copy import copy_task

__all__ = ["PARITY", "BuildPlan", "build_bundle"]

PARITY = "parity"
_END_FILES = ("config.json", "generation_config.json")
_MOST_ROWS = 32
_LONGEST_ROW = 512
_MERGE_ROWS = 8


def build_bundle(plan: BuildPlan, store: Store, say: Say = silent) -> Bundle:
    """Build, check, test and store a bundle; the same plan gives the same digest on one machine.

    `say` gets a sentence before each part that takes long. Raises GateFailed if the adapter is zero or not finite, if
    the merge loses it, if it is too close to its base to be distinguished, or if the bundle cannot be served. A failure
    or an interrupt leaves nothing behind.
    """
    _check_trained(plan)
    rows = _candidates(plan)
    with store.staging() as folder:
        folder = folder.absolute()
        tuned, parity = _write_weights(plan, rows, folder, say)
        _write_task(plan, folder)
        write_trained(folder, plan.record)
        fingerprints, noise = _fingerprints(plan, tuned, rows, say)
        say("Sealing the bundle: every file is hashed.")
        _write_seal(plan, folder, fingerprints, noise)
        staged = Bundle(write_manifest(folder), folder, read_seal(folder))
        say("Testing the bundle: load it, verify it and ask it, as serving does.")
        rehearse(staged, plan)
        bundle = store.publish(staged)
    if parity is not None:
        store.attest(bundle.digest, PARITY, parity.model_dump())
    return bundle


def _check_trained(plan: BuildPlan) -> None:
    """Refuse an adapter that must not be published, such as one that an engine would attach only in part."""
    section = plan.recipe.train
    if section.method in ("lora", "qlora") and not section.lora.dora:
        check_lora_adapter(plan.base, plan.adapter, section.lora.saved_rank)
    else:
        check_weights(plan.base, plan.adapter)


def _candidates(plan: BuildPlan) -> list[tuple[int, ...]]:
    """Return distinct rows, each cut at the front to a length that every engine can score: the answer is at the end."""
    longest = min(_LONGEST_ROW, plan.recipe.serve.max_length - 1)
    distinct = dict.fromkeys(row[-longest:] for row in plan.rows if len(row) > 1)
    if not distinct:
        raise InputError("There are no rows to take fingerprints from.", next="Give at least one validation example.")
    return list(distinct)[:_MOST_ROWS]


def _write_weights(
    plan: BuildPlan, rows: Sequence[tuple[int, ...]], folder: Path, say: Say
) -> tuple[Weights, MergeParity | None]:
    dtype = plan.recipe.base.dtype
    if plan.recipe.bundle.form == "merged":
        model = folder / "model"
        say("Merging the adapter, and reading the merged model in a new process.")
        parity = merge_adapter(plan.base, plan.adapter, dtype, rows[:_MERGE_ROWS], model)
        _copy(plan.base.folder, model, (*TOKENIZER_FILES, "generation_config.json"))
        refuse_unsound(model)
        return Weights(model, dtype), parity
    _copy(plan.base.folder, folder / "tokenizer", (*TOKENIZER_FILES, *_END_FILES))
    _write_adapter(plan, folder / "adapter")
    return Weights(plan.base.folder, dtype, folder / "adapter"), None


def _write_adapter(plan: BuildPlan, folder: Path) -> None:
    """Copy the adapter; its configuration in one order, without paths of the machine that trained it."""
    _copy(plan.adapter, folder, (ADAPTER_WEIGHTS,))
    config = json.loads((plan.adapter / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    if isinstance(config.get("target_modules"), list):
        config["target_modules"] = sorted(config["target_modules"])
    config.update(base_model_name_or_path=plan.base.name, revision=plan.base.revision, inference_mode=True)
    (folder / ADAPTER_CONFIG).write_bytes(canonical_json(config))


def _write_task(plan: BuildPlan, folder: Path) -> None:
    place = folder / "task"
    copy_task(plan.project, plan.recipe, place)
    (place / RECIPE_FILE).write_bytes(canonical_json(plan.recipe.model_dump(mode="json")))


def _fingerprints(
    plan: BuildPlan, tuned: Weights, rows: Sequence[tuple[int, ...]], say: Say
) -> tuple[list[Fingerprint], Noise]:
    """Choose fingerprints and measure their noise; refuse if they cannot distinguish the tuned model from its base."""
    say("Scoring the base and the tuned model, to choose fingerprints where they differ.")
    base = score(Weights(plan.base.folder, plan.recipe.base.dtype), rows)
    found = choose_fingerprints(rows, base, score(tuned, rows))
    say("Measuring the noise: computing the fingerprints with other batches, threads and number types.")
    noise = measure_noise(tuned, found)
    if not tolerance(noise, found) >= LEAST_NOISE_FACTOR * noise.mean:
        what = f"The largest change by training is {shift(found):.4f}, and the noise between engines"
        advice = "Train longer; a bundle too close to its base cannot be verified."
        raise GateFailed(f"{what} is {noise.mean:.4f}.", str(plan.adapter), advice)
    return found, noise


def _write_seal(plan: BuildPlan, folder: Path, fingerprints: Sequence[Fingerprint], noise: Noise) -> None:
    place = folder / ("model" if plan.recipe.bundle.form == "merged" else "tokenizer")
    renderer = Renderer(place, plan.recipe.base.template_args)
    seal = make_seal(plan, folder, renderer, fingerprints, noise)
    (folder / SEAL_FILE).write_bytes(canonical_json(seal.model_dump(mode="json")))
    card = write_card(seal, plan.recipe.summary, plan.trained)
    (folder / "README.md").write_text(card, encoding="utf-8")


def _copy(source: Path, folder: Path, names: Sequence[str]) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
