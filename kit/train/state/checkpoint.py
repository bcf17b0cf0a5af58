"""Checkpoints: written atomically, verified when read, and refused if the run would not continue identically."""

from __future__ import annotations

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
from kit.system.files import file_digest
from kit.train.distributed.sharded import load_whole_state, whole_state
from kit.train.job import RunBroke, StepEvaluation
from kit.train.state.saved import StateDict, raw_state, restore_trained, trained_state, write_trained

_MANIFEST, _STATE, _HISTORY = "checkpoint.json", "state.pt", "history.json"


@dataclass(frozen=True)
class Cursor:
    """The progress of a run: finished and planned steps, seconds spent, and the conditions it depends on, by name."""

    step: int
    steps: int
    seconds: float
    setup: Mapping[str, str]


@dataclass(frozen=True)
class Snapshot:
    """The state of a model and its optimiser for a checkpoint; no tensor is sharded."""

    trained: StateDict
    optimizer: Mapping[str, Any]


def take_snapshot(model: PeftModel, optimizer: torch.optim.Optimizer) -> Snapshot:
    """Collect the state; if the model is sharded, all processes must call it."""
    return Snapshot(trained_state(model), whole_state(optimizer))


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint on disk."""

    folder: Path
    cursor: Cursor

    @property
    def adapter(self) -> Path:
        """The folder of the adapter in peft's format, or of the whole model."""
        return self.folder / "adapter"


class Checkpoints:
    """The checkpoints of a run: `step-000040/` with adapter, optimiser and random states, and `history.json`.

    A folder is written under a temporary name, synced and renamed, so every folder with its final name is complete.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def find(self, step: int) -> Path:
        """Return the folder of a step's checkpoint, even if it does not exist."""
        return self._folder / f"step-{step:06d}"

    def last(self) -> Checkpoint | None:
        """Return the last checkpoint after verifying its files against their digests.

        Raises RunBroke if a file was changed.
        """
        folders = sorted(self._folder.glob("step-*"))
        return _verified(folders[-1]) if folders else None

    def save(self, model: PeftModel, held: Snapshot, cursor: Cursor) -> None:
        """Write a checkpoint, unless there is already one of this step: it would be the same.

        Raises RunBroke if it cannot be written; earlier checkpoints stay intact.
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
        except (OSError, RuntimeError, SafetensorError) as error:  # each library reports a full disk in its own way
            shutil.rmtree(draft, ignore_errors=True)
            what = f"The checkpoint of step {cursor.step} could not be written: {error}."
            advice = "Earlier checkpoints are intact. Free disk space, then continue with: kit train --resume"
            raise RunBroke(what, str(self._folder), advice) from error

    def restore_weights(self, checkpoint: Checkpoint, model: PeftModel) -> None:
        """Restore the trained weights of a model that is not sharded yet."""
        restore_trained(model, checkpoint.adapter, _state(checkpoint)["raw"])

    def restore_optimiser(self, checkpoint: Checkpoint, optimizer: torch.optim.Optimizer) -> None:
        """Restore the optimiser and the random states."""
        state = _state(checkpoint)
        load_whole_state(optimizer, state["optimizer"])
        set_random_state(state["random"])

    def keep(self, steps: set[int]) -> None:
        """Remove every other checkpoint."""
        wanted = {self.find(step) for step in steps}
        for folder in set(self._folder.glob("step-*")) - wanted:
            shutil.rmtree(folder.rename(folder.with_name(f".removed-{folder.name}")))

    def read_history(self, up_to: int) -> list[StepEvaluation]:
        """Return the evaluations up to a step."""
        file = self._folder / _HISTORY
        try:
            made = [StepEvaluation(**item) for item in json.loads(file.read_text())] if file.is_file() else []
        except (ValueError, TypeError):
            what = "The evaluations of the run cannot be read, so the best checkpoint is unknown."
            raise RunBroke(what, str(file), "Start a new run, without --resume.") from None
        return [evaluation for evaluation in made if evaluation.step <= up_to]

    def write_history(self, history: Sequence[StepEvaluation]) -> None:
        """Replace the list of evaluations."""
        draft = self._folder / f".{_HISTORY}"
        draft.write_text(json.dumps([asdict(evaluation) for evaluation in history], indent=1) + "\n")
        _publish(draft, self._folder / _HISTORY)


def refuse_other(found: Mapping[str, str], here: Mapping[str, str], where: Path) -> None:
    """Raise InputError if a checkpoint was made under other conditions than the current ones."""
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
    """Return the states of all random generators that training uses."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}


def set_random_state(state: Mapping[str, Any]) -> None:
    """Restore the states."""
    torch.set_rng_state(state["cpu"])
    torch.cuda.set_rng_state_all(state["cuda"])


def _state(checkpoint: Checkpoint) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(checkpoint.folder / _STATE, weights_only=True, map_location="cpu")
    return state


def _write_manifest(folder: Path, cursor: Cursor) -> None:
    files = {str(path.relative_to(folder)): file_digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    (folder / _MANIFEST).write_text(json.dumps({"cursor": asdict(cursor), "files": files}, indent=1) + "\n")


def _verified(folder: Path) -> Checkpoint:
    manifest = json.loads((folder / _MANIFEST).read_text())
    for name, digest in manifest["files"].items():
        path = folder / name
        if not path.is_file() or file_digest(path) != digest:
            advice = f"Remove {folder} to continue from the checkpoint before it."
            raise RunBroke("The file differs from what was saved.", str(path), advice)
    return Checkpoint(folder, Cursor(**manifest["cursor"]))


def _publish(draft: Path, target: Path) -> None:
    """Rename a draft to its final name once all of it is on disk."""
    sync_tree(draft)
    draft.replace(target)
    sync_folder(target.parent)
