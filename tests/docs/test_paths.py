"""The paths and modules that the pages name exist. Mark the name of a removed one with "(removed)"."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
_PACKAGES = "kit|serving|bench|pretrain"
_PATH = re.compile(rf"(?<![\w./-])(?:{_PACKAGES})/[\w./-]*\w/?")
_MODULE = re.compile(rf"(?<![\w./-])(?:{_PACKAGES})(?:\.(?!md\b)\w+)+(?!/)")
_REMOVED = re.compile(r"\S+ \(removed\)")


@pytest.mark.parametrize("page", PAGES)
def test_paths_and_modules_on_a_page_exist(page: str) -> None:
    assert missing(PAGES[page].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Read `kit/task/files.py`, `kit.task.Task` and `serving/workers/` and [serving](serving.md).", []),
        (
            "Read `kit/nowhere.py`, `kit.nowhere` and `kit.task.Nothing`.",
            ["kit/nowhere.py", "kit.nowhere", "kit.task.Nothing"],
        ),
        ("It was in `kit/nowhere.py` (removed) and kit.nowhere (removed).", []),
    ],
)
def test_a_missing_name_is_found_unless_it_is_marked_as_removed(text: str, names: list[str]) -> None:
    assert missing(text) == names


def missing(text: str) -> list[str]:
    """Return the paths, then the dotted names, that do not exist in the repository."""
    text = _REMOVED.sub("", text)
    paths = [name for name in _PATH.findall(text) if not (ROOT / name).exists()]
    return paths + [name for name in _MODULE.findall(text) if not _defined(name)]


def _defined(name: str) -> bool:
    """Whether a dotted name is a module or a name at the top level of one; nothing is imported."""
    place = ROOT
    parts = name.split(".")
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    module = place / "__init__.py"
    if parts and (place / f"{parts[0]}.py").is_file():
        module = place / f"{parts.pop(0)}.py"
    return not parts or (module.is_file() and parts[0] in _names(module))


@cache
def _names(module: Path) -> set[str]:
    """Return the names that a module binds at its top level."""
    names: set[str] = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        else:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names
