"""A study on disk: which values were tried, by whom, and what came of them. Killed and begun again, it goes on.

A trial that was being made when its process died is taken back and asked again with the same values; its folder is
named by them, so that it goes on from its checkpoint.
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

_LEAVE_SECONDS = 120.0
_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING)


@dataclass(frozen=True)
class Result:
    """What a finished trial reached: the figure that the search is for, and the adapter that reached it."""

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
        """Open the study, or make it. Raises InputError where its file is damaged."""
        file = self.folder / "study.db"
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
            advice = "Remove the folder to begin the search again; other studies are as they were."
            raise InputError(f"The study cannot be read: {reason}.", str(file), advice) from error

    # --- who works --------------------------------------------------------------------------------------------

    @contextmanager
    def leading(self) -> Iterator[None]:
        """Be the one process that starts workers; wait until those of an earlier one are gone, and take back trials.

        Raises KitError where another search works on the study, or where its workers do not end.
        """
        lock = try_lock(self.folder / ".leader")
        if lock is None:
            advice = "Wait for it, or give it more workers: search.workers."
            raise KitError("Another search works on this study.", str(self.folder), advice)
        with lock:
            self._wait_for_workers()
            self._take_back()
            yield

    @contextmanager
    def working(self) -> Iterator[None]:
        """Be one of the workers."""
        with wait_for_lock(self.folder / ".workers", shared=True):
            yield

    def _wait_for_workers(self) -> None:
        """Workers whose leader was killed save their place and leave by themselves."""
        until = time.monotonic() + _LEAVE_SECONDS
        while (lock := try_lock(self.folder / ".workers")) is None:
            if time.monotonic() > until:
                raise KitError("A worker of an earlier search does not end.", str(self.folder))
            time.sleep(0.2)
        lock.release()

    def _take_back(self) -> None:
        """Ask the defaults first, and what was being tried when its process died once more."""
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)
            self._study.enqueue_trial(trial.params, user_attrs={"instead_of": trial.number})
        self._study.enqueue_trial(self.defaults, skip_if_exists=True)

    # --- one trial after another ------------------------------------------------------------------------------

    def next(self) -> Trial | None:
        """Begin a trial; None once as many as the recipe asks for are made or being made."""
        with wait_for_lock(self.folder / ".write"):
            if len(self._counted(_COUNTED)) >= self.recipe.search.trials:
                return None
            trial = self._study.ask()
            trial.set_user_attr("worker", self._worker)
            for name, span in self.recipe.search.ranges.items():
                _suggest(trial, name, span, self.defaults[name])
            return trial

    def trial_folder(self, values: Values) -> Path:
        """Where a trial of these values keeps its run."""
        return self.folder / "trials" / digest_of(values)

    def finish(self, trial: Trial, result: Result) -> None:
        """Note what a trial reached, and remove the checkpoints of those that are neither the best nor the default."""
        with wait_for_lock(self.folder / ".write"):
            trial.set_user_attr("result", asdict(result))
            self._study.tell(trial, result.value)
            kept = {self.trial_folder(made.params) for made in (self.best, self.default) if made}
            for made in self._study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)):
                if self.trial_folder(made.params) not in kept:
                    shutil.rmtree(self.trial_folder(made.params) / "checkpoints", ignore_errors=True)

    def prune(self, trial: Trial) -> None:
        """Note that a trial was given up since others were better at this point."""
        self._study.tell(trial, state=TrialState.PRUNED)
        shutil.rmtree(self.trial_folder(trial.params) / "checkpoints", ignore_errors=True)

    def fail(self, trial: Trial, reason: str) -> None:
        """Note that a trial broke."""
        trial.set_user_attr("reason", reason)
        self._study.tell(trial, state=TrialState.FAIL)

    # --- what came of it --------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Number of trials by what came of them; those that were taken back are left out."""
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "broke": TrialState.FAIL}
        return {name: len(self._counted((state,))) for name, state in states.items()}

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials that ended, in order; those that were taken back are left out."""
        return self._counted((TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))

    @property
    def best(self) -> FrozenTrial | None:
        """The complete trial with the best value; the earlier of two that are equal."""
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
        """Share of the differences that each setting explains (PED-ANOVA); None with too few complete trials."""
        try:
            return dict(optuna.importance.get_param_importances(self._study))
        except (ValueError, RuntimeError, ZeroDivisionError):
            return None

    def _counted(self, states: tuple[TrialState, ...]) -> list[FrozenTrial]:
        made = self._study.get_trials(deepcopy=False)
        repeated = {trial.user_attrs["instead_of"] for trial in made if "instead_of" in trial.user_attrs}
        return [trial for trial in made if trial.state in states and trial.number not in repeated]


def result_of(trial: FrozenTrial) -> Result:
    """Return what a complete trial reached."""
    return Result(**trial.user_attrs["result"])


def study_folder(root: Path, recipe: Recipe, data_digest: str) -> Path:
    """The folder of a study: of one recipe and its data, whatever the number of trials and of workers."""
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
