"""Our training against TRL's SFTTrainer: the same rows, base, adapter, learning rate and number of optimiser steps.

A ratio is ours over the better of the peer's two forms, padded and packed rows, from runs in turn, each in a process of
its own. `held_out_loss` says what the prefix-sharing order of rows costs.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from bench.shared.clauses import RENDERER, difference, shown
from bench.shared.harness import Figures, ratio_of, short
from bench.shared.trainers import TRAINERS, Outcome, Run, Trainer, needs_peer, new_folder, perform
from bench.shared.tuning import evaluated
from bench.shared.workloads import WORKLOADS, legal_task
from kit.base import find_base
from kit.errors import KitError
from kit.evals.run import values_of

_ROUNDS = 3
_TOLERANCE = 0.02
_SEEDS = (0, 1, 2)

Figure = dict[str, float | int | str]


def measure() -> Figures:
    """Return rows per second of three workloads, time to the same score, and what the order costs."""
    needs_peer()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {
            "rows_per_s.shared_context": _speed("shared_context", folder, rows=80),
            "rows_per_s.shared_prompt": _speed("shared_prompt", folder),
            "rows_per_s.nothing_shared": _speed("nothing_shared", folder),
            "time_to_score.legal": _time_to_score(folder),
            **{f"held_out_loss.{order}": _held_out(order, folder) for order in ("exact", "grouped")},
            "peer": {"is": f"SFTTrainer of TRL {metadata.version('trl')}"},
        }


def _speed(workload: str, folder: Path, rows: int | None = None) -> Figure:
    """Rows per second, ours over the better of the peer's forms in every round."""
    rounds = list(_rounds([Run(trainer, workload, rows=rows) for trainer in TRAINERS], folder))
    ratio = ratio_of([(ours.rate, max(padded.rate, packed.rate)) for ours, padded, packed in rounds])
    rates = {form: statistics.median(outcomes[at].rate for outcomes in rounds) for at, form in enumerate(TRAINERS)}
    losses = {form: _loss(workload, outcome) for form, outcome in zip(TRAINERS, rounds[-1], strict=True)}
    better: Trainer = "packed" if rates["packed"] > rates["padded"] else "padded"
    _refuse_unlike(workload, losses["ours"], losses[better])
    forms: Figure = {form: short(rates[form]) for form in TRAINERS[1:]}
    named: Figure = {f"{form}_loss": short(loss) for form, loss in losses.items()}
    ours = rounds[-1][0]
    way: Figure = {"type": ours.type, **({"slower": ours.slower} if ours.slower else {})}
    return {**ratio.figure("rows/s"), **forms, **named, "steps": ours.steps, **way}


def _rounds(runs: Sequence[Run], folder: Path) -> Iterator[list[Outcome]]:
    """Run all in turn, beginning with another one every time."""
    for number in range(_ROUNDS):
        order = [(number + offset) % len(runs) for offset in range(len(runs))]
        found = {at: perform(runs[at], new_folder(folder)) for at in order}
        yield [found[at] for at in range(len(runs))]


def _time_to_score(folder: Path) -> Figure:
    """Seconds of the smoke profile's whole training, theirs over ours, and the score that both come to.

    The peer trains in the form that was faster on some of the rows. Raises KitError where ours scores clearly less.
    """
    pilots = {form: perform(Run(form, "legal", rows=256), new_folder(folder)).rate for form in TRAINERS[1:]}
    form: Trainer = max(pilots, key=lambda each: pilots[each])
    ours, theirs = (perform(Run(trainer, "legal"), new_folder(folder)) for trainer in ("ours", form))
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


def _held_out(order: str, folder: Path) -> Figure:
    """Held-out loss and speed of an order of rows, over seeds that also decide where the adapter begins."""
    asked = [Run("ours", "shared_context", settings={"order": order, "seed": seed, "epochs": 2}) for seed in _SEEDS]
    runs = [perform(each, new_folder(folder)) for each in asked]
    losses = [_loss("shared_context", run) for run in runs]
    return {
        "mean": short(statistics.mean(losses)), "low": short(min(losses)), "high": short(max(losses)),
        "runs": len(runs), "unit": "nats per token",
        "rows_per_s": short(statistics.median(run.rate for run in runs)), "steps": runs[0].steps,
    }  # fmt: skip


def _loss(workload: str, outcome: Outcome) -> float:
    """Nats per supervised token on the workload's held-out rows, computed by one program for all trainers."""
    from peft import PeftModel

    from kit.train.model.loading import load_model
    from kit.train.model.split import split_model
    from kit.train.plan.plan import make_plan
    from kit.train.state.machine import training_device
    from kit.train.step.optimiser import Optimiser

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
