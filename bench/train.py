"""Our training against TRL's SFTTrainer: the same rows, base, adapter, learning rate and number of optimiser steps.

A ratio is ours over the better of the peer's two forms, padded and packed rows, from runs in turn, each in a process of
its own. `held_out_loss` says what the prefix-sharing order of rows costs.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from bench.clauses import RENDERER, difference, shown
from bench.harness import Figures, ratio_of, short
from bench.trainers import Outcome, Run, Trainer, needs_peer, perform
from bench.tuning import evaluated
from bench.workloads import WORKLOADS, legal_task
from kit.base import NANO, find_base
from kit.errors import KitError
from kit.evals.run import values_of

_TRAINERS: tuple[Trainer, ...] = ("ours", "padded", "packed")
_ROUNDS = 3
_TOLERANCE = 0.02
_WIDE = {"hidden_size": 1024, "intermediate_size": 3072, "num_attention_heads": 16, "num_key_value_heads": 8}
_SEEDS = (0, 1, 2)

Figure = dict[str, float | int | str]


def measure() -> Figures:
    """Return rows per second of three workloads, peak memory, time to the same score, and what the order costs."""
    needs_peer()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {
            "rows_per_s.shared_context": _speed("shared_context", folder, rows=80),
            "rows_per_s.shared_prompt": _speed("shared_prompt", folder),
            "rows_per_s.nothing_shared": _speed("nothing_shared", folder),
            "peak_memory": _memory(folder),
            "time_to_score.legal": _time_to_score(folder),
            **_orders(folder),
            "peer": {"is": f"SFTTrainer of TRL {metadata.version('trl')}"},
        }


def _speed(workload: str, folder: Path, rows: int | None = None) -> Figure:
    """Rows per second, ours over the better of the peer's forms in every round."""
    rounds = list(_rounds([Run(trainer, workload, rows=rows) for trainer in _TRAINERS], folder))
    ratio = ratio_of([(ours.rate, max(padded.rate, packed.rate)) for ours, padded, packed in rounds])
    rates = {form: statistics.median(outcomes[at].rate for outcomes in rounds) for at, form in enumerate(_TRAINERS)}
    losses = {form: _loss(workload, outcome) for form, outcome in zip(_TRAINERS, rounds[-1], strict=True)}
    better: Trainer = "packed" if rates["packed"] > rates["padded"] else "padded"
    _refuse_unlike(workload, losses["ours"], losses[better])
    forms: Figure = {form: short(rates[form]) for form in _TRAINERS[1:]}
    named: Figure = {f"{form}_loss": short(loss) for form, loss in losses.items()}
    return {**ratio.figure("rows/s"), **forms, **named, "steps": rounds[-1][0].steps}


def _rounds(runs: Sequence[Run], folder: Path) -> Iterator[list[Outcome]]:
    """Run all in turn, beginning with another one every time."""
    for number in range(_ROUNDS):
        order = [(number + offset) % len(runs) for offset in range(len(runs))]
        found = {at: perform(runs[at], _new(folder)) for at in order}
        yield [found[at] for at in range(len(runs))]


def _memory(folder: Path) -> Figure:
    """Peak bytes above what the loaded model takes, with a wide base, on rows that share nothing; lower is better."""
    base = str(_wide_base(_new(folder)))
    ours, padded, packed = (
        perform(Run(trainer, "nothing_shared", base, rows=16), _new(folder)) for trainer in _TRAINERS
    )
    theirs = min(padded.peak, packed.peak)
    mib = {"ours": ours.peak >> 20, "theirs": theirs >> 20, "padded": padded.peak >> 20, "packed": packed.peak >> 20}
    return {"ratio": short(ours.peak / theirs), **mib, "unit": "MiB"}


def _time_to_score(folder: Path) -> Figure:
    """Seconds of the smoke profile's whole training, theirs over ours, and the score that both come to.

    The peer trains in the form that was faster on some of the rows. Raises KitError where ours scores clearly less.
    """
    pilots = {form: perform(Run(form, "legal", rows=256), _new(folder)).rate for form in _TRAINERS[1:]}
    form: Trainer = max(pilots, key=lambda each: pilots[each])
    ours, theirs = (perform(Run(trainer, "legal"), _new(folder)) for trainer in ("ours", form))
    task, examples = legal_task()
    name, base = task.main_metric, find_base("nano")
    peers, own = (evaluated(task, base, Path(each.adapter), examples, 2048) for each in (theirs, ours))
    change = difference(peers, own, name, task.metrics[name])
    if change is not None and change.verdict == "worse":
        raise KitError(f"Ours scored {change.difference:+.3f} against {form}: these are not times to the same score.")
    return {
        "ratio": short(theirs.seconds / ours.seconds), "ours": short(ours.seconds), "theirs": short(theirs.seconds),
        "unit": "s", "form": form, "score": short(values_of(task, own)[name] or 0),
        "their_score": short(values_of(task, peers)[name] or 0), **shown(change), "steps": ours.steps,
    }  # fmt: skip


def _orders(folder: Path) -> Figures:
    """Held-out loss and speed of both orders at equal rows, over seeds that also decide where the adapter begins."""
    figures: dict[str, Figure] = {}
    for order in ("exact", "grouped"):
        runs = [
            perform(Run("ours", "shared_context", settings={"order": order, "seed": seed, "epochs": 2}), _new(folder))
            for seed in _SEEDS
        ]
        losses = [_loss("shared_context", run) for run in runs]
        spread: Figure = {
            "low": short(min(losses)),
            "high": short(max(losses)),
            "runs": len(runs),
            "unit": "nats per token",
        }
        rate: Figure = {"rows_per_s": short(statistics.median(run.rate for run in runs)), "steps": runs[0].steps}
        figures[f"held_out_loss.{order}"] = {"mean": short(statistics.mean(losses)), **spread, **rate}
    return figures


def _loss(workload: str, outcome: Outcome) -> float:
    """Nats per supervised token on the workload's held-out rows, computed by one program for all trainers."""
    from peft import PeftModel

    from kit.train.loss import split_model
    from kit.train.machine import training_device
    from kit.train.model import load_model
    from kit.train.optimiser import Optimiser
    from kit.train.plan import make_plan

    work, device = WORKLOADS[workload](), training_device()
    model = PeftModel.from_pretrained(
        load_model(find_base("nano"), "float32", device), outcome.adapter, is_trainable=True
    )
    measuring = Optimiser(split_model(model.eval()), make_plan(work.held_out, work.section), RENDERER.pad_id, device)
    loss = measuring.validation_loss(work.held_out)
    assert loss is not None, "held-out rows are supervised"
    return loss


def _refuse_unlike(workload: str, ours: float, theirs: float) -> None:
    """Raise KitError where the two did not come to the same: then their speeds say nothing."""
    if abs(ours / theirs - 1) > _TOLERANCE:
        what = f"After {workload} the held-out losses differ by more than {_TOLERANCE:.0%}"
        raise KitError(f"{what}: ours {ours:.4f}, theirs {theirs:.4f}.")


def _wide_base(folder: Path) -> Path:
    """Write a base of nano's kind with random weights, wide enough that layers and not logits decide what is stored."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(NANO)
    config.update(_WIDE)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    for file in NANO.iterdir():
        if not (folder / file.name).exists() and file.suffix in {".json", ".jinja"}:
            shutil.copy(file, folder)
    return folder


def _new(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))
