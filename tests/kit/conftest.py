"""A tiny project with a bundle, trained once for every test below this folder that asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.cli.conftest import run_kit, with_training
from tests.kit.toy import make_toy


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project with a bundle; `said.txt` has the stderr of its training. Copy it before you change it."""
    project = with_training(make_toy(tmp_path_factory.mktemp("trained") / "toy"))
    ran = run_kit("train", cwd=project)
    assert ran.code == 0, ran.err
    (project / "said.txt").write_text(ran.err)
    return project
