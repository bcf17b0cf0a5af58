"""One process with all packages loaded, for all runs that are killed or run out of memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.train.forks import ForkServer, fork_server


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    with fork_server() as started:
        yield started
