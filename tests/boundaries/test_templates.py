"""A template imports only what the guide names, so that a change inside the kit does not break it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.project.template import Template, list_templates
from kit.task.files import task_files

TASK = ("kit.errors", "kit.metrics", "kit.task", "kit.text")
"""What a task may import: it travels into a bundle, and has to work with later versions of the kit."""
DATA_TOOLS = (*TASK, "kit.data.formats", "kit.data.positions", "kit.recipe", "kit.system.decoding")
"""The modules that importers.py and generate.py may import."""
TEMPLATES = list_templates()


def imports(file: Path) -> Iterator[tuple[str, int]]:
    """Yield each absolute import of a file, wherever it is in the file, with its line."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or "", node.lineno


def allowed(module: str, doors: tuple[str, ...]) -> bool:
    if module.split(".")[0] in sys.stdlib_module_names or module.split(".")[0] == "pydantic":
        return True
    return any(module == door or module.startswith(f"{door}.") for door in doors)


def strays(folder: Path) -> list[str]:
    """Return the imports of a template's own modules that no door covers; its tests may import what they like."""
    travel = task_files(folder)
    return [
        f"{file.name}:{line}: {module}"
        for file in sorted(folder.glob("*.py"))
        for module, line in imports(file)
        if not allowed(module, TASK if file.name in travel else DATA_TOOLS)
    ]


@pytest.mark.parametrize("template", TEMPLATES, ids=[each.name for each in TEMPLATES])
def test_a_template_imports_only_what_the_guide_names(template: Template) -> None:
    assert strays(template.folder) == []


@pytest.mark.parametrize(
    ("file", "line", "found"),
    [
        ("task.py", "from kit.train.plan import sums", 1),
        ("task.py", "def f():\n    import kit.base", 1),
        ("task.py", "from kit.data.formats import each_line", 1),
        ("importers.py", "from kit.data.formats import each_line", 0),
        ("importers.py", "import torch", 1),
    ],
)
def test_an_import_through_another_door_would_be_found(tmp_path: Path, file: str, line: str, found: int) -> None:
    for name in ("task.py", "importers.py"):
        (tmp_path / name).write_text("import json\nfrom kit.task import Task\n", encoding="utf-8")
    with (tmp_path / file).open("a", encoding="utf-8") as stream:
        stream.write(f"{line}\n")
    assert len(strays(tmp_path)) == found
