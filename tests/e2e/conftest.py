"""A legal project with two small bundles, trained once for all end-to-end tests."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from kit.system.locks import wait_for_lock
from tests.e2e.commands import kit, kit_json


@dataclass(frozen=True)
class Trained:
    """A project with the digests of its merged and adapter bundles."""

    root: Path
    merged: str
    adapter: str


def with_profiles(project: Path, **profiles: object) -> None:
    """Add profiles to a project's recipe."""
    path = project / "recipe.yaml"
    recipe = yaml.safe_load(path.read_text())
    recipe["profiles"].update(profiles)
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trained once for all test processes: the others wait for the first, and then read what it left."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    root, done = shared / "e2e" / "legal", shared / "e2e" / "bundles.json"
    root.parent.mkdir(exist_ok=True)
    with wait_for_lock(root.parent):
        if not done.is_file():
            done.write_text(json.dumps(_train(root)))
    return Trained(root, *json.loads(done.read_text()))


def _train(root: Path) -> list[str]:
    kit("new", "legal", str(root), cwd=root.parent)
    smoke = yaml.safe_load((root / "recipe.yaml").read_text())["profiles"]["smoke"]
    small = {
        **smoke,
        "data": {**smoke.get("data", {}), "limit_train": 48, "limit_validation": 8},
        "train": {**smoke["train"], "epochs": 1, "evaluations": 1},
        "eval": {**smoke.get("eval", {}), "limit": 12},
    }
    with_profiles(
        root, merged={**small, "bundle": {"form": "merged"}}, adapter={**small, "bundle": {"form": "adapter"}}
    )
    return [str(kit_json("train", "--profile", form, cwd=root)["bundle"]) for form in ("merged", "adapter")]
