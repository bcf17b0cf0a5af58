"""The import contracts of `make check` turn red for a module in the wrong layer, and for one in no layer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
PACKAGES = ("kit", "serving", "pretrain")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the Python files and the contracts, without data and weights."""
    root = tmp_path_factory.mktemp("source")
    shutil.copy(ROOT / "pyproject.toml", root)
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            copy = root / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    return root


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on a copy, which comes before the installed packages on the path."""
    command = [sys.executable, "-c", LINT, "--no-cache"]
    environment = {"PYTHONPATH": str(root), "COLUMNS": "200"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_the_contracts_hold(source: Path) -> None:
    done = lint(source)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "text", "found"),
    [
        ("kit/metrics/astray.py", "import kit.evals.gates", "kit.metrics.astray -> kit.evals.gates"),
        ("kit/evals/astray.py", "import kit.train.loop", "kit.evals.astray -> kit.train.loop"),
        ("kit/train/plan/astray.py", "import torch", "kit.train.plan.astray -> torch"),
        ("kit/data/astray.py", "import torch", "kit.data.astray -> torch"),
        ("kit/bundle/astray.py", "import serving.app", "kit.bundle.astray -> serving.app"),
        ("kit/base/astray.py", "import pretrain.model", "kit.base.astray -> pretrain.model"),
        ("kit/astray.py", "", "kit.astray"),
        ("kit/astray/__init__.py", "", "kit.astray"),
    ],
    ids=lambda value: value.replace("/", "-") if value.endswith(".py") else "",
)
def test_a_module_that_is_in_the_wrong_place_breaks_a_contract(
    source: Path, module: str, text: str, found: str
) -> None:
    file = source / module
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    try:
        done = lint(source)
    finally:
        file.unlink()
        if file.name == "__init__.py":
            shutil.rmtree(file.parent)
    assert done.returncode == 1, done.stdout + done.stderr
    assert found in " ".join(done.stdout.split())
