"""Train tiny test jobs as one of several processes, after one job with different rows per process was refused."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from kit.base import Base
from kit.data.rows import Row
from kit.errors import KitError
from kit.train.distributed.sharded import gathered_weights, local_bytes, shard
from kit.train.events import Event, Stepped
from kit.train.fit import memory
from kit.train.job import Stopped, TrainJob
from kit.train.loop import train
from kit.train.model.methods import attach, load_base
from kit.train.model.split import split_model
from tests.kit.train.parts import TURN_END, copy_rows, job, section

SHARDED: Mapping[str, Mapping[str, Any]] = {
    "sharded": {},
    "sharded-rank-1": {"lora": {"rank": 1, "targets": ["q_proj", "down_proj"]}},
    "sharded-pissa": {"lora": {"rank": 8, "initialisation": "pissa"}},
    "sharded-dora": {"lora": {"rank": 8, "dora": True}},
    "sharded-full": {"method": "full"},
    "sharded-bottleneck": {"method": "bottleneck"},
    "sharded-forest": {},
    "sharded-forest-full": {"method": "full"},
    "sharded-minutes": {"max_minutes": 60.0},
    "sharded-bfloat16": {"compute": "bfloat16"},
}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "ewc": {"ewc": {"data": "unused.jsonl", "strength": 1e4}},
    **{name: {"parallel": "sharded", **settings} for name, settings in SHARDED.items()},
}
"""Settings of the jobs by name. The penalty is strong enough to change every step after the first."""
RESUMED = ("plain", "sharded", "sharded-full", "sharded-pissa", "sharded-bottleneck")
STOPPED_AT = 2


def ranked_job(folder: Path, base: Path, variant: str = "plain", rows: int = 20) -> TrainJob:
    """Steps of eight rows in several micro-batches, so that processes have unequal shares; the last step is short."""
    common = {"batch_rows": 8, "batch_tokens": 64, "epochs": 2, "learning_rate": 1e-3}
    settings = section(**common, **VARIANTS[variant])
    given = {"reference": copy_rows(4, seed=5)} if settings.ewc else {}
    made = forest_rows(rows) if "forest" in variant else copy_rows(rows)
    tiny = Base(str(base), None, base)
    kind = "bfloat16" if "bfloat16" in variant else "float32"
    return job(folder, rows=made, train=settings, base=tiny, dtype=kind, metric="mean_logit", **given)


def forest_rows(count: int) -> list[Row]:
    """Rows with a shared prefix, which are computed as a forest; three of them fit into a micro-batch."""
    trunk = [100 + (number * 7) % 40 for number in range(40)]
    rows = [(*trunk, *row.ids[-8:]) for row in copy_rows(count)]
    return [Row(f"row-{number}", "g", (*ids[:-1], TURN_END), len(ids) - 3) for number, ids in enumerate(rows)]


def scorer(model: Any) -> Mapping[str, float | None]:
    """Run the model like an engine, with its own forward pass."""
    logits = model.get_base_model()(input_ids=torch.arange(100, 130)[None]).logits
    return {"mean_logit": float(logits.square().mean())}


def parted(base: Path) -> None:
    """Print the share of the weights that this process holds, before, while and after they are gathered."""
    settings, cpu = section(), torch.device("cpu")
    model = attach(load_base(Base(str(base), None, base), "float32", settings, cpu), settings, "tiny")
    body = shard(split_model(model), cpu)
    total = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    shares = [sum(map(local_bytes, model.parameters())) / total]
    with gathered_weights(body):
        shares.append(sum(map(local_bytes, model.parameters())) / total)
    shares.append(sum(map(local_bytes, model.parameters())) / total)
    os.write(1, f"share {' '.join(map(str, shares))}\n".encode())  # one write: lines of two processes do not mix


def _one_byte(device: torch.device) -> int | None:
    return 1


def cramped(job: TrainJob) -> None:
    """Train while only the second process has too little memory, and print the error."""
    free = memory.free_memory
    if os.environ["RANK"] == "1":
        memory.free_memory = _one_byte
    try:
        train(job, None, lambda _: None)
    except KitError as error:
        print(f"cramped: {error}", flush=True)
    finally:
        memory.free_memory = free


def stop(event: Event) -> None:
    """Interrupt only the first process."""
    if isinstance(event, Stepped) and event.step == STOPPED_AT:
        os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    variant = ""

    def report(event: Event) -> None:
        if isinstance(event, Stepped):
            print(f"{variant} step {event.step} {event.loss!r} {event.gradient_norm!r}", flush=True)

    folder, base = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        train(ranked_job(folder / "unequal", base, rows=20 + int(os.environ["RANK"])), None, report)
    except KitError as error:
        print(f"refused: {error}", flush=True)
    for variant in VARIANTS:
        train(ranked_job(folder / variant, base, variant), scorer, report)
    for variant in RESUMED:
        cut = ranked_job(folder / f"{variant}-cut", base, variant)
        try:
            train(cut, scorer, stop)
        except Stopped as stopped:
            print(f"stopped: {stopped}", flush=True)
        train(replace(cut, resume=True), scorer, lambda _: None)
    parted(base)
    cramped(ranked_job(folder / "cramped", base, "sharded"))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
