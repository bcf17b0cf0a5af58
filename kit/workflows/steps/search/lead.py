"""The steps of `search`: one process leads, workers run trials, and the best trial is compared with the default."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kit.engines.answerer import Answerer
from kit.engines.base import EngineConfig
from kit.engines.local import LocalEngine
from kit.errors import KitError
from kit.evals.compare import compare
from kit.evals.run import Evaluation, evaluate
from kit.metrics.intervals import Change
from kit.project.project import Project
from kit.recipe import Recipe
from kit.search.report import adapter_of, best_and_default, write_report
from kit.search.space import defaults, with_values
from kit.search.study import OUTCOMES, Study, has_study, study_folder
from kit.system.coroutines import run_to_end
from kit.workflows.events import Counted, Note, Report
from kit.workflows.searching import SearchPlan, SearchResult
from kit.workflows.steps.engines import running
from kit.workflows.steps.interrupts import advise_on_interrupt
from kit.workflows.steps.training.inputs import Inputs, read_inputs

_LOOK_SECONDS = 0.5
_CONTINUE = "Run the same search again to continue."
_BEST, _DEFAULT = "best", "default"
_Workers = list[subprocess.Popen[bytes]]


def open_study(inputs: Inputs, worker: int = 0) -> Study:
    """Open the study of this recipe and data in the project."""
    maximise = inputs.recipe.search.metric == "score" and inputs.data.higher_is_better
    folder = study_folder(inputs.project.root, inputs.recipe, inputs.data.digest)
    return Study(folder, inputs.recipe, maximise, worker)


def plan(project: Project, recipe: Recipe, profile: str | None) -> SearchPlan:
    """Return what the search would try. Nothing is written: a study that does not exist yet is not created."""
    own = defaults(recipe)
    inputs = read_inputs(project, recipe, profile)
    folder, search = study_folder(project.root, recipe, inputs.data.digest), recipe.search
    made = open_study(inputs).counts() if has_study(folder) else dict.fromkeys(OUTCOMES, 0)
    return SearchPlan(folder, _metric(inputs), search.trials, search.workers, made, own, search.ranges)


def lead(project: Project, recipe: Recipe, profile: str | None, report: Report) -> SearchResult:
    """Let workers run the trials, compare the best with the default, and write the best recipe."""
    inputs = read_inputs(project, recipe, profile)
    study = open_study(inputs)
    with study.leading(), advise_on_interrupt(_CONTINUE):
        _run_workers(inputs, study, report)
        found = write_report(study, _metric(inputs), _compare_on_test(inputs, study, report))
    return SearchResult(
        study=study.folder,
        metric=found.metric,
        tried=found.tried,
        best=found.best,
        default=found.default,
        importance=found.importance,
        outcome=found.outcome,
        change=found.change,
        verdict=found.verdict(),
        recipe=found.recipe,
    )


def _metric(inputs: Inputs) -> str:
    by_score = inputs.recipe.search.metric == "score"
    return inputs.data.metric if by_score else "validation loss"


# --- the workers ------------------------------------------------------------------------------------------------


def _run_workers(inputs: Inputs, study: Study, report: Report) -> None:
    """Start the workers, report each trial that ends, and return when all have ended. Raises KitError if one broke."""
    search = inputs.recipe.search
    report(Note(f"Study {study.folder}: {search.trials} trials, {search.workers} at a time."))
    workers: _Workers = []
    reported = len(study.trials)
    try:
        for number in range(search.workers):
            workers.append(_start(inputs, study, number))
        while any(worker.poll() is None for worker in workers):
            time.sleep(_LOOK_SECONDS)
            reported = _report_new(study, reported, report)
    finally:
        _stop(workers)
    _report_new(study, reported, report)
    _refuse_broken(workers, study.folder)


def _start(inputs: Inputs, study: Study, number: int) -> subprocess.Popen[bytes]:
    """Start a worker with a pipe that closes when this process ends, even if it is killed; the worker then ends too."""
    search = inputs.recipe.search
    words = [sys.executable, "-m", "kit", "search", "--trials", str(search.trials), "--workers", str(search.workers)]
    words += ["--profile", inputs.profile] if inputs.profile else []
    words += ["--worker", str(number)]
    with _log(study.folder, number).open("ab") as log:
        return subprocess.Popen(
            words,
            cwd=inputs.project.root,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _log(folder: Path, number: int) -> Path:
    return folder / f"worker-{number}.log"


def _stop(workers: _Workers) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
    for worker in workers:
        worker.wait()


def _report_new(study: Study, reported: int, report: Report) -> int:
    """Report the trials that ended since the last report; return how many have ended in all."""
    trials = study.trials
    best = study.best
    for trial in trials[reported:]:
        reached = "" if trial.value is None else f" {trial.value:.4f}"
        so_far = "" if best is None else f"; best so far: trial {best.number}, {best.value:.4f}"
        report(Note(f"trial {trial.number}: {trial.state.name.lower()}{reached}{so_far}"))
    return len(trials)


def _refuse_broken(workers: _Workers, folder: Path) -> None:
    for number, worker in enumerate(workers):
        if worker.returncode:
            log = _log(folder, number)
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            what = f"Worker {number} ended with exit code {worker.returncode}: {' '.join(last)}"
            raise KitError(what, str(log), _CONTINUE)


# --- the best against the default -------------------------------------------------------------------------------


def _compare_on_test(inputs: Inputs, study: Study, report: Report) -> Change | None:
    """Return best minus default by the main metric on the test examples, paired; None if they are the same trial.

    The validation examples selected the best trial, so a comparison on them would be biased towards it.
    """
    best, default = best_and_default(study)
    if default is None or best.number == default.number:
        return None
    adapters = {_BEST: adapter_of(study, best), _DEFAULT: adapter_of(study, default)}
    recipes = {name: with_values(inputs.recipe, made.values) for name, made in ((_BEST, best), (_DEFAULT, default))}
    measured = run_to_end(_scored(inputs, recipes, adapters, report))
    task = inputs.data.tasks[0].task
    lines = compare(task, measured[_BEST], measured[_DEFAULT], resamples=inputs.recipe.eval.resamples)
    return next(line.change for line in lines if line.metric == task.main_metric)


async def _scored(
    inputs: Inputs, recipes: dict[str, Recipe], adapters: dict[str, Path], report: Report
) -> dict[str, Evaluation]:
    config = EngineConfig(
        model=inputs.base.folder,
        dtype=inputs.recipe.base.dtype,
        max_length=inputs.recipe.serve.max_length,
        adapters=adapters,
        max_rank=max(recipe.train.lora.rank for recipe in recipes.values()),
    )
    examples, found = inputs.data.tasks[0].examples("test"), {}
    async with running(LocalEngine(config)) as engine:
        for name, recipe in recipes.items():
            answerer = Answerer(inputs.project.data(recipe).task, inputs.renderer, engine, name)
            progress = _counting(report, f"Scoring the {name}", len(examples))
            found[name] = await evaluate(answerer, examples, progress=progress)
    return found


def _counting(report: Report, what: str, total: int) -> Callable[[Any], None]:
    """Return a callback for each finished item; it reports how many of `total` are done."""
    done = 0

    def count(_: Any) -> None:
        nonlocal done
        done += 1
        report(Counted(what, done, total))

    return count
