"""Runs: each training run, its recipe, and its result. Files are only added to `runs/<id>/`.

run.json         when it was made, its profile, the digests of its recipe and data
recipe.json      the resolved recipe
metrics.jsonl    one event per line
checkpoints/     written by training
status.jsonl     every change of state, with the process and the reason
report.json      written at the end

A run that cannot be read does not hide the others: it is listed as damaged, with the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from kit.errors import Exit, InputError, KitError, Problem, nearest
from kit.recipe import Recipe
from kit.system.files import write_atomically
from kit.system.locks import is_locked, try_lock
from kit.task.fault import task_fault

State = Literal["new", "running", "finished", "interrupted", "failed", "damaged"]
_STOPPED = {Exit.INTERRUPTED, Exit.TERMINATED}
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_CLOCKS_DIFFER = timedelta(days=1)
_CHANGED = "No run was made with this recipe and data; one of them may have changed since."


@dataclass(frozen=True)
class Status:
    """What a run is doing, or how it ended: the state, a sentence about it, the process, seconds since 1970."""

    state: State
    sentence: str = ""
    pid: int = 0
    time: float = 0.0


class UnreadableRun(InputError, ValueError):
    """A file of a run is not what the kit writes: it was cut off, edited, or made by another kit (exit 2)."""


@dataclass(frozen=True)
class Run:
    """A run on disk. `created` is in UTC, ISO 8601; `fault` says what is wrong with a damaged run."""

    folder: Path
    created: str
    profile: str | None
    recipe_digest: str
    data_digest: str
    fault: str = ""

    @property
    def id(self) -> str:
        """The run's name: when it was made, and a short hash."""
        return self.folder.name

    @property
    def metrics(self) -> Path:
        """The file of events."""
        return self.folder / "metrics.jsonl"

    def report(self) -> dict[str, Any] | None:
        """The run's report, or None if it has not finished."""
        try:
            return dict(json.loads((self.folder / "report.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def recipe(self) -> Recipe:
        """The resolved recipe that the run was made with. Raises UnreadableRun if it cannot be read."""
        file = self.folder / "recipe.json"
        try:
            return Recipe.model_validate_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            what = "The run's recipe cannot be read: it is damaged, or another kit wrote it."
            raise UnreadableRun(what, str(file)) from None

    def status(self) -> Status:
        """Return the run's state: interrupted if its process ended without recording a state."""
        if self.fault:
            return Status("damaged", self.fault)
        last = self._last_status()
        if last.state == "finished" and self.report() is None:
            return Status("damaged", "report.json cannot be read, or is missing.", last.pid, last.time)
        if not last.sentence and self.is_dated_in_future:
            last = replace(last, sentence=f"It is dated {self.created[:10]}, a date in the future: a clock was wrong.")
        if last.state == "running" and not is_locked(self.folder / ".lock"):
            return Status("interrupted", "Its process ended without recording why.", last.pid, last.time)
        return last

    @property
    def is_dated_in_future(self) -> bool:
        """Whether the run's date is in the future: such a run is not the latest."""
        try:
            return datetime.fromisoformat(self.created) > datetime.now(UTC) + _CLOCKS_DIFFER
        except (ValueError, TypeError):
            return False

    @contextmanager
    def working(self) -> Iterator[None]:
        """Mark the run as running inside, and afterwards as finished, interrupted or failed with the sentence.

        Raises KitError if another process works on it.
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
                self._say("failed", str(task_fault(error) or f"{type(error).__name__}: {error}"))
                raise
            self._say("finished")

    def finish(self, report: Mapping[str, Any]) -> None:
        """Write the run's results to `report.json`."""
        write_atomically(self.folder / "report.json", json.dumps(report, indent=1) + "\n")

    # --- the state --------------------------------------------------------------------------------------------

    def _say(self, state: State, sentence: str = "") -> None:
        line = json.dumps(asdict(Status(state, sentence, os.getpid(), round(time.time(), 3))))
        with (self.folder / "status.jsonl").open("a+b") as stream:
            stream.seek(0)
            written = stream.read()
            stream.write((b"" if not written or written.endswith(b"\n") else b"\n") + line.encode() + b"\n")

    def _last_status(self) -> Status:
        """The last state that can be read; a line that a crash cut off is ignored."""
        try:
            lines = (self.folder / "status.jsonl").read_bytes().splitlines()
        except FileNotFoundError:
            return Status("new")
        except OSError as error:
            return Status("damaged", f"status.jsonl cannot be read: {error.strerror}.")
        found = next((status for line in reversed(lines) if (status := _status_of(line))), None)
        return found or (Status("damaged", "status.jsonl holds no line that can be read.") if lines else Status("new"))

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Lock the run. The system releases the lock when the process ends, even if it is killed."""
        lock = try_lock(self.folder / ".lock")
        if lock is None:
            pid = self._last_status().pid
            raise KitError(f"Another process works on the run (pid {pid}).", str(self.folder))
        with lock:
            yield


def new_run(root: Path, recipe: Recipe, data_digest: str, profile: str | None) -> Run:
    """Make `runs/<id>/` in the project folder `root`, with the resolved recipe in it."""
    now = datetime.now(UTC)
    salt = f"{recipe.digest()} {data_digest} {os.getpid()} {time.time_ns()}"
    name = f"{now:%Y%m%d-%H%M%S}-{hashlib.sha256(salt.encode()).hexdigest()[:6]}"
    run = Run(root / "runs" / name, now.isoformat(timespec="milliseconds"), profile, recipe.digest(), data_digest)
    run.folder.mkdir(parents=True)
    write_atomically(run.folder / "recipe.json", recipe.canonical() + "\n")
    facts = {key: value for key, value in asdict(run).items() if key not in ("folder", "fault")}
    write_atomically(run.folder / "run.json", json.dumps(facts, indent=1) + "\n")
    return run


def list_runs(root: Path) -> list[Run]:
    """Return the project's runs, oldest first. Those that are damaged, or dated in the future, come before all others.

    A folder with neither a `run.json` nor a run's name is ignored.
    """
    folder = root / "runs"
    places = folder.iterdir() if folder.is_dir() else ()
    runs = [_read(place) for place in places if (place / "run.json").is_file() or _is_run(place)]
    return sorted(runs, key=lambda run: (not (run.fault or run.is_dated_in_future), run.created, run.id))


def _is_run(place: Path) -> bool:
    return bool(_ID.fullmatch(place.name)) and place.is_dir()


def _read(folder: Path) -> Run:
    """Read a run; if it is damaged, its `fault` says why."""
    file = folder / "run.json"
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        run = Run(
            folder, **{each.name: facts[each.name] for each in fields(Run) if each.name not in ("folder", "fault")}
        )
        datetime.fromisoformat(run.created)
        return run
    except FileNotFoundError:
        fault = "run.json is missing"
    except OSError as error:
        fault = f"run.json cannot be read: {error.strerror}"
    except (ValueError, TypeError, KeyError):
        fault = "run.json is not what the kit writes: it is empty, or was cut off"
    return Run(folder, "", None, "", "", f"Damaged: {fault}. The other runs are not affected.")


def _status_of(line: bytes) -> Status | None:
    """Return the state in a line; None for any other line."""
    try:
        status = Status(**json.loads(line))
    except (ValueError, TypeError):
        return None
    return status if status.state in get_args(State) else None


def find_run(root: Path, ref: str = "latest") -> Run:
    """Return a run by its id, by a unique part of its id, or the latest.

    Raises InputError: with the nearest id if there is none, with the candidates if there are several.
    """
    runs = list_runs(root)
    if not runs:
        raise InputError("There are no runs here.", str(root), "Make one with: kit train")
    found = runs[-1:] if ref == "latest" else [run for run in runs if ref in run.id]
    exact = [run for run in found if run.id == ref]
    if len(exact or found) == 1:
        return _whole((exact or found)[0])
    names = [run.id for run in runs]
    if found:
        raise InputError(f"'{ref}' fits several runs.", str(root), f"They are: {', '.join(run.id for run in found)}.")
    raise InputError(f"There is no run '{ref}'.", str(root), nearest(ref, names) or f"The latest is {names[-1]}.")


def _whole(run: Run) -> Run:
    if run.fault:
        raise UnreadableRun(run.fault, str(run.folder))
    return run


def unfinished_run(root: Path, recipe: Recipe, data_digest: str) -> Run:
    """Return the latest run of the same recipe and data that did not finish and is not running.

    Raises InputError if there is none.
    """
    wanted = (recipe.digest(), data_digest)
    runs = list_runs(root)
    same = [run for run in runs if (run.recipe_digest, run.data_digest) == wanted]
    unfinished = [run for run in same if run.status().state in ("new", "interrupted", "failed")]
    if unfinished:
        return unfinished[-1]
    what = "The runs of this recipe and data are finished or still running." if same else _CHANGED
    damaged = [Problem(run.fault, str(run.folder)) for run in runs if run.fault]
    raise InputError([Problem(what, str(root / "runs"), "Leave out --resume to start a new run."), *damaged])
