"""The light commands start without the heavy packages, and the commands are discovered from the modules."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import kit.cli
from tests.kit.cli.conftest import ENVIRONMENT, Run

HEAVY = {"torch", "transformers", "peft", "accelerate", "vllm", "fastapi", "starlette", "uvicorn", "sklearn", "numpy"}
LIGHT_HELP = {"pydantic", "yaml", "jinja2", "tokenizers", "rich", "huggingface_hub", "asyncio"}
NAMES = [
    module.name
    for module in pkgutil.iter_modules(kit.cli.__path__)
    if hasattr(importlib.import_module(f"kit.cli.{module.name}"), "command")
]
PROBE = """
import sys
from kit.cli.main import run
code = run(sys.argv[1:])
print(" ".join(sorted({name.split(".")[0] for name in sys.modules})), file=sys.stderr)
sys.exit(code)
"""


def loaded(*arguments: str, cwd: Path) -> set[str]:
    """The packages that are loaded once a command has run and succeeded."""
    words = [sys.executable, "-c", PROBE, *arguments]
    done = subprocess.run(words, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return set(done.stderr.splitlines()[-1].split())


def test_help_loads_click_and_next_to_nothing_else(tmp_path: Path) -> None:
    packages = loaded("--help", cwd=tmp_path)
    assert "click" in packages
    assert packages & (HEAVY | LIGHT_HELP) == set()


@pytest.mark.parametrize(
    "arguments", [("new", "legal", "made"), ("new", "--list"), ("check", "--recipe-only"), ("check",), ("runs",)]
)
def test_light_commands_load_no_heavy_package(toy: Path, arguments: tuple[str, ...]) -> None:
    packages = loaded(*arguments, cwd=toy)
    assert "pydantic" in packages
    assert packages & HEAVY == set()


def test_every_module_with_a_command_is_in_the_table_and_its_help_shows_an_example(tmp_path: Path, run: Run) -> None:
    helped = run("--help", cwd=tmp_path).out
    for name in NAMES:
        assert f"\n  {name} " in helped
        own = run(name, "--help", cwd=tmp_path)
        assert own.code == 0
        assert f"Example:\n    kit {name}" in own.out


def test_every_command_can_answer_in_json(tmp_path: Path, run: Run) -> None:
    for words in [*([name] for name in NAMES if name != "data"), ["data", "import"]]:
        assert "--json" in run(*words, "--help", cwd=tmp_path).out


def test_the_version_is_told_and_as_json_too(tmp_path: Path, run: Run) -> None:
    from kit import __version__

    assert run("--version", cwd=tmp_path).out == f"domainkit {__version__}\n"
    assert run("--version", "--json", cwd=tmp_path).json == {"version": __version__}
