"""Small real parts: the nano base, a few short rows that can be learned, and a job with them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kit.base import find_base
from kit.data.rows import Row
from kit.recipe import TrainSection
from kit.train.events import Event, Planned
from kit.train.job import TrainJob
from kit.train.model.recompute import recomputing
from kit.train.model.split import split_model

PAD = 6
TURN_END = 2


def copy_rows(count: int, seed: int = 0, shortest: int = 8, longest: int = 24, weight: float = 1.0) -> list[Row]:
    """Rows whose answer is the first three tokens of the prompt and the end of the turn."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        prompt = [draw.randrange(100, 140) for _ in range(draw.randint(shortest, longest))]
        ids = (*prompt, *prompt[:3], TURN_END)
        rows.append(Row(f"row-{seed}-{number}", f"group-{number}", ids, len(prompt), weight))
    return rows


def section(**settings: Any) -> TrainSection:
    """By default, six steps of four rows with two evaluations."""
    common = {"learning_rate": 2e-3, "epochs": 1, "batch_rows": 4, "evaluations": 2, "lora": {"rank": 8}}
    return TrainSection.model_validate({**common, **settings})


def job(
    folder: Path, rows: Sequence[Row] | None = None, train: TrainSection | None = None, **settings: Any
) -> TrainJob:
    """A job on nano, on one thread."""
    common: dict[str, Any] = {"threads": 1, "validation": copy_rows(4, seed=1)}
    return TrainJob(
        base=settings.pop("base", find_base("nano")),
        dtype=settings.pop("dtype", "bfloat16"),
        section=train or section(),
        rows=copy_rows(24) if rows is None else rows,
        pad_id=PAD,
        folder=folder,
        **{**common, **settings},
    )


def planned_of(events: Sequence[Event]) -> Planned:
    """Return the event with the plan of a run."""
    return next(event for event in events if isinstance(event, Planned))


def bytes_stored(model: Any, ids: Tensor) -> int:
    """Return the bytes that the layers store for the backward pass, without parameters."""
    held = {each.untyped_storage().data_ptr() for each in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in held and isinstance(cheap.pack(tensor), Tensor):
            kept[address] = tensor
        return tensor

    with recomputing() as cheap, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        split_model(model).hidden(ids)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
