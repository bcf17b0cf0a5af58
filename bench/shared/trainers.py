"""One training run in its own process: by our loop, or by TRL's SFTTrainer on padded or packed rows.

`python -m bench.shared.trainers '{"trainer": "packed", "workload": "nothing_shared"}' FOLDER` trains and prints one
line of JSON at the end. All trainers use the same rows, adapter, type, number of threads and number of steps. The time
is that of training alone, without imports, loading and the preparation of rows.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from bench.shared.commands import environment
from bench.shared.workloads import WORKLOADS, Workload
from kit.base import NANO, find_base
from kit.data.rows import Row
from kit.errors import KitError
from kit.system.machine import compute_type

Trainer = Literal["ours", "padded", "packed"]
TRAINERS: tuple[Trainer, ...] = ("ours", "padded", "packed")
_AT_ONCE = 4096  # tokens in a micro-batch of the peer; a longer row is its own micro-batch


@dataclass(frozen=True)
class Run:
    """A trainer and its workload. `settings` override those of the workload; `rows` takes only the first rows."""

    trainer: Trainer
    workload: str
    base: str = "nano"
    rows: int | None = None
    settings: dict[str, Any] | None = None

    def selected(self) -> Workload:
        """Return the workload with this run's rows and settings."""
        whole = WORKLOADS[self.workload]()
        section = whole.section.model_copy(update=self.settings or {})
        return replace(whole, rows=whole.rows[: self.rows], section=section)


@dataclass(frozen=True)
class RunCost:
    """The cost of a run. `peak` is in bytes beyond the loaded model; `adapter` is a folder in peft's format.

    For our trainer, `type` is the type of computation, and `slower` names layers without a fused form.
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

    def suffix(self) -> str:
        """Return `type` and `slower` as the end of a line; empty for the peer."""
        return "".join(f", {fact}" for fact in (self.type, self.slower) if fact)


def perform(run: Run, folder: Path) -> RunCost:
    """Train in a new process and save the adapter under the folder. Raises KitError if that fails."""
    command = [sys.executable, "-m", "bench.shared.trainers", json.dumps(asdict(run)), str(folder)]
    offline = environment(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=offline)
    if done.returncode != 0:
        raise KitError(f"Training {run.workload} ({run.trainer}) ended with {done.returncode}: {done.stderr[-600:]}")
    outcome = RunCost(**json.loads(done.stdout.splitlines()[-1]))
    print(
        f"{run.workload} {run.trainer}: {outcome.rate:.2f} rows/s, {outcome.steps} steps{outcome.suffix()}",
        file=sys.stderr,
    )
    return outcome


def new_folder(folder: Path) -> Path:
    """Create a folder for a run's adapter."""
    return Path(tempfile.mkdtemp(dir=folder))


def _ours(run: Run, folder: Path) -> RunCost:
    """Run the loop of `kit train`, from the first step to the saved checkpoint."""
    from kit.train.events import Event, Planned
    from kit.train.fit.memory import forget_peak, peak_bytes
    from kit.train.job import TrainJob
    from kit.train.loop import train
    from kit.train.state.conditions import physical_cores, training_device

    work, base, device = run.selected(), find_base(run.base), training_device()
    loaded = _model(run, work, device)
    resident = forget_peak(device)
    del loaded
    job = TrainJob(base, "bfloat16", work.section, work.rows, (), _pad(), folder, threads=physical_cores())

    events: list[Event] = []
    trained = train(job, None, events.append)
    planned = next(event for event in events if isinstance(event, Planned))
    return RunCost(
        trained.seconds, len(work.rows) * work.section.epochs, trained.step, peak_bytes(device) - resident,
        str(trained.adapter), planned.compute, "; ".join(planned.slower),
    )  # fmt: skip


def _peer(run: Run, folder: Path) -> RunCost:
    """Run TRL's SFTTrainer with the loss on answers only, from our initial adapter, on the rows of our steps."""
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTTrainer

    from kit.train.fit.memory import forget_peak, peak_bytes
    from kit.train.plan.plan import make_plan
    from kit.train.state.conditions import physical_cores, training_device

    torch.set_num_threads(physical_cores())
    work, device = run.selected(), training_device()
    ordered = [work.rows[index] for step in make_plan(work.rows, work.section).steps for index in sorted(step.rows)]
    rows = Dataset.from_list([{"input_ids": row.ids, "completion_mask": _supervised(row)} for row in ordered])
    trainer = SFTTrainer(
        model=_model(run, work, device),
        args=_peer_settings(run, work, rows, folder),
        train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(NANO),
    )
    resident, started = forget_peak(device), time.perf_counter()
    trainer.train()
    seconds, peak = time.perf_counter() - started, peak_bytes(device) - resident
    trainer.save_model(str(folder / "adapter"))
    return RunCost(seconds, len(rows), trainer.state.global_step, peak, str(folder / "adapter"))


def _model(run: Run, work: Workload, device: Any) -> Any:
    """Return the base in the faster type of this machine, with the initial adapter."""
    from kit.train.model.methods import attach, load_base

    base, compute = find_base(run.base), compute_type("auto", "bfloat16", device.type)
    return attach(load_base(base, "bfloat16", work.section, device, compute), work.section, base.name)


def _supervised(row: Row) -> list[int]:
    return [int(at >= row.answer_start) for at in range(len(row.ids))]


def _peer_settings(run: Run, work: Workload, rows: Any, folder: Path) -> Any:
    """Translate our section for TRL. Gradient checkpointing is off, because it would only slow the peer down."""
    from trl import SFTConfig

    from kit.train.state.conditions import training_device

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
    """Return the largest divisor of `whole` that is at most `most`."""
    return next(part for part in range(min(whole, most), 0, -1) if whole % part == 0)


def _pack_length(work: Workload, rows: Any, most: int) -> tuple[int, int]:
    """Return the shortest length of a pack, and the packs in a step, that give the peer as many steps as padded rows.

    Otherwise an epoch of packed rows has more or fewer steps.
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
