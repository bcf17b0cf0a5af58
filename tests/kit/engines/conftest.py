"""A random adapter, an event loop for each module, and the local engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.base import NANO
from kit.engines.base import EngineConfig
from kit.engines.local import LocalEngine

from .parts import save_random_adapter


@pytest.fixture(scope="package")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_adapter(tmp_path_factory.mktemp("adapter"))


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for a module: a shared engine belongs to the loop that started it."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def local(loop: asyncio.Runner, adapter: Path) -> Iterator[LocalEngine]:
    """The local engine in float32, so that rounding differences are small."""
    engine = LocalEngine(EngineConfig(NANO, dtype="float32", adapters={"tuned": adapter}))
    loop.run(engine.start())
    yield engine
    loop.run(engine.stop())
