"""Runs: what was trained, with which recipe, and how it ended. `runs/<id>/` is only ever added to.

run.json         when it was made, its profile, the digests of its recipe and data
recipe.json      the resolved recipe
metrics.jsonl    one event per line
checkpoints/     written by training
status.jsonl     every change of state, with the process and the reason
report.json      written at the end
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from kit.errors import Exit, InputError, KitError, nearest
from kit.files import write_atomically
from kit.recipe import Recipe

State = Literal["new", "running", "finished", "interrupted", "failed"]
_STOPPED = {Exit.INTERRUPTED, Exit.TERMINATED}
_CHANGED = "No run was made with this recipe and data; one of them may have changed since."


@dataclass(frozen=True)
class Status:
    """What a run is doing, or how it ended: the state, a sentence about it, the process, seconds since 1970."""

    state: State
    sentence: str = ""
    pid: int = 0
    time: float = 0.0


@dataclass(frozen=True)
class Run:
    """A run on disk. `created` is in UTC, ISO 8601."""

    folder: Path
    created: str
    profile: str | None
    recipe_digest: str
    data_digest: str

    @property
    def id(self) -> str:
        """The run's name: when it was made, and a short hash."""
        return self.folder.name

    @property
    def metrics(self) -> Path:
        """The file of events."""
        return self.folder / "metrics.jsonl"

    def report(self) -> dict[str, Any] | None:
        """What came of the run, or None while nothing has."""
        file = self.folder / "report.json"
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None

    def recipe(self) -> Recipe:
        """The resolved recipe that the run was made with."""
        return Recipe.model_validate_json((self.folder / "recipe.json").read_text(encoding="utf-8"))

    def status(self) -> Status:
        """Return the run's state; one whose process is gone without a word was interrupted."""
        last = self._last_status()
        if last.state == "running" and not self._locked():
            return Status("interrupted", "Its process ended without a word.", last.pid, last.time)
        return last

    @contextmanager
    def working(self) -> Iterator[None]:
        """Mark the run as running inside, and afterwards as finished, interrupted or failed with the sentence.

        Raises KitError where another process works on it.
        """
        with self._lock():
            self._say("running")
            try:
                yield
            except KeyboardInterrupt:
                self._say("interrupted", "Interrupted.")
                raise
            except KitError as error:
                self._say("interrupted" if error.code in _STOPPED else "failed", str(error))
                raise
            except BaseException as error:
                self._say("failed", f"{type(error).__name__}: {error}")
                raise
            self._say("finished")

    def finish(self, report: Mapping[str, Any]) -> None:
        """Write what came of the run to `report.json`."""
        write_atomically(self.folder / "report.json", json.dumps(report, indent=1) + "\n")

    # --- the state --------------------------------------------------------------------------------------------

    def _say(self, state: State, sentence: str = "") -> None:
        line = json.dumps(asdict(Status(state, sentence, os.getpid(), round(time.time(), 3))))
        with (self.folder / "status.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def _last_status(self) -> Status:
        file = self.folder / "status.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        return Status(**json.loads(lines[-1])) if lines else Status("new")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the run. The system lets go of the lock when the process ends, however it ends."""
        with (self.folder / ".lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = self._last_status().pid
                raise KitError(f"Another process works on the run (pid {pid}).", str(self.folder)) from None
            yield

    def _locked(self) -> bool:
        try:
            with self._lock():
                return False
        except KitError:
            return True


def new_run(root: Path, recipe: Recipe, data_digest: str, profile: str | None) -> Run:
    """Make `runs/<id>/` in the project folder `root`, with the resolved recipe in it."""
    now = datetime.now(UTC)
    salt = f"{recipe.digest()} {data_digest} {os.getpid()} {time.time_ns()}"
    name = f"{now:%Y%m%d-%H%M%S}-{hashlib.sha256(salt.encode()).hexdigest()[:6]}"
    run = Run(root / "runs" / name, now.isoformat(timespec="milliseconds"), profile, recipe.digest(), data_digest)
    run.folder.mkdir(parents=True)
    write_atomically(run.folder / "recipe.json", recipe.canonical() + "\n")
    facts = {key: value for key, value in asdict(run).items() if key != "folder"}
    write_atomically(run.folder / "run.json", json.dumps(facts, indent=1) + "\n")
    return run


def list_runs(root: Path) -> list[Run]:
    """Return the project's runs, oldest first."""
    files = (root / "runs").glob("*/run.json")
    runs = [Run(file.parent, **json.loads(file.read_text(encoding="utf-8"))) for file in files]
    return sorted(runs, key=lambda run: (run.created, run.id))


def find_run(root: Path, ref: str = "latest") -> Run:
    """Return a run by its id, by a part of it that no other has, or the latest.

    Raises InputError with a near miss where there is none, and with the candidates where there are several.
    """
    runs = list_runs(root)
    if not runs:
        raise InputError("There are no runs here.", str(root), "Make one with: kit train")
    found = runs[-1:] if ref == "latest" else [run for run in runs if ref in run.id]
    exact = [run for run in found if run.id == ref]
    if len(exact or found) == 1:
        return (exact or found)[0]
    names = [run.id for run in runs]
    if found:
        raise InputError(f"'{ref}' fits several runs.", str(root), f"They are: {', '.join(run.id for run in found)}.")
    raise InputError(f"There is no run '{ref}'.", str(root), nearest(ref, names) or f"The latest is {names[-1]}.")


def unfinished_run(root: Path, recipe: Recipe, data_digest: str) -> Run:
    """Return the latest run of the same recipe and data that did not finish and is not at work.

    Raises InputError where there is none.
    """
    wanted = (recipe.digest(), data_digest)
    same = [run for run in list_runs(root) if (run.recipe_digest, run.data_digest) == wanted]
    unfinished = [run for run in same if run.status().state in ("new", "interrupted", "failed")]
    if unfinished:
        return unfinished[-1]
    what = "The runs of this recipe and data are finished, or at work." if same else _CHANGED
    raise InputError(what, str(root / "runs"), "Leave out --resume to begin a new run.")
