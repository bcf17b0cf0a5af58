"""Train the model on the mixture up to a limit of time or tokens; it can be stopped and resumed at any step."""

from __future__ import annotations

import json
import math
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kit.errors import KitError
from pretrain.checkpoint import LAST, STABLE, Checkpoints, Cursor
from pretrain.model import Loss, bfloat16_pays, make_optimisers
from pretrain.schedule import Limit, falls, share_of_rate
from pretrain.settings import Settings
from pretrain.texts.stream import Stream

LOG = "log.jsonl"
MEASUREMENTS = 12
"""Number of measurements on held-out texts, evenly spread up to the end; their time does not count."""

Measure = Callable[[Any], dict[str, float]]


class Stopped(Exception):
    """A signal stopped the run; it is saved. `number` is the number of the signal."""

    def __init__(self, number: int) -> None:
        self.number = number


class Trainer:
    """A run in progress.

    It reads `stream`, and `fall` while the learning rate falls; each from its start. `save_seconds` is the longest time
    between checkpoints. `micro_tokens` is the number of tokens per micro-batch; it changes results only by rounding.
    """

    def __init__(
        self,
        model: Any,
        stream: Stream,
        fall: Stream,
        settings: Settings,
        folder: Path,
        limit: Limit,
        measure: Measure,
        setup: dict[str, Any],
        save_seconds: float = 300.0,
        micro_tokens: int = 8192,
        compiled: bool = True,
    ) -> None:
        self.model, self.settings, self.folder, self.limit = model, settings, folder, limit
        self.stream, self.fall = stream, fall
        self._measure, self._save_seconds, self._micro_tokens = measure, save_seconds, micro_tokens
        self._compiled = compiled
        self._optimisers = make_optimisers(model, settings)
        self._peaks = [[group["lr"] for group in optimiser.param_groups] for optimiser in self._optimisers]
        self._checkpoints = Checkpoints(folder, {**setup, "settings": settings.model_dump(mode="json")})
        self.cursor = self._checkpoints.restore(model, self._optimisers, limit)
        self._loss = Loss(model, compiled)
        self._device = next(model.parameters()).device
        self._halves = bfloat16_pays(self._device)

    @property
    def progress(self) -> float:
        """The finished share of the run."""
        return self.limit.progress(self.cursor.seconds, self.cursor.tokens)

    def run(self) -> None:
        """Train up to the limit. Raises Stopped after SIGINT or SIGTERM, when the run is saved."""
        self._compile()
        with _asked_to_stop() as asked:
            saved = time.monotonic()
            while self.progress < 1.0:
                part = int(self.progress * MEASUREMENTS)
                self._enter_fall()
                self._advance()
                if int(self.progress * MEASUREMENTS) > part:
                    self._log("measured", bits_per_byte=self._measured())
                if asked or time.monotonic() - saved > self._save_seconds:
                    self._save()
                    saved = time.monotonic()
                if asked:
                    raise Stopped(asked[0])
            self._save()

    def _compile(self) -> None:
        """Compute one step of each length, so that the time of compiling does not count."""
        if self._compiled and self.progress < 1.0:
            for length, _ in self.settings.lengths:
                self._accumulate(Cursor(), length)
            for optimiser in self._optimisers:
                optimiser.zero_grad(set_to_none=True)

    def _enter_fall(self) -> None:
        """Save a checkpoint before the learning rate starts to fall."""
        if falls(self.progress, self.settings) and self.cursor.fell_at is None:
            self._checkpoints.save(STABLE, self.model, self._optimisers, self.cursor, self.limit)
            cursor = self.cursor
            self.cursor = Cursor(cursor.step, cursor.tokens, cursor.seconds, fell_at=cursor.tokens)

    def _advance(self) -> None:
        """Make one optimiser step and log it. It waits for a GPU only at its end."""
        started, cursor = time.monotonic(), self.cursor
        share = share_of_rate(cursor.step, self.progress, self.settings)
        for optimiser, peaks in zip(self._optimisers, self._peaks, strict=True):
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * share
        length = self._length(cursor.step)
        spent = self._accumulate(cursor, length)
        reached = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        for optimiser in self._optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        nats, norm = float(spent), float(reached)
        if not math.isfinite(nats):
            raise KitError(f"The loss of step {cursor.step + 1} is {nats}.", next="Lower the learning rates.")
        seconds = time.monotonic() - started
        tokens = max(1, self.settings.step_tokens // length) * length
        self.cursor = Cursor(cursor.step + 1, cursor.tokens + tokens, cursor.seconds + seconds, cursor.fell_at)
        self._log("stepped", loss=nats, norm=norm, share=share, length=length, rate=tokens / seconds)

    def _measured(self) -> dict[str, float]:
        """Measure the model without compiled layers, because torch would compile them for every length of text."""
        with torch.compiler.set_stance("force_eager"):
            return self._measure(self.model)

    def _length(self, step: int) -> int:
        """Sample the length of a step's windows; it depends only on the seed and the step."""
        lengths, odds = zip(*self.settings.lengths, strict=True)
        (length,) = random.Random(f"{self.settings.seed}/{step}").choices(lengths, odds)
        return int(length)

    def _accumulate(self, cursor: Cursor, length: int) -> Tensor:
        """Add the gradients of one step; return its mean nats per token."""
        rows = max(1, self.settings.step_tokens // length)
        each = max(1, self._micro_tokens // length)
        total = torch.zeros((), device=self._device)
        for start in range(0, rows, each):
            ids = self._rows(cursor, start * length, min(each, rows - start), length)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._halves):
                nats, square = self._loss(ids)
            share = len(ids) / rows
            ((nats + self.settings.z_loss * square) * share).backward()  # type: ignore[no-untyped-call]
            total += nats.detach() * share
        return total

    def _rows(self, cursor: Cursor, start: int, rows: int, length: int) -> Tensor:
        """Return (rows, length + 1) ids: the last token of a row is the first one of the next."""
        stream, before = (self.stream, 0) if cursor.fell_at is None else (self.fall, cursor.fell_at)
        ids = torch.from_numpy(stream.read(cursor.tokens - before + start, rows * length + 1))
        return ids.unfold(0, length + 1, length).contiguous().to(self._device)

    def _save(self) -> None:
        self._checkpoints.save(LAST, self.model, self._optimisers, self.cursor, self.limit)

    def _log(self, event: str, **values: Any) -> None:
        cursor = self.cursor
        line = {"event": event, **asdict(cursor), "seconds": round(cursor.seconds, 2)}
        with (self.folder / LOG).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({**line, **values}) + "\n")


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Yield a list that receives the numbers of signals; restore the handlers afterwards."""
    asked: list[int] = []
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in kept:
        signal.signal(number, lambda received, _: asked.append(received))
    try:
        yield asked
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
