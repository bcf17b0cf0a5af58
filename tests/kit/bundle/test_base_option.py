"""`kit eval` and `kit serve` with a base that is not the bundle's, or was moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kit.base import NANO
from kit.bundle.store import Bundle
from tests.kit.bundle.conftest import Built
from tests.kit.bundle.parts import THINGS, rewrite_tensors
from tests.kit.cli.conftest import run_kit

NOT_THE_BASE = "These are not the base weights that the bundle was trained on."


@pytest.fixture
def place(built: Built, tmp_path: Path) -> Path:
    """A project with both bundles in its store, and another base in `other`."""
    root = Path(shutil.copytree(built.store.root, tmp_path / "project"))
    (root / "recipe.yaml").write_text("")
    rows = [
        {"id": thing, "group": thing, "request": {"thing": thing}, "response": {"words": thing}} for thing in THINGS
    ]
    (root / "data").mkdir()
    (root / "data" / "test.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    other = Path(shutil.copytree(NANO, root / "other"))
    rewrite_tensors(sorted(other.glob("*.safetensors"))[0], lambda name, tensor: tensor * 2)
    return root


@pytest.mark.parametrize(("command", "form"), [("eval", "merged"), ("eval", "adapter"), ("serve", "adapter")])
def test_another_base_is_refused_by_a_sentence(built: Built, place: Path, command: str, form: str) -> None:
    bundle: Bundle = getattr(built, form)
    ran = run_kit(command, bundle.digest, "--base", "other", "--engine", "local", cwd=place)
    assert ran.code == 4, ran.err
    assert f"{place / 'other'}: {NOT_THE_BASE} The bundle needs nano" in ran.err


def test_the_bundles_own_weights_are_no_base_to_compare_with(built: Built, place: Path) -> None:
    ran = run_kit("eval", built.merged.digest, "--base", built.merged.model_folder, cwd=place)
    assert (ran.code, NOT_THE_BASE in ran.err) == (4, True)


def test_a_moved_base_is_measured_at_the_given_path(built: Built, place: Path) -> None:
    moved = shutil.copytree(NANO, place / "moved")
    words = ("--base", moved, "--engine", "local", "--limit", "2", "--json")
    ran = run_kit("eval", built.adapter.digest, *words, cwd=place)
    assert ran.code in (0, 3, 4), ran.err
    assert ran.json["bundle"] == built.adapter.digest
