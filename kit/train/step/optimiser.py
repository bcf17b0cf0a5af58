"""Make an optimiser step, or a pass over validation rows: only this code runs the model on rows of the plan."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kit.data.rows import Row
from kit.train.distributed.ranks import ALONE, Ranks
from kit.train.distributed.sharded import whole
from kit.train.job import RunBroke
from kit.train.model.recompute import recomputing
from kit.train.model.split import Body
from kit.train.plan.packing import Step
from kit.train.plan.plan import StepPlan, labels, split_rows
from kit.train.plan.schedule import learning_rate
from kit.train.step.attention import attending
from kit.train.step.batch import Batch, collate, pack
from kit.train.step.ewc import Elastic
from kit.train.step.loss import batch_loss


@dataclass(frozen=True)
class StepFigures:
    """The figures of a step, on their way to the host: loss, gradient norm, and one loss per row of the step."""

    number: int
    host: Tensor
    ready: torch.cuda.Event | None

    def figures(self) -> list[float]:
        """Wait for the figures: loss, gradient norm, and then one loss per row."""
        if self.ready is not None:
            self.ready.synchronize()
        return list(map(float, self.host.tolist()))

    def read(self, plan: StepPlan) -> tuple[float, float]:
        """Wait for the figures; return loss and gradient norm.

        Raises RunBroke with the step and its worst rows if a figure is not finite.
        """
        loss, norm, *rows = self.figures()
        if not all(map(math.isfinite, (loss, norm, *rows))):
            raise RunBroke(_not_finite(plan, self.number, loss, norm, rows), next=_ADVICE)
        return loss, norm


_ADVICE = "Nothing was published. Look at the rows named here, or lower train.learning_rate."
_NAMED = 5


class Optimiser:
    """The model, its AdamW optimiser, and the plan."""

    def __init__(self, body: Body, plan: StepPlan, pad_id: int, device: torch.device, ranks: Ranks = ALONE) -> None:
        self.ranks = ranks
        self.body, self.plan, self.device, self._pad_id = body, plan, device, pad_id
        self.parameters = [parameter for parameter in body.model.parameters() if parameter.requires_grad]
        self.penalty: Elastic | None = None
        section = plan.section
        self.adam = torch.optim.AdamW(
            decayed(self.parameters, section.weight_decay),
            lr=section.learning_rate,
            weight_decay=section.weight_decay,
            fused=True,
        )

    def shorten(self, steps: int) -> None:
        """Cut the plan to this many steps; warm-up, schedule and evaluations follow its new length."""
        self.plan = self.plan.first(steps)

    def rate(self, number: int) -> float:
        """Return the learning rate of a step (counted from 0)."""
        plan = self.plan
        return learning_rate(plan.section.learning_rate, plan.section.schedule, number, plan.warmup, len(plan.steps))

    def accumulate(self, step: Step, weight: float | None = None) -> tuple[Tensor, Tensor]:
        """Add the step's gradients; return its loss, and the mean loss of each of its rows in the order of `step.rows`.

        `weight` is the divisor of the loss, by default the step's own weight.
        """
        weight = self.plan.step_weight(step) if weight is None else weight
        total, rows = torch.zeros((), device=self.device), []
        with attending(self.body.base, bool(step.packs)):
            for batch in self._batches(step, self.plan.rows):
                with recomputing():
                    loss = batch_loss(self.body, batch, weight)
                loss.total.backward()  # type: ignore[no-untyped-call]
                total += loss.total.detach()
                rows.append(loss.rows / batch.counts)
        return total, torch.cat(rows)

    def _batches(self, step: Step, rows: Sequence[Row]) -> Iterator[Batch]:
        make = pack if step.packs else collate
        return (make([rows[index] for index in micro], self._pad_id, self.device) for micro in step.micros)

    def step(self, number: int) -> StepFigures:
        """Make an optimiser step (counted from 0) without waiting for a GPU."""
        total, rows = self.ranks.accumulate(self.plan, self.plan.steps[number], self.parameters, self.accumulate)
        if self.penalty is not None:
            self.penalty.add_gradients()
        norm = whole(torch.nn.utils.clip_grad_norm_(self.parameters, self.plan.section.clip))
        for group in self.adam.param_groups:
            group["lr"] = self.rate(number)
        self.adam.step()
        self.adam.zero_grad()
        return self._send_to_host(number, torch.cat([torch.stack([total, norm]), rows]))

    def _send_to_host(self, number: int, figures: Tensor) -> StepFigures:
        """Send the figures to the host; a GPU keeps working meanwhile."""
        if self.device.type != "cuda":
            return StepFigures(number + 1, figures.cpu(), None)
        host = figures.to("cpu", non_blocking=True)
        ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        ready.record()
        return StepFigures(number + 1, host, ready)

    @torch.no_grad()
    def validation_loss(self, rows: Sequence[Row]) -> float | None:
        """Return the weighted mean of nats per supervised token; None without supervised tokens."""
        weight = sum(labels(row) * row.weight for row in rows)
        if not weight:
            return None
        (step,) = split_rows([range(len(rows))], rows, self.plan.section, self.plan.sharing)
        with attending(self.body.base, bool(step.packs)):
            losses = [batch_loss(self.body, batch, weight).total for batch in self._batches(step, rows)]
        return float(torch.stack(losses).sum())


def decayed(parameters: Sequence[torch.nn.Parameter], decay: float) -> list[dict[str, Any]]:
    """Return parameter groups: matrices with weight decay; vectors, such as norms and biases, without."""
    matrices = [parameter for parameter in parameters if parameter.ndim > 1]
    vectors = [parameter for parameter in parameters if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _not_finite(plan: StepPlan, number: int, loss: float, norm: float, rows: list[float]) -> str:
    """Say which figure of a step is not finite, and name the rows behind it, or those with the highest loss."""
    what, value = ("norm of the gradient", norm) if math.isfinite(loss) else ("loss", loss)
    named = list(zip(plan.steps[number - 1].rows, rows, strict=True))
    broken = [item for item in named if not math.isfinite(item[1])]
    worst = broken or sorted(named, key=lambda item: item[1], reverse=True)
    listed = ", ".join(f"'{plan.rows[index].example}' (loss {loss:.3g})" for index, loss in worst[:_NAMED])
    return f"Step {number}: the {what} is {value}; its worst rows: {listed}."
