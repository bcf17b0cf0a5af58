"""A search worker: a process that runs trials. Each trial is a training run that resumes from its last checkpoint."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

from optuna.trial import Trial

from kit.errors import KitError
from kit.project.project import Project
from kit.recipe import Recipe
from kit.search.space import with_values
from kit.search.study import Result, Study
from kit.train.events import Evaluated, Event
from kit.train.job import RunBroke
from kit.train.loop import train
from kit.workflows.steps.search.lead import open_study
from kit.workflows.steps.training.inputs import Inputs, read_inputs, training_job
from kit.workflows.steps.training.scoring import scorer


class _Pruned(Exception):
    """The trial is worse than the others so far."""


def work(project: Project, recipe: Recipe, profile: str | None, number: int) -> None:
    """Run trials until there are enough. A stopped worker saves a checkpoint; its trial is continued later."""
    inputs = read_inputs(project, recipe, profile)
    study = open_study(inputs, number)
    threading.Thread(target=_end_with_leader, daemon=True).start()
    with study.working():
        while (trial := study.next()) is not None:
            try:
                study.finish(trial, _make(inputs, study, trial))
            except _Pruned:
                study.prune(trial)
            except RunBroke as error:
                study.fail(trial, str(error))


def _end_with_leader() -> None:
    """Terminate this process when the pipe from the leader closes, which happens even if the leader is killed."""
    while os.read(sys.stdin.fileno(), 1):  # unbuffered: a buffer's lock would make the interpreter crash at exit
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _make(inputs: Inputs, study: Study, trial: Trial) -> Result:
    """Train one trial, from its checkpoint if it has one."""
    own = read_inputs(inputs.project, with_values(inputs.recipe, trial.params), inputs.profile)
    folder = study.trial_folder(trial.params)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    job = training_job(own, folder, resume=True, threads=max(1, cores // inputs.recipe.search.workers))
    by_score = inputs.recipe.search.metric == "score"
    measure = scorer(own.data, own.recipe, own.renderer) if by_score else None
    trained = train(job, measure, _pruning(inputs, trial))
    value = trained.score if by_score else trained.validation_loss
    if value is None:
        raise KitError("The metric of the search could not be measured.", str(folder), "Add validation examples.")
    return Result(value, trained.step, trained.validation_loss, trained.score, str(trained.adapter))


def _pruning(inputs: Inputs, trial: Trial) -> Callable[[Event], None]:
    """Return an event callback that stops a trial if it is worse than the others at an evaluation."""
    search, made = inputs.recipe.search, 0

    def receive(event: Event) -> None:
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

    return receive
