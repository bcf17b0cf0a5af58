"""A random adapter on nano, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.engines.parts import save_random_adapter


@pytest.fixture(scope="package")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_adapter(tmp_path_factory.mktemp("adapter"))
