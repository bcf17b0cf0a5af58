"""Checkpoints of a pretraining run: the last, and the one before the learning rate fell."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from kit.errors import InputError
from pretrain.schedule import Limit

LAST, STABLE = "last.pt", "stable.pt"


@dataclass(frozen=True)
class Cursor:
    """The progress of a run: optimiser steps, tokens read, seconds of training.

    `fell_at` is the number of tokens at which the learning rate started to fall; None before.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    fell_at: int | None = None


class Checkpoints:
    """Writes and reads the checkpoints of a run; `setup` must be the same to resume."""

    def __init__(self, folder: Path, setup: dict[str, Any]) -> None:
        self._folder, self._setup = folder, setup
        folder.mkdir(parents=True, exist_ok=True)

    def save(
        self, name: str, model: Any, optimisers: Sequence[torch.optim.Optimizer], cursor: Cursor, limit: Limit
    ) -> None:
        """Write a checkpoint atomically: a reader sees the old one or the new one."""
        content = {
            "setup": self._setup,
            "cursor": asdict(cursor),
            "limit": asdict(limit),
            "model": model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in optimisers],
        }
        part = self._folder / f".{name}"
        with part.open("wb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(self._folder / name)

    def restore(self, model: Any, optimisers: Sequence[torch.optim.Optimizer], limit: Limit) -> Cursor:
        """Restore the last checkpoint, and return its progress; a new run starts at 0.

        If the learning rate already fell towards another limit, the run resumes from before the fall. Raises InputError
        if the folder holds another run.
        """
        content = self._read(LAST)
        if content and content["cursor"]["fell_at"] is not None and content["limit"] != asdict(limit):
            content = self._read(STABLE)
        if content is None:
            return Cursor()
        if content["setup"] != self._setup:
            names = sorted(key for key in self._setup if self._setup[key] != content["setup"].get(key))
            what = f"This folder holds a run with other settings: {', '.join(names)}."
            raise InputError(what, str(self._folder), "Choose another folder with --out.")
        model.load_state_dict(content["model"])
        for optimiser, state in zip(optimisers, content["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        return Cursor(**content["cursor"])

    def _read(self, name: str) -> dict[str, Any] | None:
        file = self._folder / name
        return dict(torch.load(file, map_location="cpu", weights_only=True)) if file.is_file() else None
