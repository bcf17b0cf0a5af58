"""The real command line in a subprocess, and a tiny project to use it on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import kit
from tests.kit.toy import make_toy

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(kit.__file__).parent.parent)}


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy(tmp_path / "toy")


def run_kit(*arguments: str | Path, cwd: Path) -> Ran:
    """Run a command to its end."""
    words = [sys.executable, "-m", "kit", *map(str, arguments)]
    done = subprocess.run(words, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def run() -> Run:
    return run_kit


def with_training(project: Path, **settings: object) -> Path:
    """The project with these settings of its training, over those of a short run."""
    short = {"learning_rate": 5e-3, "epochs": 1, "batch_rows": 6, "evaluations": 1, "lora": {"rank": 8}}
    recipe = yaml.safe_load((project / "recipe.yaml").read_text())
    recipe["train"] |= {**short, **settings}
    (project / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return project
