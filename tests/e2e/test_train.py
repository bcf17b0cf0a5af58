"""The command `kit train`: interrupt and resume, refuse wrong input, leave no partial files."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.commands import kit, kit_json
from tests.e2e.conftest import Trained

_PATIENCE_S = 300


@pytest.fixture
def project(trained: Trained, tmp_path: Path) -> Path:
    """A project without runs and bundles."""
    ignore = shutil.ignore_patterns("runs", "bundles", "attestations", "aliases")
    return Path(shutil.copytree(trained.root, tmp_path / "legal", ignore=ignore))


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_saves_a_checkpoint_and_resumes(project: Path, sent: signal.Signals, code: int) -> None:
    command = [sys.executable, "-m", "kit", "train", "--profile", "merged"]
    process = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    _wait_for_a_step(project)
    process.send_signal(sent)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code, output
    assert "--resume" in output
    assert not (project / "bundles").exists()
    assert [run["state"] for run in kit_json("runs", cwd=project)["runs"]] == ["interrupted"]

    bundle = kit_json("train", "--profile", "merged", "--resume", cwd=project)["bundle"]
    runs = kit_json("runs", cwd=project)["runs"]
    assert [(run["state"], run["bundle"]) for run in runs] == [("finished", bundle)]
    assert not list(project.glob(".staging*"))


def test_a_row_whose_answer_does_not_fit_is_refused_by_name(project: Path) -> None:
    error = _train_with_context(project, 128)
    assert "longest allowed is 128" in error["problems"][0]["what"]
    assert "train.jsonl:" in error["problems"][0]["where"]
    assert not (project / "runs").exists()


def _train_with_context(project: Path, tokens: int) -> dict[str, list[dict[str, str]]]:
    recipe = project / "recipe.yaml"
    recipe.write_text(
        recipe.read_text() + f"  narrow:\n    base: {{model: nano}}\n    train: {{max_length: {tokens}}}\n"
    )
    return dict(kit_json("train", "--profile", "narrow", cwd=project, code=2)["error"])


def test_a_dry_run_prints_the_plan_and_writes_nothing(project: Path) -> None:
    plan = kit_json("train", "--profile", "merged", "--dry-run", cwd=project)
    assert plan["rows"] >= 48
    assert plan["steps"] > 0
    assert not (project / "runs").exists()


def test_resume_without_a_run_is_wrong_input(project: Path) -> None:
    assert "No run was made" in kit("train", "--profile", "merged", "--resume", cwd=project, code=2).stderr


def _wait_for_a_step(project: Path) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        lines = [line for file in project.glob("runs/*/metrics.jsonl") for line in file.read_text().splitlines()]
        if any('"stepped"' in line for line in lines):
            return
        time.sleep(0.1)
    raise AssertionError(f"No step was made within {_PATIENCE_S} s.")
