"""Commands are thin, workflows neither print nor end the process, and files and functions have a limit of lines."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

import kit.workflows
from tests.boundaries import rules

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "transformers", "peft", "accelerate", "vllm", "fastapi", "click", "numpy"}
Rule = Callable[[Path], list[str]]

VIOLATIONS: list[tuple[Rule, str, str, str]] = [
    (rules.long_files, "serving/long.py", "pass\n" * 401, "serving/long.py: 401 lines"),
    (rules.long_functions, "templates/legal/long.py", "def f():\n" + "    pass\n" * 60, "f: 61 lines"),
    (rules.long_functions, "kit/cli/long.py", "async def f():\n" + "    pass\n" * 30, "f: 31 lines"),
    (rules.workflows_that_print_or_exit, "kit/workflows/a.py", "def f():\n    import click", "imports click"),
    (rules.workflows_that_print_or_exit, "kit/workflows/steps/a.py", "def f():\n    print(1)", "calls print"),
    (rules.workflows_that_print_or_exit, "kit/workflows/a.py", "import sys\nsys.exit(2)", "calls sys.exit"),
    (rules.workflows_that_print_or_exit, "kit/workflows/a.py", "from sys import exit", "imports sys.exit"),
    (rules.workflows_that_print_or_exit, "kit/workflows/a.py", "raise SystemExit", "raises SystemExit"),
    (rules.commands_with_logic, "kit/cli/a.py", "from kit.train.loop import train", "imports kit.train.loop.train"),
    (rules.commands_with_logic, "kit/cli/a.py", "def f():\n    import serving.app", "imports serving.app"),
    (
        rules.commands_with_logic,
        "kit/cli/a.py",
        "from kit.workflows.steps.training.inputs import read_inputs",
        "imports kit.workflows.steps.training.inputs.read_inputs",
    ),
]
ALLOWED: list[tuple[Rule, str, str]] = [
    (rules.long_files, "kit/a.py", "pass\n" * 400),
    (rules.long_functions, "tests/a.py", "def f():\n" + "    pass\n" * 59),
    (rules.long_functions, "kit/cli/a.py", "def f():\n" + "    pass\n" * 29),
    (rules.workflows_that_print_or_exit, "kit/workflows/a.py", "import sys\n\ndef f():\n    return sys.executable"),
    (rules.commands_with_logic, "kit/cli/a.py", "if TYPE_CHECKING:\n    from kit.recipe import Recipe"),
    (rules.commands_with_logic, "kit/cli/a.py", "from kit.workflows import train\nfrom kit.errors import Exit"),
]


@pytest.mark.parametrize("rule", sorted({rule for rule, *_ in VIOLATIONS}, key=str), ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    assert {path.split("/")[0] for path, *_ in rules.modules(ROOT, *rules.TOPS)} == set(rules.TOPS)
    violations = rule(ROOT)
    assert not violations, "\n".join(violations)


@pytest.mark.parametrize(("rule", "path", "text", "found"), VIOLATIONS)
def test_a_violation_is_found(rule: Rule, path: str, text: str, found: str, tmp_path: Path) -> None:
    write(tmp_path / path, text)
    violations = rule(tmp_path)
    assert len(violations) == 1
    assert violations[0].startswith(f"{path}: ")
    assert violations[0].endswith(found)


@pytest.mark.parametrize(("rule", "path", "text"), ALLOWED)
def test_what_is_allowed_is_no_violation(rule: Rule, path: str, text: str, tmp_path: Path) -> None:
    write(tmp_path / path, text)
    assert rule(tmp_path) == []


def test_importing_the_python_api_loads_no_heavy_package() -> None:
    assert loaded("import click") == {"click"}
    assert loaded("from kit.workflows import *; import kit.workflows; assert callable(kit.workflows.train)") == set()


def test_the_python_api_has_the_names_that_its_types_list() -> None:
    stub = ast.parse((ROOT / "kit/workflows/__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    typed = {alias.name: node.module for node in imports for alias in node.names}
    assert {"train", "evaluate", "ask", "serve"} <= set(typed)
    assert sorted(typed) == kit.workflows.__all__
    for name, module in typed.items():
        assert module
        assert getattr(kit.workflows, name) is getattr(import_module(module), name)


def loaded(statement: str) -> set[str]:
    """Run a statement in a new interpreter; return the heavy packages that it loads."""
    code = f"{statement}\nimport sys; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return HEAVY & set(done.stdout.split())


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
