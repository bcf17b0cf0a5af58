"""Run the same loop in several processes, as `torchrun` and `accelerate launch` start them.

Every process holds the whole plan, so all know the supervised tokens of a step before the backward pass. Each computes
every n-th micro-batch of a step, divided by the weight of the whole step. Then gradients and losses are summed, so that
n processes make the same step as one. A process with fewer micro-batches repeats one with weight zero, so that all call
the model equally often. Only the first process writes, scores and reports, and sends its results to the others. With
sharded weights, gradients are summed in each backward pass, and all processes take part whenever weights are needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from kit.errors import KitError
from kit.recipe import Parallel
from kit.train.plan.packing import Step
from kit.train.plan.plan import StepPlan

_LONGEST = timedelta(hours=12)  # the others wait while the first one scores
_ADVICE = "Start all with one torchrun or accelerate launch; on several machines, with a folder that all of them see."
Result = TypeVar("Result")
Accumulate = Callable[[Step, float], tuple[Tensor, Tensor]]


def start_ranks(parallel: Parallel = "data") -> Ranks:
    """Connect to the other processes of this run, if there are any. Raises KitError if they cannot be reached."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized():
        from accelerate import PartialState

        try:
            PartialState(timeout=_LONGEST)
        except (RuntimeError, ValueError) as error:
            raise KitError(f"The processes of this run cannot reach one another: {error}", next=_ADVICE) from error
    if not distributed.is_initialized():
        return Ranks(0, 1)
    count = distributed.get_world_size()
    return Ranks(distributed.get_rank(), count, sharded=count > 1 and parallel == "sharded")


class Ranks:
    """The processes of a run: the rank of this one, their number, and whether the weights are sharded.

    With one process, nothing is sent.
    """

    def __init__(self, rank: int, count: int, sharded: bool = False) -> None:
        self.rank, self.count, self.sharded = rank, count, sharded

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    @property
    def here(self) -> int:
        """Number of processes on this machine; they share its cores."""
        return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if self.count > 1 else 1

    # --- a step -----------------------------------------------------------------------------------------------

    def accumulate(
        self, plan: StepPlan, step: Step, parameters: Sequence[Tensor], own: Accumulate
    ) -> tuple[Tensor, Tensor]:
        """Sum a step's gradients over all processes; return its loss, and the losses of its rows in order.

        `own` computes micro-batches of this process, divided by the given weight.
        """
        weight = plan.step_weight(step)
        if self.count == 1:
            return own(step, weight)
        mine, filler = self.share(step)
        total, rows = own(mine, weight) if mine.micros else (torch.zeros(()), torch.zeros(0))
        if filler.micros:
            own(filler, float("inf"))
        figures = torch.zeros(1 + len(step.rows), device=parameters[0].device)
        figures[0] = total
        figures[1 + _positions(step, self.rank, self.count)] = rows.to(figures)
        if not self.sharded:
            self._add_up(parameters)
        distributed.all_reduce(figures)
        return figures[0], figures[1:]

    def share(self, step: Step) -> tuple[Step, Step]:
        """Return the micro-batches of a step that this process computes, and those that it repeats with weight zero."""
        mine = step.part(slice(self.rank, None, self.count))
        rounds = -(-len(step.micros) // self.count)
        return mine, step.part(slice(rounds - len(mine.micros)))

    def _add_up(self, parameters: Sequence[Tensor]) -> None:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, whole in zip(gradients, parts, strict=True):
            gradient.copy_(whole.view_as(gradient))

    # --- communication ----------------------------------------------------------------------------------------

    def maximum(self, number: int) -> int:
        """Return the largest number of all processes."""
        if self.count == 1:
            return number
        shared = torch.tensor([number], device=self._device())
        distributed.all_reduce(shared, op=distributed.ReduceOp.MAX)
        return int(shared)

    def from_first(self, make: Callable[[], Result]) -> Result:
        """Call a function in the first process; return its result, or raise its exception, in all."""
        if self.count == 1:
            return make()
        sent: list[Any] = [None, None]
        if self.first:
            try:
                sent[0] = make()
            except Exception as error:
                sent[1] = error
        distributed.broadcast_object_list(sent)
        if sent[1] is not None:
            raise sent[1]
        made: Result = sent[0]
        return made

    def jointly(self, make: Callable[[], Result]) -> Result:
        """Return the first process's result of a function; with sharded weights, all processes must call it."""
        if not self.sharded:
            return self.from_first(make)
        made = make()
        return self.from_first(lambda: made)

    def by_first(self, act: Callable[[], None]) -> None:
        """Call a function in the first process while the others wait."""
        self.from_first(act)

    # --- before a run -----------------------------------------------------------------------------------------

    def check_connection(self, folder: Path, plan_digest: str) -> None:
        """Check that all processes can sum numbers, see the same folder, and have the same plan.

        Raises KitError if a check fails, before any work is lost.
        """
        if self.count == 1:
            return
        expected = self.count * (self.count + 1) // 2
        total = torch.tensor([float(self.rank + 1)], device=self._device())
        distributed.all_reduce(total)
        if float(total) != expected:
            raise KitError(
                f"A sum over {self.count} processes gave {float(total):g} instead of {expected}.", next=_ADVICE
            )
        file = folder / ".ranks"
        self.by_first(lambda: _write(file, plan_digest))
        seen = file.read_text() if file.is_file() else "nothing"
        wrong = self.maximum(int(seen != plan_digest))
        self.by_first(lambda: file.unlink(missing_ok=True))
        if wrong:
            what = "The processes see different folders, or have different rows or recipes."
            raise KitError(what, str(folder), _ADVICE)

    def _device(self) -> str:
        return "cuda" if distributed.get_backend() == "nccl" else "cpu"


ALONE = Ranks(0, 1)


def _positions(step: Step, rank: int, count: int) -> Tensor:
    """Return the positions of one process's rows among all rows of the step."""
    starts, at = [], 0
    for micro in step.micros:
        starts.append(range(at, at + len(micro)))
        at += len(micro)
    return torch.tensor([place for span in starts[rank::count] for place in span], dtype=torch.int64)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
