"""`kit promote`, `kit rollback` and `kit status` print where an alias points."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kit.bundle.store import Store
from tests.kit.cli.conftest import Run
from tests.serving.bundles import TASK, weightless_bundle

WHY = "A customer needs it today."


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for number in range(2):
        bundle = weightless_bundle(tmp_path / str(number), task=f"{TASK}\n# {number}\n")
        shutil.copytree(bundle.folder, root / "bundles" / "sha256" / bundle.digest)
    (root / "recipe.yaml").write_text("name: shelf\nbase: {model: nano}\ntasks: [{use: 'task.py:Counter'}]\n")
    return root


def test_the_commands_print_the_state_and_exit_4_if_a_gate_did_not_hold(project: Path, run: Run) -> None:
    digests = [bundle.digest for bundle in Store(project).list()]
    assert run("promote", digests[0], cwd=project).code == 4
    assert "no aliases yet" in run("status", cwd=project).out
    for digest in digests:
        assert run("promote", digest, "--override", WHY, cwd=project).code == 0
    assert digests[0][:12] in run("rollback", cwd=project).out
    shown = run("status", "--json", cwd=project).json["aliases"]
    assert [(each["alias"], each["bundle"], each["override"]) for each in shown] == [("production", digests[0], WHY)]
