"""A legal project with two small bundles, trained once for all end-to-end tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

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
    root = tmp_path_factory.mktemp("e2e") / "legal"
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
    bundles = [kit_json("train", "--profile", form, cwd=root)["bundle"] for form in ("merged", "adapter")]
    return Trained(root, *bundles)
