"""An engine whose generations take turns, so that one long document cannot keep everybody else waiting."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Protocol, cast

from kit.engines.base import Capabilities, Delta, Engine, Generation, TokenScore
from kit.task import Completion
from serving.guard.fairness.asking import Asking, asking
from serving.guard.fairness.turns import Turns
from serving.settings import Settings


class Meter(Protocol):
    """Gets the number of tokens that a request read and wrote."""

    async def spend(self, request: Asking, tokens: int) -> None:
        """Count tokens of a request's caller."""
        ...


class FairEngine:
    """An engine behind turns; everything else is the engine's own."""

    def __init__(self, engine: Engine, settings: Settings, meter: Meter) -> None:
        self._engine, self._meter = engine, meter
        self._turns = Turns(settings.concurrent_generations, settings.generations_per_request)

    @property
    def capabilities(self) -> Capabilities:
        """Name, version and abilities of the engine."""
        return self._engine.capabilities

    async def start(self) -> None:
        """Start the engine."""
        await self._engine.start()

    async def stop(self) -> None:
        """Stop the engine."""
        await self._engine.stop()

    async def health(self) -> None:
        """Return when the engine can work."""
        await self._engine.health()

    async def generate(self, request: Generation) -> Completion:
        """Wait for a turn, and return the completion."""
        by = asking.get()
        async with self._turns.turn(by.caller.key_id, by):
            await self._meter.spend(by, len(request.ids))
            completion = await self._engine.generate(request)
        await self._meter.spend(by, len(completion.token_ids))
        return completion

    async def stream(self, request: Generation) -> AsyncIterator[Delta]:
        """Wait for a turn, and yield the completion piece by piece."""
        by = asking.get()
        written = 0
        async with self._turns.turn(by.caller.key_id, by):
            await self._meter.spend(by, len(request.ids))
            try:
                async with aclosing(cast(AsyncGenerator[Delta], self._engine.stream(request))) as deltas:
                    async for delta in deltas:
                        written += len(delta.token_ids)
                        yield delta
            finally:
                await self._meter.spend(by, written)

    async def score(self, ids: Sequence[int], adapter: str | None = None) -> tuple[float, ...]:
        """Wait for a turn, and return the log-probability of each token."""
        by = asking.get()
        async with self._turns.turn(by.caller.key_id, by):
            await self._meter.spend(by, len(ids))
            return await self._engine.score(ids, adapter)

    async def score_top(self, ids: Sequence[int], top: int, adapter: str | None = None) -> tuple[TokenScore, ...]:
        """Wait for a turn, and score with the likeliest tokens at each position."""
        by = asking.get()
        async with self._turns.turn(by.caller.key_id, by):
            await self._meter.spend(by, len(ids))
            return await self._engine.score_top(ids, top, adapter)

    async def load(self, name: str, adapter: Path) -> None:
        """Make an adapter available under a name."""
        await self._engine.load(name, adapter)

    async def unload(self, name: str) -> None:
        """Forget an adapter."""
        await self._engine.unload(name)
