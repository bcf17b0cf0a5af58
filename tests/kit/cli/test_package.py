"""`kit package` prints the two commands; a dry run writes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.kit.cli.conftest import Run
from tests.serving.bundles import weightless_bundle


@pytest.fixture
def project(tmp_path: Path) -> Path:
    bundle = weightless_bundle(tmp_path / "made")
    root = tmp_path / "project"
    shutil.copytree(bundle.folder, root / "bundles" / "sha256" / bundle.digest)
    (root / "recipe.yaml").write_text("name: shelf\nbase: {model: nano}\ntasks: [{use: 'task.py:Counter'}]\n")
    return root


def test_the_commands_that_build_and_run_are_printed(project: Path, run: Run) -> None:
    digest = next((project / "bundles" / "sha256").iterdir()).name
    words = ("package", digest, "--expose-preview")
    dry = run(*words, "--dry-run", "--json", cwd=project)
    place = project / f"counter-{digest[:12]}"
    assert (dry.code, dry.json["path"], dry.json["written"]) == (0, str(place), False)
    assert not place.exists()
    done = run(*words, cwd=project)
    assert done.code == 0, done.err
    assert f"Wrote {place} for the bundle {digest[:12]}. Status: preview" in done.out
    assert f"  docker build --target cpu --tag counter:{digest[:12]} {place}\n" in done.out
    assert "  docker run --rm --init --read-only" in done.out
    again = run(*words, cwd=project)
    assert (again.code, "not overwritten" in again.err) == (2, True)


def test_a_preview_is_refused(project: Path, run: Run) -> None:
    digest = next((project / "bundles" / "sha256").iterdir()).name
    refused = run("package", digest, cwd=project)
    assert refused.code == 4
    assert "is a preview" in refused.err
