"""One training run in a process of its own: by our loop, or by TRL's SFTTrainer on padded or on packed rows.

`python -m bench.shared.trainers '{"trainer": "packed", "workload": "nothing_shared"}' FOLDER` trains, and ends with one
line of JSON. All train the same rows with the same adapter, in the same type, on as many threads, in as many steps.
What is timed is training alone: without imports, loading, and the preparation of rows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from bench.shared.commands import ROOT
from bench.shared.workloads import WORKLOADS, Workload
from kit.base import NANO, find_base
from kit.data.rows import Row
from kit.errors import KitError, Unmeasured
from kit.system.machine import compute_type

Trainer = Literal["ours", "padded", "packed"]
TRAINERS: tuple[Trainer, ...] = ("ours", "padded", "packed")
_AT_ONCE = 4096  # tokens that the peer computes at one time, or one row where that is longer


@dataclass(frozen=True)
class Run:
    """What to train, and who trains it. `settings` change our recipe's; `rows` is how many of the rows are taken."""

    trainer: Trainer
    workload: str
    base: str = "nano"
    rows: int | None = None
    settings: dict[str, Any] | None = None

    def chosen(self) -> Workload:
        """The rows and how they are trained."""
        whole = WORKLOADS[self.workload]()
        section = whole.section.model_copy(update=self.settings or {})
        return replace(whole, rows=whole.rows[: self.rows], section=section)


@dataclass(frozen=True)
class Outcome:
    """What a run took. `peak` is in bytes above what the loaded model takes; `adapter` is a folder in peft's form.

    `type` is what ours computed in; `slower` names what it computed in the model's own form, as it had to.
    """

    seconds: float
    rows: float
    steps: int
    peak: int
    adapter: str
    type: str = ""
    slower: str = ""

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.rows / self.seconds

    def way(self) -> str:
        """Return how ours was computed, to be put behind a line; empty for a peer."""
        return "".join(f", {fact}" for fact in (self.type, self.slower) if fact)


