"""Processes that share a study: none makes what another makes, and what a dead one was making is made again."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.errors import InputError
from kit.recipe import Recipe, load_recipe
from kit.search.study import Result, Study
from tests.kit.toy import make_toy

RANGES = {"train.learning_rate": {"low": 1e-4, "high": 5e-2, "log": True}}
TRIALS, WORKERS = 6, 2


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    project = make_toy(tmp_path / "toy")
    settings = yaml.safe_load((project / "recipe.yaml").read_text())
    settings["search"] = {"ranges": RANGES, "trials": TRIALS, "workers": WORKERS}
    (project / "recipe.yaml").write_text(yaml.safe_dump(settings))
    return load_recipe(project / "recipe.yaml")


def work(folder: Path, recipe: Recipe, worker: int, together: Barrier, told: Any) -> None:
    """Ask for a trial at the same moment as the other, until there is none."""
    study = Study(folder, recipe, maximise=False, worker=worker)
    with study.working():
        while True:
            together.wait(60)
            trial = study.next()
            if trial is None:
                return
            told.put((worker, trial.number, trial.params["train.learning_rate"]))
            study.finish(trial, Result(trial.params["train.learning_rate"], 1, None, None, ""))


def all_of(told: Any, count: int) -> Iterator[tuple[int, int, float]]:
    for _ in range(count):
        yield told.get(timeout=60)


def test_two_workers_make_half_of_the_trials_each_and_no_values_twice(recipe: Recipe, tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    together, told = fork.Barrier(WORKERS), fork.Queue()
    with Study(tmp_path / "study", recipe, maximise=False).leading():
        workers = [
            fork.Process(target=work, args=(tmp_path / "study", recipe, number, together, told))
            for number in range(WORKERS)
        ]
        for each in workers:
            each.start()
        made = sorted(all_of(told, TRIALS))
        for each in workers:
            each.join(60)
    assert [each.exitcode for each in workers] == [0] * WORKERS
    assert [worker for worker, _, _ in made] == [0] * 3 + [1] * 3
    assert sorted(number for _, number, _ in made) == list(range(TRIALS))
    assert len({rate for _, _, rate in made}) == TRIALS
    best = Study(tmp_path / "study", recipe, maximise=False).best
    assert best is not None
    assert best.value == min(rate for _, _, rate in made)


def test_what_a_dead_worker_was_making_is_made_again_with_the_same_values(recipe: Recipe, tmp_path: Path) -> None:
    dead = Study(tmp_path / "study", recipe, maximise=False)
    with dead.leading():
        left = dead.next()
    assert left is not None
    study = Study(tmp_path / "study", recipe, maximise=False)
    with study.leading():
        again = study.next()
    assert again is not None
    assert (again.number, again.params) == (left.number + 1, left.params)
    assert study.trials == []


def test_a_damaged_study_is_refused_by_its_file_and_another_one_is_as_it_was(recipe: Recipe, tmp_path: Path) -> None:
    Study(tmp_path / "good", recipe, maximise=False)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "study.db").write_bytes(b"cut off" * 1000)
    with pytest.raises(InputError, match=r"bad/study\.db: The study cannot be read: .*not a database"):
        Study(tmp_path / "bad", recipe, maximise=False)
    assert Study(tmp_path / "good", recipe, maximise=False).trials == []
