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


def test_a_trial_is_begun_shown_and_ended(project: Path, run: Run) -> None:
    first, second = [bundle.digest for bundle in Store(project).list()]
    beside = ("promote", second, "--override", WHY)
    assert run(*beside, "--share", "10", cwd=project).code == 2  # there is no bundle to try it beside
    run("promote", first, "--override", WHY, cwd=project)
    assert f"On trial: {second[:12]} answers 10 % of the clients" in run(*beside, "--share", "10", cwd=project).out
    assert "copies that no client sees" in run(*beside, "--shadow", cwd=project).out
    (shown,) = run("status", "--json", cwd=project).json["aliases"]
    assert (shown["bundle"], shown["trial"], shown["percent"]) == (first, second, 0.0)
    ended = run("rollback", "--json", cwd=project).json
    assert (ended["bundle"], ended["trial"]) == (first, None)


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--share", "100"), 2, "is not in the range 0<x<100"),
        (("--share", "0"), 2, "is not in the range 0<x<100"),
        (("--share", "5", "--shadow"), 2, "a share or copies, not both"),
        (("--share", "5"), 4, "is a preview"),
    ],
)
def test_a_trial_that_means_nothing_or_is_no_model_that_was_measured_is_refused(
    project: Path, run: Run, options: tuple[str, ...], code: int, says: str
) -> None:
    first, second = [bundle.digest for bundle in Store(project).list()]
    run("promote", first, "--override", WHY, cwd=project)
    done = run("promote", second, *options, cwd=project)
    assert done.code == code
    assert says in done.err
    (shown,) = run("status", "--json", cwd=project).json["aliases"]
    assert shown["trial"] is None


def test_the_bundle_on_trial_is_no_other_than_that_of_the_alias(project: Path, run: Run) -> None:
    first, _ = [bundle.digest for bundle in Store(project).list()]
    run("promote", first, "--override", WHY, cwd=project)
    done = run("promote", first, "--override", WHY, "--shadow", cwd=project)
    assert (done.code, "already" in done.err) == (2, True)


def test_every_move_is_in_the_audit_log_and_one_that_cannot_be_recorded_is_not_made(project: Path, run: Run) -> None:
    first, second = [bundle.digest for bundle in Store(project).list()]
    run("promote", first, "--override", WHY, cwd=project)
    run("promote", second, "--override", WHY, "--share", "10", cwd=project)
    run("rollback", cwd=project)
    entries = run("audit", "show", "--json", cwd=project).json["entries"]
    assert [(each["event"], each["bundle"]) for each in entries] == [
        ("promote", first),
        ("try", second),
        ("rollback", first),
    ]
    assert entries[0]["override"] == WHY
    assert run("audit", "verify", cwd=project).code == 0
    state = project / ".kit" / "service"
    shutil.rmtree(state)
    state.write_text("no folder")
    failed = run("promote", second, "--override", WHY, cwd=project)
    assert failed.code == 1
    assert "What cannot be recorded is not done." in failed.err
    assert [move.digest for move in Store(project).history("production")][-1] == first
