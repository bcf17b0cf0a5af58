"""Rules about the source, each a function that returns its violations in the tree below `root`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TOPS = ("kit", "serving", "bench", "pretrain", "templates", "tests")
FILE_LINES, FUNCTION_LINES, COMMAND_LINES = 400, 60, 30
DOORS = {
    "kit.__version__": "what --version prints",
    "kit.cli": "the command line itself",
    "kit.errors": "errors and exit codes",
    "kit.workflows": "the Python API",
    "kit.system.threads": "set before any library starts threads",
    "kit.task.fault": "an exception of the user's task, as a sentence",
    "kit.train.events": "what training reports, for the progress line",
    "kit.train.report.applied": "the sentence on settings that were not applied",
    "kit.train.plan.estimate.gib": "bytes as text",
    "kit.evals.tables": "the tables of an evaluation",
    "kit.evals.headline": "the sentence of an evaluation",
    "kit.bundle.attestation": "the sentences of a bundle's status",
    "kit.data.importing.parse_settings": "KEY=VALUE arguments",
    "kit.data.tables.mapping.parse_mapping": "FIELD=COLUMN arguments",
}
"""What the command line may import from kit when it runs, and why. Imports for type checking alone do not count."""
_ENDS = {"sys.exit", "os._exit", "exit", "quit", "SystemExit"}
_PRINTS = {"print", "sys.stdout.write", "sys.stderr.write"}


def modules(root: Path, *tops: str) -> Iterator[tuple[str, ast.Module, int]]:
    """Yield each module's path relative to root, its tree, and its number of lines."""
    for top in tops:
        for file in sorted((root / top).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            yield file.relative_to(root).as_posix(), ast.parse(text), len(text.splitlines())


def long_files(root: Path) -> list[str]:
    """Return files over the limit of lines."""
    return [f"{path}: {lines} lines" for path, _, lines in modules(root, *TOPS) if lines > FILE_LINES]


def long_functions(root: Path) -> list[str]:
    """Return functions over the limit of lines; kit/cli has its own."""
    return [
        f"{path}: {node.name}: {lines} lines"
        for path, tree, _ in modules(root, *TOPS)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1)
        > (COMMAND_LINES if path.startswith("kit/cli/") else FUNCTION_LINES)
    ]


def workflows_that_print_or_exit(root: Path) -> list[str]:
    """Return what a workflow leaves to the command line: click, printing, and ending the process."""
    found = []
    for path, tree, _ in modules(root, "kit/workflows"):
        found += [f"{path}: imports {name}" for name in imports(tree) if name.split(".")[0] in ("click", "rich")]
        found += [f"{path}: imports {name}" for name in imports(tree) if name in _ENDS]
        called = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        raised = [ast.unparse(node.exc) for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
        found += [f"{path}: calls {name}" for name in called if name in _ENDS | _PRINTS]
        found += [f"{path}: raises {name}" for name in raised if name in _ENDS]
    return found


def commands_with_logic(root: Path) -> list[str]:
    """Return imports through which the command line would do the work of a workflow itself."""
    return [
        f"{path}: imports {name}"
        for path, tree, _ in modules(root, "kit/cli")
        for name in imports(tree)
        if name.split(".")[0] in ("kit", "serving") and not _is_door(name)
    ]


def imports(tree: ast.Module) -> list[str]:
    """Return every name that a module imports when it runs, in full: MODULE.NAME."""
    found = []
    for node in _run_nodes(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def _run_nodes(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _run_nodes(child)


def _is_door(name: str) -> bool:
    inside = name == "kit.workflows.steps" or name.startswith("kit.workflows.steps.")
    return not inside and any(name == door or name.startswith(f"{door}.") for door in DOORS)