def perform(run: Run, folder: Path) -> Outcome:
    """Train in a fresh process; the adapter is saved under the folder. Raises KitError where that fails."""
    command = [sys.executable, "-m", "bench.shared.trainers", json.dumps(asdict(run)), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise KitError(f"Training {run.workload} ({run.trainer}) ended with {done.returncode}: {done.stderr[-600:]}")
    outcome = Outcome(**json.loads(done.stdout.splitlines()[-1]))
    print(
        f"{run.workload} {run.trainer}: {outcome.rate:.2f} rows/s, {outcome.steps} steps{outcome.way()}",
        file=sys.stderr,
    )
    return outcome


def new_folder(folder: Path) -> Path:
    """Make a folder for a run's adapter."""
    return Path(tempfile.mkdtemp(dir=folder))


def needs_peer() -> None:
    """Raise Unmeasured where TRL is not installed."""
    try:
        import trl  # noqa: F401
    except ImportError:
        raise Unmeasured("TRL is not installed.", next="make bench-train, or: pip install 'domainkit[bench]'") from None


def _ours(run: Run, folder: Path) -> Outcome:
    """The loop that `kit train` runs, from the first step to the saved checkpoint."""
    from kit.train.events import Event, Planned
    from kit.train.fit.memory import forget_peak, peak_bytes
    from kit.train.job import TrainJob
    from kit.train.loop import train
    from kit.train.state.machine import physical_cores, training_device

    work, base, device = run.chosen(), find_base(run.base), training_device()
    loaded = _model(run, work, device)
    resident = forget_peak(device)
    del loaded
    job = TrainJob(base, "bfloat16", work.section, work.rows, (), _pad(), folder, threads=physical_cores())

    events: list[Event] = []
    trained = train(job, None, events.append)
    planned = next(event for event in events if isinstance(event, Planned))
    return Outcome(
        trained.seconds, len(work.rows) * work.section.epochs, trained.step, peak_bytes(device) - resident,
        str(trained.adapter), planned.compute, "; ".join(planned.slower),
    )  # fmt: skip


def _peer(run: Run, folder: Path) -> Outcome:
    """TRL's SFTTrainer, with the loss on answers alone: our adapter as it begins, and the rows of our steps."""
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTTrainer

    from kit.train.fit.memory import forget_peak, peak_bytes
    from kit.train.plan.plan import make_plan
    from kit.train.state.machine import physical_cores, training_device

    torch.set_num_threads(physical_cores())
    work, device = run.chosen(), training_device()
    ordered = [work.rows[index] for step in make_plan(work.rows, work.section).steps for index in sorted(step.rows)]
    rows = Dataset.from_list([{"input_ids": row.ids, "completion_mask": _supervised(row)} for row in ordered])
    trainer = SFTTrainer(
        model=_model(run, work, device),
        args=_peer_settings(run, work, rows, folder),
        train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(NANO),
    )
    resident, began = forget_peak(device), time.perf_counter()
    trainer.train()
    seconds, peak = time.perf_counter() - began, peak_bytes(device) - resident
    trainer.save_model(str(folder / "adapter"))
    return Outcome(seconds, len(rows), trainer.state.global_step, peak, str(folder / "adapter"))


def _model(run: Run, work: Workload, device: Any) -> Any:
    """The base in the type that this machine is faster in, with the adapter as it begins."""
    from kit.train.model.methods import attach, load_base

    base, compute = find_base(run.base), compute_type("auto", "bfloat16", device.type)
    return attach(load_base(base, "bfloat16", work.section, device, compute), work.section, base.name)


def _supervised(row: Row) -> list[int]:
    return [int(at >= row.answer_start) for at in range(len(row.ids))]


def _peer_settings(run: Run, work: Workload, rows: Any, folder: Path) -> Any:
    """Our section in TRL's words. Micro-batches hold some 4,096 tokens; without checkpointing, which only slows it."""
    from trl import SFTConfig

    from kit.train.state.machine import training_device

    device, section, longest = training_device().type, work.section, work.longest
    packed, together = run.trainer == "packed", divisor(section.batch_rows, max(1, _AT_ONCE // longest))
    pack, packs = _pack_length(work, rows, max(longest, _AT_ONCE)) if packed else (section.max_length, 0)
    return SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=1 if packed else together,
        gradient_accumulation_steps=packs if packed else section.batch_rows // together,
        packing=packed,
        max_length=pack,
        completion_only_loss=True,
        num_train_epochs=1,
        train_sampling_strategy="sequential",
        learning_rate=section.learning_rate,
        lr_scheduler_type=section.schedule,
        max_grad_norm=section.clip,
        weight_decay=section.weight_decay,
        bf16=compute_type("auto", "bfloat16", device) == "bfloat16",
        gradient_checkpointing=False,
        use_cpu=device == "cpu",
        seed=section.seed,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )  # fmt: skip


def divisor(whole: int, most: int) -> int:
    """The largest divisor that is at most so large."""
    return next(part for part in range(min(whole, most), 0, -1) if whole % part == 0)


def _pack_length(work: Workload, rows: Any, most: int) -> tuple[int, int]:
    """Return the shortest packs, and how many make a step, with which the peer makes as many steps as there would be.

    Without that, an epoch of packed rows ends after more or fewer steps than one of padded rows.
    """
    from trl import pack_dataset

    steps = -(-len(rows) // work.section.batch_rows)
    packs = -(-work.tokens // steps // most)
    length = max(work.longest, work.tokens // (steps * packs))
    while len(pack_dataset(rows.remove_columns("completion_mask"), length, "bfd")) > steps * packs:
        length += max(1, length // 200)
    return length, packs


def _pad() -> int:
    from bench.shared.clauses import RENDERER

    return RENDERER.pad_id


if __name__ == "__main__":
    _asked = Run(**json.loads(sys.argv[1]))
    _found = (_ours if _asked.trainer == "ours" else _peer)(_asked, Path(sys.argv[2]))
    print(json.dumps(asdict(_found)), flush=True)
