"""`kit runs`: lists each run with its state and result, also old runs that can no longer be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.cli.shared.output import WIDTH
from kit.errors import KitError
from kit.project.project import Project
from kit.project.runs import new_run
from tests.kit.cli.conftest import Run


def test_without_runs_the_next_step_is_told(toy: Path, run: Run) -> None:
    assert "kit train" in run("runs", cwd=toy).out
    assert run("runs", "--json", cwd=toy).json == {"runs": []}


def test_runs_are_listed_with_state_score_and_reason(toy: Path, run: Run) -> None:
    recipe = Project(toy).recipe()
    finished = new_run(toy, recipe, "0" * 64, profile="short")
    with finished.working():
        finished.finish({"score": 0.75, "step": 40, "bundle": "ab" * 32})
    broken = new_run(toy, recipe, "0" * 64, profile=None)
    with pytest.raises(KitError), broken.working():
        raise KitError("The loss is not finite.")

    listed = {each["run"]: each for each in run("runs", "--json", cwd=toy).json["runs"]}
    assert listed[finished.id]["state"] == "finished"
    assert (listed[finished.id]["score"], listed[finished.id]["step"]) == (0.75, 40)
    assert listed[broken.id]["state"] == "failed"
    assert listed[broken.id]["score"] is None

    shown = run("runs", cwd=toy / "data").out
    assert f"{broken.id}: The loss is not finite." in shown
    assert "0.750" in shown


def test_a_bundles_digest_is_never_cut_and_the_list_fits_a_terminal(toy: Path, run: Run) -> None:
    digest = "0123456789abcdef" * 4
    finished = new_run(toy, Project(toy).recipe(), "0" * 64, profile="short")
    with finished.working():
        finished.finish({"score": 0.75, "step": 40, "bundle": digest})
    broken = new_run(toy, Project(toy).recipe(), "0" * 64, profile=None)
    with pytest.raises(KitError), broken.working():
        raise KitError("The loss is not finite at this step, and so nothing can be learned. " * 3)
    shown = run("runs", cwd=toy).out
    assert f"{finished.id}: bundle {digest}\n" in shown
    assert max(map(len, shown.splitlines())) <= WIDTH
    assert finished.created[:19].replace("T", " ") in shown


def test_a_run_whose_recipe_this_kit_cannot_read_is_still_listed(toy: Path, run: Run) -> None:
    old = new_run(toy, Project(toy).recipe(), "0" * 64, profile=None)
    (old.folder / "recipe.json").write_text('{"name": "toy", "version": 99}')
    ran = run("runs", "--json", cwd=toy)
    assert ran.code == 0
    assert ran.json["runs"][0]["recipe"] is None


def test_a_damaged_run_is_listed_as_such_beside_the_others(toy: Path, run: Run) -> None:
    recipe = Project(toy).recipe()
    empty, torn, good = (new_run(toy, recipe, "0" * 64, profile=None) for _ in range(3))
    (empty.folder / "run.json").write_text("")
    for name in ("status.jsonl", "applied.json", "report.json", "recipe.json", "metrics.jsonl"):
        (torn.folder / name).write_text('{"state"')
    ran = run("runs", "--json", cwd=toy)
    assert ran.code == 0, ran.err
    states = {each["run"]: each["state"] for each in ran.json["runs"]}
    assert states == {empty.id: "damaged", torn.id: "damaged", good.id: "new"}
    assert f"{empty.id}: Damaged: run.json is not what the kit writes" in run("runs", cwd=toy).out
    explained = run("runs", "explain", "1", "--run", empty.id, cwd=toy)
    assert (explained.code, "Damaged: run.json" in explained.err) == (2, True)
    assert run("check", cwd=toy).code == 0
