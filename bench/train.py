"""Our training against TRL's SFTTrainer: the same rows, base, adapter, learning rate and number of optimiser steps.

A ratio is ours over the better of the peer's two forms, padded and packed rows. The runs alternate, each in its own
process. `held_out_loss` shows the cost of the order of rows that shares prefixes.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from bench.shared.clauses import RENDERER, change_figure, difference
from bench.shared.harness import Figure, Figures, four_digits, ratio_of
from bench.shared.requirements import require_trl
from bench.shared.trainers import TRAINERS, Run, RunCost, Trainer, new_folder, perform
from bench.shared.tuning import evaluate_adapter
from bench.shared.workloads import WORKLOADS, legal_task
from kit.base import find_base
from kit.errors import KitError
from kit.evals.run import values_of

_ROUNDS = 3
_TOLERANCE = 0.02
_SEEDS = (0, 1, 2)


def measure() -> Figures:
    """Return rows per second of three workloads, time to the same score, and held-out loss by order of rows."""
    require_trl()
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
    """Return rows per second: ours over the better of the peer's forms in every round."""
    rounds = list(_rounds([Run(trainer, workload, rows=rows) for trainer in TRAINERS], folder))
    ratio = ratio_of([(ours.rate, max(padded.rate, packed.rate)) for ours, padded, packed in rounds])
    rates = {form: statistics.median(outcomes[at].rate for outcomes in rounds) for at, form in enumerate(TRAINERS)}
    losses = {form: _loss(workload, outcome) for form, outcome in zip(TRAINERS, rounds[-1], strict=True)}
    better: Trainer = "packed" if rates["packed"] > rates["padded"] else "padded"
    _check_equal_loss(workload, losses["ours"], losses[better])
    forms: Figure = {form: four_digits(rates[form]) for form in TRAINERS[1:]}
    named: Figure = {f"{form}_loss": four_digits(loss) for form, loss in losses.items()}
    ours = rounds[-1][0]
    way: Figure = {"type": ours.type, **({"slower": ours.slower} if ours.slower else {})}
    return {**ratio.figure("rows/s"), **forms, **named, "steps": ours.steps, **way}


def _rounds(runs: Sequence[Run], folder: Path) -> Iterator[list[RunCost]]:
    """Run all in every round; each round starts with another one."""
    for number in range(_ROUNDS):
        order = [(number + offset) % len(runs) for offset in range(len(runs))]
        found = {at: perform(runs[at], new_folder(folder)) for at in order}
        yield [found[at] for at in range(len(runs))]


def _time_to_score(folder: Path) -> Figure:
    """Return seconds of the smoke profile's complete training, theirs over ours, and both scores.

    The peer uses the form that was faster on a part of the rows. Raises KitError if our score is clearly lower.
    """
    pilots = {form: perform(Run(form, "legal", rows=256), new_folder(folder)).rate for form in TRAINERS[1:]}
    form: Trainer = max(pilots, key=lambda each: pilots[each])
    ours, theirs = (perform(Run(trainer, "legal"), new_folder(folder)) for trainer in ("ours", form))
    task, examples = legal_task()
    name, base = task.main_metric, find_base("nano")
    peers, own = (evaluate_adapter(task, base, Path(each.adapter), examples, 2048) for each in (theirs, ours))
    change = difference(peers, own, name, task.metrics[name])
    if change is not None and change.verdict == "worse":
        raise KitError(
            f"Our score differs by {change.difference:+.3f} from {form}'s, so these are not times to the same score."
        )
    return {
        "ratio": four_digits(theirs.seconds / ours.seconds), "ours": four_digits(ours.seconds),
        "theirs": four_digits(theirs.seconds),
        "unit": "s", "form": form, "score": four_digits(values_of(task, own)[name] or 0),
        "their_score": four_digits(values_of(task, peers)[name] or 0), **change_figure(change), "steps": ours.steps,
    }  # fmt: skip


def _held_out(order: str, folder: Path) -> Figure:
    """Return held-out loss and speed of an order of rows, over seeds that also initialise the adapter."""
    asked = [Run("ours", "shared_context", settings={"order": order, "seed": seed, "epochs": 2}) for seed in _SEEDS]
    runs = [perform(each, new_folder(folder)) for each in asked]
    losses = [_loss("shared_context", run) for run in runs]
    return {
        "mean": four_digits(statistics.mean(losses)), "low": four_digits(min(losses)), "high": four_digits(max(losses)),
        "runs": len(runs), "unit": "nats per token",
        "rows_per_s": four_digits(statistics.median(run.rate for run in runs)), "steps": runs[0].steps,
    }  # fmt: skip


def _loss(workload: str, outcome: RunCost) -> float:
    """Return nats per supervised token on the workload's held-out rows, computed by the same code for all trainers."""
    from peft import PeftModel

    from kit.train.model.loading import load_model
    from kit.train.model.split import split_model
    from kit.train.plan.plan import make_plan
    from kit.train.state.conditions import training_device
    from kit.train.step.optimiser import Optimiser

    work, device = WORKLOADS[workload](), training_device()
    model = PeftModel.from_pretrained(
        load_model(find_base("nano"), "float32", device), outcome.adapter, is_trainable=True
    )
    measuring = Optimiser(split_model(model.eval()), make_plan(work.held_out, work.section), RENDERER.pad_id, device)
    loss = measuring.validation_loss(work.held_out)
    assert loss is not None, "held-out rows are supervised"
    return loss


def _check_equal_loss(workload: str, ours: float, theirs: float) -> None:
    """Raise KitError if the held-out losses differ, because then the speeds are not comparable."""
    if abs(ours / theirs - 1) > _TOLERANCE:
        what = f"After {workload} the held-out losses differ by more than {_TOLERANCE:.0%}"
        raise KitError(f"{what}: ours {ours:.4f}, theirs {theirs:.4f}.")
