"""Plan every optimiser step and its micro-batches. Pure: no torch, no clock; random numbers come from the seed."""

from __future__ import annotations

import hashlib
import math
import random
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from kit.data.mixture import Mixture
from kit.data.rows import Row
from kit.errors import InputError, Problem
from kit.recipe import TrainSection
from kit.train.job import RunBroke
from kit.train.plan.order import arrange_rows
from kit.train.plan.packing import Keys, Step, make_step
from kit.train.plan.schedule import warmup_steps
from kit.train.plan.sharing import NOT_ASKED, Sharing
from kit.train.plan.trees import encoded


@dataclass(frozen=True)
class StepPlan:
    """The rows to train on, and every step of the run; `sharing` says whether rows may share their prefixes."""

    rows: tuple[Row, ...]
    steps: tuple[Step, ...]
    section: TrainSection
    sharing: Sharing = NOT_ASKED

    def first(self, steps: int) -> StepPlan:
        """Return the plan cut to this many steps; warm-up, schedule and evaluations follow the new length."""
        return replace(self, steps=self.steps[:steps])

    def step_tokens(self, step: Step) -> int:
        """Tokens of a step's rows, without padding."""
        return sum(len(self.rows[index].ids) for index in step.rows)

    def step_labels(self, step: Step) -> int:
        """Supervised tokens of a step."""
        return sum(labels(self.rows[index]) for index in step.rows)

    def step_weight(self, step: Step) -> float:
        """Supervised tokens of a step, each times its row's weight: the divisor of the step's loss."""
        return sum(labels(self.rows[index]) * self.rows[index].weight for index in step.rows)

    @cached_property
    def tokens(self) -> int:
        """Tokens of all rows in all steps, without padding."""
        return sum(map(self.step_tokens, self.steps))

    @cached_property
    def supervised(self) -> int:
        """Supervised tokens in all steps."""
        return sum(map(self.step_labels, self.steps))

    def step_computed(self, step: Step) -> int:
        """Tokens that a step computes: shared prefixes counted once, or padding included."""
        return step.computed(self._lengths)

    @cached_property
    def computed(self) -> int:
        """Tokens that all steps compute."""
        return sum(map(self.step_computed, self.steps))

    @cached_property
    def saved(self) -> int:
        """Tokens that are not computed because a step computes a shared prefix only once."""
        return sum(self.step_tokens(step) - self.step_computed(step) for step in self.steps if step.packs)

    @property
    def rows_alone(self) -> str:
        """Why no step packs its rows as a forest; empty if one does."""
        if any(step.packs for step in self.steps):
            return ""
        return self.sharing.why_not or "padding costs less here"

    @cached_property
    def _lengths(self) -> list[int]:
        return [len(row.ids) for row in self.rows]

    @property
    def warmup(self) -> int:
        """Number of warm-up steps."""
        return warmup_steps(self.section.warmup, len(self.steps))

    @cached_property
    def evaluations(self) -> tuple[int, ...]:
        """Steps after which the model is evaluated, evenly spread; the last one is the end of the run."""
        total, times = len(self.steps), self.section.evaluations
        return tuple(sorted({math.ceil(total * part / times) for part in range(1, times + 1)}))

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the rows, every step, and the settings."""
        digest = hashlib.sha256(self.section.model_dump_json().encode())
        for row in self.rows:
            digest.update(f"\n{row.example}\0{row.answer_start}\0{row.weight!r}\0{len(row.ids)}\n".encode())
            digest.update(array("q", row.ids).tobytes())
        digest.update(repr([(step.micros, step.packs) for step in self.steps]).encode())
        return digest.hexdigest()

    def summary(self) -> dict[str, int | float | str | None]:
        """The plan in numbers, for `--dry-run`."""
        return {
            "rows": len(self.rows),
            "steps": len(self.steps),
            "rows_per_step": self.section.batch_rows,
            "micro_batches": sum(len(step.micros) for step in self.steps),
            "longest_row": max(len(row.ids) for row in self.rows),
            "tokens": self.tokens,
            "supervised_tokens": self.supervised,
            "computed_tokens": self.computed,
            "saved_tokens": self.saved,
            "sharing": round(self.tokens / self.computed, 2),
            "rows_alone": self.rows_alone or None,
            "order": self.section.order,
            "warmup_steps": self.warmup,
            "evaluations": len(self.evaluations),
            "most_minutes": self.section.max_minutes,
            "digest": self.digest,
        }


def labels(row: Row) -> int:
    """Supervised tokens of a row."""
    return len(row.ids) - row.answer_start


def make_plan(
    rows: Sequence[Row], section: TrainSection, mixture: Mixture | None = None, *, sharing: Sharing = NOT_ASKED
) -> StepPlan:
    """Plan every step of the epochs that the recipe asks for; `max_minutes` may end the run earlier.

    Rows of weight 0 are left out. Each step takes the next `batch_rows` rows of the shuffled epochs; only the last step
    may take fewer. A mixture decides which rows an epoch takes. If `sharing` is on, rows share their prefixes in the
    steps in which that costs less than padding. Raises what `refuse_unfit` raises, RunBroke if no row is left, and
    InputError if the recipe asks for compiled layers.
    """
    _refuse_compiling(section)
    refuse_unfit(rows, section)
    kept = tuple(row for row in rows if row.weight)
    if not kept:
        raise RunBroke("There is no row to train on.", next="Add examples with a target and a weight above 0.")
    order = _order(kept, section, mixture)
    starts = range(0, len(order), section.batch_rows)
    windows = (order[start : start + section.batch_rows] for start in starts)
    return StepPlan(kept, tuple(split_rows(windows, kept, section, sharing)), section, sharing)


def split_rows(
    windows: Iterable[Sequence[int]], rows: Sequence[Row], section: TrainSection, sharing: Sharing
) -> Iterator[Step]:
    """Split the rows of each window, given by their indices, into micro-batches."""
    lengths = [len(row.ids) for row in rows]
    keys: Keys | None = [encoded(row.ids) for row in rows] if sharing.on else None
    for window in windows:
        yield make_step(window, lengths, section.batch_tokens, keys)


def _refuse_compiling(section: TrainSection) -> None:
    """Recipes of earlier versions may still ask for it; `auto` and `off` need no change."""
    if section.compile == "on":
        raise InputError("Training no longer compiles layers.", "train.compile", "Remove the setting.")


def refuse_unfit(rows: Sequence[Row], section: TrainSection) -> None:
    """Raise RunBroke with every row that has no supervised token or an invalid weight.

    Raises InputError for rows that are only larger than the recipe's micro-batches.
    """
    unfit = [problem for row in rows for problem in _unfit(row)]
    large = [_too_large(row, section.batch_tokens) for row in rows if len(row.ids) > section.batch_tokens]
    if unfit:
        raise RunBroke([*unfit, *large])
    if large:
        raise InputError(large)


def _unfit(row: Row) -> Iterator[Problem]:
    name = f"Example '{row.example}'"
    if not 1 <= row.answer_start < len(row.ids):
        yield Problem(f"{name} has no supervised token after its prompt.", next="Give it an answer, or remove it.")
    if not (math.isfinite(row.weight) and row.weight >= 0):
        yield Problem(f"{name} has the weight {row.weight}.", next="A weight is a finite number, 0 or more.")


def _too_large(row: Row, batch_tokens: int) -> Problem:
    what = f"Example '{row.example}' makes a row of {len(row.ids)} tokens; a micro-batch may hold {batch_tokens}."
    return Problem(what, next="Raise train.batch_tokens.")


def _order(rows: Sequence[Row], section: TrainSection, mixture: Mixture | None) -> list[int]:
    """Indices of the rows in the order of training: a function of the seed and each epoch's number alone."""
    order: list[int] = []
    for epoch in range(math.ceil(section.epochs)):
        indices = mixture.epoch(epoch, section.seed) if mixture else list(range(len(rows)))
        random.Random(f"{section.seed}/{epoch}").shuffle(indices)
        order += arrange_rows(indices, rows, section, len(order))
    return order[: max(1, round(section.epochs * (mixture.epoch_rows if mixture else len(rows))))]
