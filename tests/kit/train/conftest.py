"""One process that has loaded everything, for all runs that are to be killed or to run out of memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.train.forks import Nursery, nursery


@pytest.fixture(scope="session")
def forks() -> Iterator[Nursery]:
    with nursery() as started:
        yield started
