"""Aliases: promoted only if every gate held or a reason is recorded, moved back, and shown with what they point to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kit.bundle.store import Store
from kit.errors import InputError, Refused
from kit.workflows import list_aliases, promote, rollback
from tests.serving.bundles import TASK, weightless_bundle

WHY = "A customer needs it today."


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two bundles that were never measured."""
    root = tmp_path / "project"
    for number in range(2):
        bundle = weightless_bundle(tmp_path / str(number), task=f"{TASK}\n# {number}\n")
        shutil.copytree(bundle.folder, root / "bundles" / "sha256" / bundle.digest)
    (root / "recipe.yaml").write_text("name: shelf\nbase: {model: nano}\ntasks: [{use: 'task.py:Counter'}]\n")
    return root


@pytest.fixture
def digests(project: Path) -> list[str]:
    return [bundle.digest for bundle in Store(project).list()]


def test_a_bundle_without_gates_is_not_promoted_and_says_how_to_measure_it(project: Path, digests: list[str]) -> None:
    with pytest.raises(Refused, match="is a preview") as refused:
        promote(digests[0], project=project)
    assert refused.value.problems[0].next == f"Measure it with: kit eval {digests[0][:12]}"
    assert list_aliases(project=project) == ()


def test_a_reason_is_recorded_and_shown(project: Path, digests: list[str]) -> None:
    state = promote(digests[0], project=project, override=WHY)
    assert (state.alias, state.bundle, state.before, state.override) == ("production", digests[0], None, WHY)
    assert Store(project).get("production").digest == digests[0]
    assert list_aliases(project=project) == (state,)


def test_a_rollback_goes_to_the_bundle_before_and_forward_again(project: Path, digests: list[str]) -> None:
    first, second = digests
    promote(first, "canary", project=project, override=WHY)
    with pytest.raises(InputError, match="one bundle only"):
        rollback("canary", project=project)
    promote(second, "canary", project=project, override="Faster.")
    back = rollback("canary", project=project)
    assert (back.bundle, back.before, back.override) == (first, second, WHY)
    assert rollback("canary", project=project).bundle == second


def test_a_changed_bundle_is_never_promoted(project: Path, digests: list[str]) -> None:
    with (project / "bundles" / "sha256" / digests[0] / "task" / "task.py").open("a") as stream:
        stream.write("# changed\n")
    with pytest.raises(Refused, match="changed"):
        promote(digests[0], project=project, override=WHY)


def test_an_unknown_alias_is_answered_with_the_nearest(project: Path, digests: list[str]) -> None:
    promote(digests[0], project=project, override=WHY)
    with pytest.raises(InputError, match=r"no alias 'prodction'.*production"):
        rollback("prodction", project=project)
