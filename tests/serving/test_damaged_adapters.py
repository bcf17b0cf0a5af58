"""An adapter that is damaged, strange or gone is refused with the reason; the one that answers goes on undisturbed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from kit.adapters.format import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from kit.base import NANO, find_base
from kit.bundle.build import BuildPlan, build_bundle
from kit.bundle.manifest import MANIFEST_FILE, canonical_json, manifest_digest
from kit.bundle.store import Bundle, Store
from kit.engines.base import EngineConfig
from kit.engines.local import LocalEngine
from serving.app import create_app
from serving.models.aliases import Followed
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.kit.bundle.parts import (
    DIALOGUES,
    TASK,
    TUNED,
    copy_of,
    make_recipe,
    manifest_again,
    rows_of,
    seal_again,
    seal_weights_again,
    train_adapter,
)
from tests.serving.http import Service, eventually, running


@dataclass(frozen=True)
class Keeper:
    """A running service on the local engine that follows `production`, its store, and the bundle that it serves."""

    service: Service
    store: Store
    sound: Bundle

    def readiness(self) -> dict[str, Any]:
        answer = self.service.http.get("/readyz")
        assert answer.status_code == 200
        return dict(answer.json())

    def answers_as_before(self) -> None:
        asked = self.service.http.post("/v1/keeper", json={"thing": "anchor"})
        assert (asked.status_code, asked.headers["x-domainkit-bundle"]) == (200, self.sound.digest)
        assert "boat house" in asked.json()["words"]


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    place = tmp_path_factory.mktemp("keeper")
    (place / "task.py").write_text(TASK)
    adapter = train_adapter(TUNED, place / "adapter", steps=40)
    rows = tuple(row.ids for row in rows_of(TUNED))
    plan = BuildPlan(make_recipe("adapter"), find_base("nano"), adapter, place, rows, DIALOGUES, "d" * 64, {})
    store = Store(place / "project")
    sound = build_bundle(plan, store)
    store.alias("production", sound.digest)
    engine = LocalEngine(EngineConfig(NANO, adapters={sound.digest: sound.adapter_folder}, threads=1))
    followed = Followed(store.root, ("production",), "production")
    with running(create_app(Settings(), engine, [Deployed(sound, "preview")], followed=followed)) as service:
        yield Keeper(service, store, sound)


# --- ways to damage ------------------------------------------------------------------------------------------------


def _cut(bundle: Bundle) -> Bundle:
    weights = bundle.adapter_folder / ADAPTER_WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1000])
    return seal_weights_again(bundle)


def _of_high_rank(bundle: Bundle) -> Bundle:
    weights = bundle.adapter_folder / ADAPTER_WEIGHTS
    wide = {
        name: torch.cat([value] * 16, dim=0 if "lora_A" in name else 1).contiguous()
        for name, value in load_file(weights).items()
    }
    save_file(wide, weights, {"format": "pt"})
    config = bundle.adapter_folder / ADAPTER_CONFIG
    config.write_text(json.dumps({**json.loads(config.read_text()), "r": 128}))
    return seal_weights_again(bundle)


def _pickled(bundle: Bundle) -> Bundle:
    weights = bundle.adapter_folder / ADAPTER_WEIGHTS
    torch.save(load_file(weights), bundle.adapter_folder / "adapter_model.bin")
    weights.unlink()
    return seal_weights_again(bundle)


def _zeroed(bundle: Bundle) -> Bundle:
    weights = bundle.adapter_folder / ADAPTER_WEIGHTS
    save_file({name: torch.zeros_like(value) for name, value in load_file(weights).items()}, weights, {"format": "pt"})
    return seal_weights_again(bundle)


def _of_another_base(bundle: Bundle) -> Bundle:
    return seal_again(bundle, base={**bundle.seal.base.model_dump(), "weights_digest": "0" * 64})


def _linked(bundle: Bundle) -> Bundle:
    weights = bundle.adapter_folder / ADAPTER_WEIGHTS
    elsewhere = bundle.folder.parent / "elsewhere.safetensors"
    shutil.move(weights, elsewhere)
    weights.symlink_to(elsewhere)
    return bundle


def _linked_and_listed(bundle: Bundle) -> Bundle:
    return manifest_again(_linked(bundle))


def _outside(bundle: Bundle) -> Bundle:
    """The manifest and the seal name weights outside of the bundle's folder."""
    weights = bundle.adapter_folder / ADAPTER_WEIGHTS
    shutil.move(weights, bundle.folder.parent / "elsewhere.safetensors")
    manifest = bundle.folder / MANIFEST_FILE
    entries = json.loads(manifest.read_text())
    for entry in entries:
        if entry["path"].endswith(ADAPTER_WEIGHTS):
            entry["path"] = "../elsewhere.safetensors"
    manifest.write_bytes(canonical_json(entries))
    return bundle


