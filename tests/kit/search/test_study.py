"""Processes that share a study: no trial runs twice, and the trial of a dead process is repeated."""

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


def work(folder: Path, recipe: Recipe, worker: int, together: Barrier, results: Any) -> None:
    """Start trials at the same moment as the other worker, until there are none left."""
    study = Study(folder, recipe, maximise=False, worker=worker)
    with study.working():
        while True:
            together.wait(60)
            trial = study.next()
            if trial is None:
                return
            results.put((worker, trial.number, trial.params["train.learning_rate"]))
            study.finish(trial, Result(trial.params["train.learning_rate"], 1, None, None, ""))


def take(results: Any, count: int) -> Iterator[tuple[int, int, float]]:
    for _ in range(count):
        yield results.get(timeout=60)


def test_two_workers_run_half_of_the_trials_each_and_never_the_same_values(recipe: Recipe, tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    together, results = fork.Barrier(WORKERS), fork.Queue()
    with Study(tmp_path / "study", recipe, maximise=False).leading():
        workers = [
            fork.Process(target=work, args=(tmp_path / "study", recipe, number, together, results))
            for number in range(WORKERS)
        ]
        for each in workers:
            each.start()
        made = sorted(take(results, TRIALS))
        for each in workers:
            each.join(60)
    assert [each.exitcode for each in workers] == [0] * WORKERS
    assert [worker for worker, _, _ in made] == [0] * 3 + [1] * 3
    assert sorted(number for _, number, _ in made) == list(range(TRIALS))
    assert len({rate for _, _, rate in made}) == TRIALS
    best = Study(tmp_path / "study", recipe, maximise=False).best
    assert best is not None
    assert best.value == min(rate for _, _, rate in made)


def test_the_trial_of_a_dead_worker_is_repeated_with_the_same_values(recipe: Recipe, tmp_path: Path) -> None:
    dead = Study(tmp_path / "study", recipe, maximise=False)
    with dead.leading():
        left = dead.next()
    assert left is not None
    study = Study(tmp_path / "study", recipe, maximise=False)
    with study.leading():
        repeated = study.next()
    assert repeated is not None
    assert (repeated.number, repeated.params) == (left.number + 1, left.params)
    assert study.trials == []


def test_a_damaged_study_is_refused_with_its_file_and_other_studies_still_open(recipe: Recipe, tmp_path: Path) -> None:
    Study(tmp_path / "good", recipe, maximise=False)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "study.db").write_bytes(b"cut off" * 1000)
    with pytest.raises(InputError, match=r"bad/study\.db: The study cannot be read: .*not a database"):
        Study(tmp_path / "bad", recipe, maximise=False)
    assert Study(tmp_path / "good", recipe, maximise=False).trials == []
