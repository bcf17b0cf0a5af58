"""How a search works: one process leads, others make trials, and the best meets the default on the test examples."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.output import Output
from kit.errors import KitError

if TYPE_CHECKING:
    from optuna.trial import Trial

    from kit.cli.train import Plan
    from kit.evals.run import Evaluation
    from kit.metrics.intervals import Change
    from kit.recipe import Recipe
    from kit.search.study import Result, Study
    from kit.train.events import Event

_LOOK_SECONDS = 0.5
_BEST, _DEFAULT = "best", "default"


class _Pruned(Exception):
    """The trial is behind the others."""


def open_study(plan: Plan, worker: int) -> Study:
    """Open the study of this recipe and data in the project."""
    from kit.search.study import Study, study_folder

    maximise = plan.recipe.search.metric == "score" and plan.data.higher_is_better
    folder = study_folder(plan.project.root, plan.recipe, plan.data.digest)
    return Study(folder, plan.recipe, maximise, worker)


# --- the leader -------------------------------------------------------------------------------------------------


def lead(output: Output, plan: Plan, study: Study, profile: str | None) -> None:
    """Start the workers, tell each trial that ends, and return when all have left. Raises KitError where one broke."""
    search = plan.recipe.search
    words = [sys.executable, "-m", "kit", "search", "--trials", str(search.trials), "--workers", str(search.workers)]
    words += ["--profile", profile] if profile else []
    output.say(f"Study {study.folder}: {search.trials} trials, {search.workers} at one time.")
    workers = [_start([*words, "--worker", str(n)], study.folder / f"worker-{n}.log") for n in range(search.workers)]
    told = len(study.trials)
    try:
        while any(worker.poll() is None for worker in workers):
            time.sleep(_LOOK_SECONDS)
            told = _tell_new(output, study, told)
    finally:
        _stop(workers)
    _tell_new(output, study, told)
    _refuse_broken(workers, study.folder)


def _start(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a worker with a pipe that closes when this process ends, however it ends; the worker then ends too."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )


def _stop(workers: list[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
    for worker in workers:
        worker.wait()


def _tell_new(output: Output, study: Study, told: int) -> int:
    trials = study.trials
    best = study.best
    for trial in trials[told:]:
        reached = "" if trial.value is None else f" {trial.value:.4f}"
        so_far = "" if best is None else f"; best so far: trial {best.number}, {best.value:.4f}"
        output.say(f"trial {trial.number}: {trial.state.name.lower()}{reached}{so_far}")
    return len(trials)


def _refuse_broken(workers: list[subprocess.Popen[bytes]], folder: Path) -> None:
    for number, worker in enumerate(workers):
        if worker.returncode:
            log = folder / f"worker-{number}.log"
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            what = f"Worker {number} ended with exit code {worker.returncode}: {' '.join(last)}"
            raise KitError(what, str(log), "Begin again with the same command: it goes on.")


# --- a worker ---------------------------------------------------------------------------------------------------


def work(plan: Plan, study: Study) -> None:
    """Make trials until there are enough. Stopped, it saves its place; the same values are asked again."""
    from kit.search.space import with_values
    from kit.train.job import RunBroke

    threading.Thread(target=_end_with_leader, daemon=True).start()
    with study.working():
        while (trial := study.next()) is not None:
            try:
                study.finish(trial, _make(plan, study, trial, with_values(plan.recipe, trial.params)))
            except _Pruned:
                study.prune(trial)
            except RunBroke as error:
                study.fail(trial, str(error))


def _end_with_leader() -> None:
    while os.read(sys.stdin.fileno(), 1):  # not through a buffer, whose lock would end the interpreter badly
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _make(plan: Plan, study: Study, trial: Trial, recipe: Recipe) -> Result:
    """Train one trial, from its checkpoint where it has one."""
    from kit.cli.train import plan_of, scorer_of, training_job
    from kit.search.study import Result
    from kit.train.loop import train

    own = plan_of(plan.project, recipe, plan.profile)
    folder = study.trial_folder(trial.params)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    job = training_job(own, folder, resume=True, threads=max(1, cores // plan.recipe.search.workers))
    by_score = plan.recipe.search.metric == "score"
    trained = train(job, scorer_of(own) if by_score else None, _watch(plan, trial))
    value = trained.score if by_score else trained.validation_loss
    if value is None:
        raise KitError("What the search is for could not be measured.", str(folder), "Add validation examples.")
    return Result(value, trained.step, trained.validation_loss, trained.score, str(trained.adapter))


def _watch(plan: Plan, trial: Trial) -> Any:
    """Return what hears a run's events: it gives up a trial that is behind the others at a measurement."""
    from kit.train.events import Evaluated

    search, made = plan.recipe.search, 0

    def hear(event: Event) -> None:
        nonlocal made
        if not isinstance(event, Evaluated) or event.step == 0:
            return
        made += 1
        value = event.score if search.metric == "score" else event.validation_loss
        if value is None or not search.prune:
            return
        trial.report(value, made)
        if event.step < event.steps and trial.should_prune():
            raise _Pruned

    return hear


# --- the best against the default -------------------------------------------------------------------------------


def compare_on_test(output: Output, plan: Plan, study: Study) -> Change | None:
    """Return best less default by the main metric on the test examples, paired; None where they are one trial.

    The validation examples chose the best, so it would win on them by luck alone.
    """
    import asyncio

    from kit.evals.compare import compare
    from kit.search.report import adapter_of, best_and_default

    best, default = best_and_default(study)
    if default is None or best.number == default.number:
        return None
    adapters = {_BEST: adapter_of(study, best), _DEFAULT: adapter_of(study, default)}
    measured = asyncio.run(_scored(output, plan, {_BEST: best.values, _DEFAULT: default.values}, adapters))
    task = plan.data.tasks[0].task
    lines = compare(task, measured[_BEST], measured[_DEFAULT], resamples=plan.recipe.eval.resamples)
    return next(line.change for line in lines if line.metric == task.main_metric)


async def _scored(
    output: Output, plan: Plan, values: dict[str, Any], adapters: dict[str, Path]
) -> dict[str, Evaluation]:
    from kit.cli.progress import counted
    from kit.cli.wiring import running
    from kit.engines.answerer import Answerer
    from kit.engines.base import EngineConfig
    from kit.engines.local import LocalEngine
    from kit.evals.run import evaluate
    from kit.search.space import with_values

    recipes = {name: with_values(plan.recipe, each) for name, each in values.items()}
    config = EngineConfig(
        model=plan.base.folder,
        dtype=plan.recipe.base.dtype,
        max_length=plan.recipe.serve.max_length,
        adapters=adapters,
        max_rank=max(recipe.train.lora.rank for recipe in recipes.values()),
    )
    examples, found = plan.data.tasks[0].examples("test"), {}
    async with running(LocalEngine(config)) as engine:
        for name, recipe in recipes.items():
            answerer = Answerer(plan.project.data(recipe).task, plan.renderer, engine, name)
            with counted(output, f"Scoring the {name}", len(examples)) as step:
                found[name] = await evaluate(answerer, examples, progress=lambda _: step())
    return found