def _half_gone(bundle: Bundle) -> Bundle:
    (bundle.adapter_folder / ADAPTER_WEIGHTS).unlink()
    return bundle


DAMAGES: list[tuple[Callable[[Bundle], Bundle], str]] = [
    (_cut, "adapter_model.safetensors: These weights cannot be read: the file has been cut or has grown"),
    (_of_high_rank, "its rank 128 is above the engine's"),
    (_pickled, "adapter_model.safetensors: These weights cannot be read: "),
    (_zeroed, "The engine answers as the base model does: the adapter is zero, ignored or absent"),
    (_of_another_base, "The adapters were trained on different base models"),
    (_linked, "adapter_model.safetensors: This is a link; a bundle holds its own files"),
    (_linked_and_listed, "adapter_model.safetensors: This is a link; a bundle holds its own files"),
    (_outside, "elsewhere.safetensors: This file is in the manifest, but it is missing"),
    (_half_gone, "adapter_model.safetensors: This file is in the manifest, but it is missing"),
]


@pytest.mark.parametrize(("damage", "says"), DAMAGES, ids=lambda value: getattr(value, "__name__", ""))
def test_an_alias_does_not_move_to_a_damaged_adapter(
    keeper: Keeper, tmp_path: Path, damage: Callable[[Bundle], Bundle], says: str
) -> None:
    damaged = stored(keeper.store, damage(copy_of(keeper.sound, tmp_path)))
    keeper.store.alias("production", damaged.digest)
    try:
        eventually(lambda: "production" in keeper.readiness()["alias_problems"], "the move is refused")
        assert says in keeper.readiness()["alias_problems"]["production"]
        assert keeper.readiness()["aliases"] == {"production": keeper.sound.digest}
        keeper.answers_as_before()
    finally:
        keeper.store.alias("production", keeper.sound.digest)
        shutil.rmtree(damaged.folder)
        eventually(lambda: not keeper.readiness()["alias_problems"], "the alias is back")


def stored(store: Store, bundle: Bundle) -> Bundle:
    """Put a folder into the store as an attacker or a broken copy would: nothing is verified."""
    manifest = bundle.folder / MANIFEST_FILE
    if manifest_digest(bundle.folder) == store.list()[0].digest:  # the damage left the manifest: it needs another name
        manifest.write_text(manifest.read_text() + "\n")
    digest = manifest_digest(bundle.folder)
    place = store.root / "bundles" / "sha256" / digest
    shutil.copytree(bundle.folder, place, symlinks=True)
    return store.get(digest)


def test_an_alias_does_not_move_to_a_bundle_that_is_gone(keeper: Keeper, tmp_path: Path) -> None:
    gone = stored(keeper.store, manifest_again(seal_again(copy_of(keeper.sound, tmp_path), intended_use="Nothing.")))
    keeper.store.alias("production", gone.digest)
    shutil.rmtree(gone.folder)
    eventually(lambda: "production" in keeper.readiness()["alias_problems"], "the move is refused")
    keeper.answers_as_before()
    keeper.store.alias("production", keeper.sound.digest)
    eventually(lambda: not keeper.readiness()["alias_problems"], "the alias is back")


def test_an_adapter_whose_files_vanish_while_it_answers_goes_on_answering(keeper: Keeper, tmp_path: Path) -> None:
    kept = shutil.move(keeper.sound.folder, tmp_path / "kept")
    try:
        keeper.answers_as_before()
        assert keeper.readiness()["status"] == "ready"
    finally:
        shutil.move(kept, keeper.sound.folder)


@pytest.mark.parametrize(
    ("damage", "says"),
    [each for each in DAMAGES if each[0] is not _of_another_base],  # that is compared when the base is found
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_start_with_a_damaged_adapter_is_refused(
    keeper: Keeper, tmp_path: Path, damage: Callable[[Bundle], Bundle], says: str
) -> None:
    damaged = damage(copy_of(keeper.sound, tmp_path))
    engine = LocalEngine(EngineConfig(NANO, adapters={damaged.digest: damaged.adapter_folder}, threads=1))
    reasons: list[str] = []
    with running(
        create_app(Settings(), engine, [Deployed(damaged, "preview")], reasons.append), ready=False
    ) as service:
        eventually(lambda: bool(reasons), "a refusal")
        assert says in reasons[0]
        assert service.http.post("/v1/keeper", json={"thing": "anchor"}).status_code == 503
