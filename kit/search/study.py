"""A study on disk: the trials, their workers and their results. Safe to interrupt; run the search again to resume.

A trial whose process died is replaced by a new one with the same values. Its folder is named after the values, so the
new trial resumes from its checkpoint.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from kit.errors import InputError, KitError
from kit.recipe import Range, Recipe
from kit.search.space import Values, defaults, digest_of
from kit.system.locks import try_lock, wait_for_lock

_FILE = "study.db"
_LEAVE_SECONDS = 120.0
OUTCOMES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "broke": TrialState.FAIL}
_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING)


@dataclass(frozen=True)
class Result:
    """The result of a finished trial: `value` is the metric of the search, `adapter` the folder of its adapter."""

    value: float
    step: int
    validation_loss: float | None
    score: float | None
    adapter: str


class Study:
    """The trials of one recipe on the same data, in a folder of the project. Several processes may use it at once."""

    def __init__(self, folder: Path, recipe: Recipe, maximise: bool, worker: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.recipe, self.maximise, self._worker = folder, recipe, maximise, worker
        self.defaults = defaults(recipe)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with wait_for_lock(self.folder / ".write"):
            self._study = self._open()
            seed = (recipe.train.seed + 1000 * worker + len(self._study.trials)) % 2**32
            self._study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=recipe.search.workers > 1)

    def _open(self) -> optuna.Study:
        """Open or create the study. Raises InputError if its file is damaged."""
        file = self.folder / _FILE
        try:
            return optuna.create_study(
                storage=f"sqlite:///{file}",
                study_name="search",
                direction="maximize" if self.maximise else "minimize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
                sampler=optuna.samplers.TPESampler(),
            )
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            advice = "Remove the folder to start the search again; other studies are not affected."
            raise InputError(f"The study cannot be read: {reason}.", str(file), advice) from error

    # --- processes --------------------------------------------------------------------------------------------

    @contextmanager
    def leading(self) -> Iterator[None]:
        """Be the only process that starts workers: wait for workers of an earlier one, and repeat their open trials.

        Raises KitError if another search uses the study, or if its workers do not end.
        """
        lock = try_lock(self.folder / ".leader")
        if lock is None:
            advice = "Wait for it, or raise search.workers there."
            raise KitError("Another search uses this study.", str(self.folder), advice)
        with lock:
            self._wait_for_workers()
            self._repeat_open_trials()
            yield

    @contextmanager
    def working(self) -> Iterator[None]:
        """Be one of the workers."""
        with wait_for_lock(self.folder / ".workers", shared=True):
            yield

    def _wait_for_workers(self) -> None:
        """Wait until earlier workers end; after their leader was killed, they save a checkpoint and exit."""
        until = time.monotonic() + _LEAVE_SECONDS
        while (lock := try_lock(self.folder / ".workers")) is None:
            if time.monotonic() > until:
                raise KitError("A worker of an earlier search does not end.", str(self.folder))
            time.sleep(0.2)
        lock.release()

    def _repeat_open_trials(self) -> None:
        """Queue the defaults as the first trial, and the trials whose processes died once more."""
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)
            self._study.enqueue_trial(trial.params, user_attrs={"instead_of": trial.number})
        self._study.enqueue_trial(self.defaults, skip_if_exists=True)

    # --- one trial after another ------------------------------------------------------------------------------

    def next(self) -> Trial | None:
        """Start a trial; None if all trials that the recipe asks for are finished or running."""
        with wait_for_lock(self.folder / ".write"):
            if len(self._counted(_COUNTED)) >= self.recipe.search.trials:
                return None
            trial = self._study.ask()
            trial.set_user_attr("worker", self._worker)
            for name, span in self.recipe.search.ranges.items():
                _suggest(trial, name, span, self.defaults[name])
            return trial

    def trial_folder(self, values: Values) -> Path:
        """Return the run folder of a trial with these values."""
        return self.folder / "trials" / digest_of(values)

    def finish(self, trial: Trial, result: Result) -> None:
        """Store the result of a trial, and remove the checkpoints of all trials but the best and the default."""
        with wait_for_lock(self.folder / ".write"):
            trial.set_user_attr("result", asdict(result))
            self._study.tell(trial, result.value)
            kept = {self.trial_folder(made.params) for made in (self.best, self.default) if made}
            for made in self._study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)):
                if self.trial_folder(made.params) not in kept:
                    shutil.rmtree(self.trial_folder(made.params) / "checkpoints", ignore_errors=True)

    def prune(self, trial: Trial) -> None:
        """Store that a trial was stopped early because others were better at this point."""
        self._study.tell(trial, state=TrialState.PRUNED)
        shutil.rmtree(self.trial_folder(trial.params) / "checkpoints", ignore_errors=True)

    def fail(self, trial: Trial, reason: str) -> None:
        """Store that a trial failed."""
        trial.set_user_attr("reason", reason)
        self._study.tell(trial, state=TrialState.FAIL)

    # --- results ----------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Return the number of trials by outcome, without the repeated ones."""
        return {name: len(self._counted((state,))) for name, state in OUTCOMES.items()}

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials that ended, in order, without the repeated ones."""
        return self._counted((TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))

    @property
    def best(self) -> FrozenTrial | None:
        """The complete trial with the best value; of equal ones, the earliest."""
        complete = self._counted((TrialState.COMPLETE,))
        sign = 1 if self.maximise else -1
        return max(complete, key=lambda trial: (sign * (trial.value or 0.0), -trial.number), default=None)

    @property
    def default(self) -> FrozenTrial | None:
        """The complete trial of the recipe's own values."""
        name = digest_of(self.defaults)
        complete = self._counted((TrialState.COMPLETE,))
        return next((trial for trial in complete if digest_of(trial.params) == name), None)

    def importance(self) -> Mapping[str, float] | None:
        """Return the share of variance that each setting explains (PED-ANOVA); None with too few complete trials."""
        try:
            return dict(optuna.importance.get_param_importances(self._study))
        except (ValueError, RuntimeError, ZeroDivisionError):
            return None

    def _counted(self, states: tuple[TrialState, ...]) -> list[FrozenTrial]:
        made = self._study.get_trials(deepcopy=False)
        repeated = {trial.user_attrs["instead_of"] for trial in made if "instead_of" in trial.user_attrs}
        return [trial for trial in made if trial.state in states and trial.number not in repeated]


def result_of(trial: FrozenTrial) -> Result:
    """Return the result of a complete trial."""
    return Result(**trial.user_attrs["result"])


def has_study(folder: Path) -> bool:
    """Whether a folder has a study."""
    return (folder / _FILE).is_file()


def study_folder(root: Path, recipe: Recipe, data_digest: str) -> Path:
    """Return the folder of the study of a recipe and its data; the numbers of trials and workers do not matter."""
    same = recipe.search.model_copy(update={"trials": 1, "workers": 1})
    settings = recipe.model_copy(update={"search": same}).canonical()
    return root / "search" / digest_of({"recipe": json.loads(settings), "data": data_digest})


def _suggest(trial: Trial, name: str, span: Range, default: Any) -> None:
    if span.choices is not None:
        trial.suggest_categorical(name, span.choices)
        return
    assert span.low is not None, "the schema asks for choices or for both ends"
    assert span.high is not None, "the schema asks for choices or for both ends"
    if isinstance(default, int) and isinstance(span.low, int) and isinstance(span.high, int):
        trial.suggest_int(name, span.low, span.high, log=span.log)
    else:
        trial.suggest_float(name, span.low, span.high, log=span.log)
