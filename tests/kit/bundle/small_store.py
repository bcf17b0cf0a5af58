"""A store with small bundles in it: a manifest and a seal, no weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kit.bundle.manifest import canonical_json, write_manifest
from kit.bundle.seal import Digests, Noise, Seal, SealedAdapter, SealedBase
from kit.bundle.store import Bundle, Store
from kit.engines.answerer import SamplingDefaults


def small_seal(name: str) -> Seal:
    return Seal(
        name=name,
        form="merged",
        base=SealedBase(model="nano", revision=None, weights_digest="0", dtype="bfloat16"),
        adapter=SealedAdapter(rank=8, alpha=16, targets=["q_proj"]),
        tasks=[],
        tokenizer={},
        template_args={},
        stop_ids=[2],
        sampling=SamplingDefaults(),
        max_length=128,
        golden=[],
        fingerprints=[],
        noise=Noise(mean=0.01, largest=0.1),
        digests=Digests(weights="0", task="0", recipe="0", data="0"),
        licences={},
        intended_use="",
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def add(store: Store) -> Callable[[str], Bundle]:
    def added(name: str) -> Bundle:
        with store.staging() as folder:
            (folder / "seal.json").write_bytes(canonical_json(small_seal(name).model_dump(mode="json")))
            write_manifest(folder)
            return store.add(folder)

    return added


def files_in(store: Store) -> list[str]:
    return sorted(path.relative_to(store.root).as_posix() for path in store.root.rglob("*") if path.is_file())
