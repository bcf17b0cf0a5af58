"""Checkpoints: whole or not there, verified when read, and refused where going on would not be the same run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError

from kit.errors import InputError, Problem
from kit.system.disk import sync_folder, sync_tree
from kit.train.distributed.sharded import put_state_back, whole_state
from kit.train.job import Evaluation, RunBroke
from kit.train.state.saved import StateDict, put_back, raw_state, trained_state, write_trained

_MANIFEST, _STATE, _HISTORY = "checkpoint.json", "state.pt", "history.json"


@dataclass(frozen=True)
class Cursor:
    """Where a run stands: finished steps of all, seconds spent, and what it depends on, by name."""

    step: int
    steps: int
    seconds: float
    setup: Mapping[str, str]


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint holds of a model and its optimiser, all tensors whole."""

    trained: StateDict
    optimizer: Mapping[str, Any]


def take_snapshot(model: PeftModel, optimizer: torch.optim.Optimizer) -> Snapshot:
    """Collect it; of a sharded model, all processes have to."""
    return Snapshot(trained_state(model), whole_state(optimizer))


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint on disk."""

    folder: Path
    cursor: Cursor

    @property
    def adapter(self) -> Path:
        """The adapter's folder in peft's format, or the whole model's."""
        return self.folder / "adapter"


class Checkpoints:
    """The checkpoints of one run: `step-000040/` with the adapter, the optimiser and the random states; `history.json`.

    A folder is written under another name, synced, and renamed, so a name that is there is complete.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def find(self, step: int) -> Path:
        """The folder of a step's checkpoint, whether it is there or not."""
        return self._folder / f"step-{step:06d}"

    def last(self) -> Checkpoint | None:
        """Return the furthest checkpoint, its files verified against their digests.

        Raises RunBroke where a file is not what was written.
        """
        folders = sorted(self._folder.glob("step-*"))
        return _verified(folders[-1]) if folders else None

    def save(self, model: PeftModel, held: Snapshot, cursor: Cursor) -> None:
        """Write a checkpoint; one that is already there for this step is the same, and stays.

        Raises RunBroke where the disk does not take it; earlier checkpoints are untouched.
        """
        target, draft = self.find(cursor.step), self._folder / f".saving-{cursor.step}"
        if target.exists():
            return
        try:
            write_trained(model, held.trained, draft / "adapter")
            raw = raw_state(model, held.trained)
            state = {"optimizer": held.optimizer, "random": random_state(), "raw": raw}
            torch.save(state, draft / _STATE)
            _write_manifest(draft, cursor)
            _publish(draft, target)
        except (OSError, RuntimeError, SafetensorError) as error:  # each library has its own word for a full disk
            shutil.rmtree(draft, ignore_errors=True)
            what = f"The checkpoint of step {cursor.step} could not be written: {error}."
            advice = "The checkpoints before it are intact; make room and go on with: kit train --resume"
            raise RunBroke(what, str(self._folder), advice) from error

    def restore_weights(self, checkpoint: Checkpoint, model: PeftModel) -> None:
        """Put what is trained back into a model that is not sharded yet."""
        put_back(model, checkpoint.adapter, _state(checkpoint)["raw"])

    def restore_optimiser(self, checkpoint: Checkpoint, optimizer: torch.optim.Optimizer) -> None:
        """Put the optimiser and the random states back."""
        state = _state(checkpoint)
        put_state_back(optimizer, state["optimizer"])
        set_random_state(state["random"])

    def keep(self, steps: set[int]) -> None:
        """Remove every other checkpoint."""
        wanted = {self.find(step) for step in steps}
        for folder in set(self._folder.glob("step-*")) - wanted:
            shutil.rmtree(folder.rename(folder.with_name(f".removed-{folder.name}")))

    def read_history(self, up_to: int) -> list[Evaluation]:
        """Return the evaluations that were made up to a step."""
        file = self._folder / _HISTORY
        try:
            made = [Evaluation(**item) for item in json.loads(file.read_text())] if file.is_file() else []
        except (ValueError, TypeError):
            what = "The run's evaluations cannot be read, so the best checkpoint is not known."
            raise RunBroke(what, str(file), "Begin a new run, without --resume.") from None
        return [evaluation for evaluation in made if evaluation.step <= up_to]

    def write_history(self, history: Sequence[Evaluation]) -> None:
        """Replace the list of evaluations."""
        draft = self._folder / f".{_HISTORY}"
        draft.write_text(json.dumps([asdict(evaluation) for evaluation in history], indent=1) + "\n")
        _publish(draft, self._folder / _HISTORY)


def refuse_other(found: Mapping[str, str], here: Mapping[str, str], where: Path) -> None:
    """Raise InputError where a checkpoint was made under other conditions than those here."""
    problems = [
        Problem(f"The run was started with {name} {found.get(name, 'unknown')}; here it is {value}.", str(where))
        for name, value in here.items()
        if found.get(name) != value
    ]
    if found.get("layers") == "compiled":
        problems.append(Problem("The run was started by an earlier version, which compiled its layers.", str(where)))
    if problems:
        advice = "Resume it under the conditions that it started with, or start a new run without --resume."
        raise InputError([*problems[:-1], Problem(problems[-1].what, problems[-1].where, advice)])


def random_state() -> dict[str, Any]:
    """The states of every generator that training draws from."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}


def set_random_state(state: Mapping[str, Any]) -> None:
    """Put the states back."""
    torch.set_rng_state(state["cpu"])
    torch.cuda.set_rng_state_all(state["cuda"])


def _state(checkpoint: Checkpoint) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(checkpoint.folder / _STATE, weights_only=True, map_location="cpu")
    return state


def _write_manifest(folder: Path, cursor: Cursor) -> None:
    files = {str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    (folder / _MANIFEST).write_text(json.dumps({"cursor": asdict(cursor), "files": files}, indent=1) + "\n")


def _verified(folder: Path) -> Checkpoint:
    manifest = json.loads((folder / _MANIFEST).read_text())
    for name, digest in manifest["files"].items():
        path = folder / name
        if not path.is_file() or _digest(path) != digest:
            raise RunBroke("The file is not what was saved.", str(path), f"Remove {folder} to go on from before it.")
    return Checkpoint(folder, Cursor(**manifest["cursor"]))


def _publish(draft: Path, target: Path) -> None:
    """Rename a draft to its name once all of it is on disk."""
    sync_tree(draft)
    draft.replace(target)
    sync_folder(target.parent)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
