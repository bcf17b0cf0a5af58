"""Whether an engine's memory grows with the number of adapters that it loaded and unloaded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil

from kit.engines.base import Engine
from tests.kit.engines.parts import QUESTIONS, ask

LOADS = 200
_WARM = 40  # loads after which allocators have what they keep


async def growth_per_load(engine: Engine, adapter: Path) -> float:
    """Load, use and unload an adapter `LOADS` times while other requests run; return the growth in bytes per load.

    The growth is the slope of a line through the memory of this process and its children, by least squares.
    """
    busy = asyncio.create_task(_keep_busy(engine))
    memory: list[int] = []
    try:
        for number in range(LOADS):
            name = f"extra-{number}"
            await engine.load(name, adapter)
            await engine.generate(ask(QUESTIONS[number % len(QUESTIONS)], max_tokens=2, adapter=name))
            await engine.unload(name)
            memory.append(_memory())
        assert not busy.done()
    finally:
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)
    return _slope(memory[_WARM:])


async def _keep_busy(engine: Engine) -> None:
    while True:
        await engine.generate(ask(QUESTIONS[1], max_tokens=8, stop_ids=()))


def _memory() -> int:
    """Resident bytes of this process and its children."""
    me = psutil.Process()
    return sum(int(each.memory_info().rss) for each in (me, *me.children(recursive=True)))


def _slope(values: list[int]) -> float:
    middle, mean = (len(values) - 1) / 2, sum(values) / len(values)
    above = sum((index - middle) * (value - mean) for index, value in enumerate(values))
    return above / sum((index - middle) ** 2 for index in range(len(values)))
