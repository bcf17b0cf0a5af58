"""Finds the files that belong to a task and are copied into its bundle. It reads the code and does not run it.

The rule: the task's file is copied, with every module and package that it imports relatively, directly or not. A file
that this code names in a string is copied too, if it is next to the module or in the project's root. So is a folder
that is named in a path or a call, with its content. Never copied: data, runs, bundles, evaluations, tests, and hidden
files.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from kit.errors import InputError, Problem

NEVER = frozenset(
    {"data", "runs", "bundles", "attestations", "aliases", "evaluations", "studies", "tests", "__pycache__"}
)
MOST_BYTES = 32 * 1024**2
_ALLOWED = frozenset(sys.stdlib_module_names) | {"kit", "pydantic"}
_LONGEST_NAME = 255


def task_files(folder: Path, file: str = "task.py") -> dict[str, Path]:
    """Return the task's file and every file that is copied with it, by relative path with forward slashes.

    Raises InputError with every import that is not allowed, and if the files are too large to copy.
    """
    found = _Found(folder)
    found.add_module(file)
    if found.problems:
        raise InputError(found.problems)
    _refuse_large(found.files)
    return dict(sorted(found.files.items()))


def files_digest(files: Mapping[str, Path]) -> str:
    """SHA-256 over names and contents."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


@dataclass
class _Found:
    """The files found so far in a project's folder."""

    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add_module(self, file: str) -> None:
        """Add a module, its packages, its imports and the files that it names."""
        if file in self.files:
            return
        self.files[file] = self.folder / file
        for parent in list(PurePosixPath(file).parents)[:-1]:
            self._add_if_module(f"{parent}/__init__.py")
        tree = _parsed(self.folder / file)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._judge(alias.name, f"{self.folder / file}:{node.lineno}")
            elif isinstance(node, ast.ImportFrom) and not node.level:
                self._judge(node.module or "", f"{self.folder / file}:{node.lineno}")
            elif isinstance(node, ast.ImportFrom):
                self._add_imported(file, node)
        for name, in_path in _names(tree):
            self._add_named(file, name, in_path)

    def _judge(self, module: str, where: str) -> None:
        """Refuse an absolute import that is not available when the task is served."""
        top = module.split(".")[0]
        if top in _ALLOWED:
            return
        own = (self.folder / f"{top}.py").is_file() or (self.folder / top).is_dir()
        advice = f"It is next to the task: write 'from . import {top}', or 'from .{module} import …'." if own else ""
        self.problems.append(Problem(f"A task may not import '{module}'.", where, advice))

    def _add_imported(self, file: str, node: ast.ImportFrom) -> None:
        """Add the target of a relative import: a module, a package, or a module in a package."""
        place = PurePosixPath(file).parent
        for _ in range(node.level - 1):
            place = place.parent
        place = place.joinpath(*(node.module or "").split(".")) if node.module else place
        if node.module:
            self._add_if_module(f"{place}.py")
            self._add_if_module(f"{place}/__init__.py")
        for alias in node.names:
            self._add_if_module((place / f"{alias.name}.py").as_posix())
            self._add_if_module((place / alias.name / "__init__.py").as_posix())

    def _add_if_module(self, file: str) -> None:
        if (self.folder / file).is_file():
            self.add_module(file)

    def _add_named(self, file: str, name: str, in_path: bool) -> None:
        """Add the file that a string names, or, if the string is part of a path, the folder."""
        for start in dict.fromkeys((PurePosixPath(file).parent, PurePosixPath())):
            path = start / name
            if not _may_travel(path):
                continue
            place = self.folder / path
            if place.is_file():
                self._add_file(path.as_posix())
            elif in_path and place.is_dir():
                inside = (each.relative_to(self.folder) for each in sorted(place.rglob("*")) if each.is_file())
                for each in inside:
                    if _may_travel(PurePosixPath(each.as_posix())):
                        self._add_file(each.as_posix())

    def _add_file(self, file: str) -> None:
        if file.endswith(".py"):
            return  # code is copied only if it is imported: a message may name 'generate.py'
        self.files.setdefault(file, self.folder / file)


def _may_travel(path: PurePosixPath) -> bool:
    """Whether a path is in the project, and may be copied."""
    parts = path.parts
    return (
        bool(parts)
        and not path.is_absolute()
        and parts[0] not in NEVER
        and not any(part.startswith(".") or part == "__pycache__" for part in parts)
    )


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise InputError("There is no such file.", str(path)) from None
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise InputError(f"This is not Python: {reason}.", f"{path}{line}") from None


def _names(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Yield every string that could name a file, and whether it is part of a path (next to '/', or in a call)."""
    paths: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            paths |= {node.left, node.right}
        elif isinstance(node, ast.Call):
            paths |= {*node.args}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _could_name(node.value):
            yield node.value, node in paths


def _could_name(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and text.isprintable() and text == text.strip() and "\\" not in text


def _refuse_large(files: Mapping[str, Path]) -> None:
    """Raise InputError if a task names large files, such as weights or a data set."""
    sizes = {name: path.stat().st_size for name, path in files.items()}
    if sum(sizes.values()) <= MOST_BYTES:
        return
    name = max(sizes, key=lambda each: sizes[each])
    what = (
        f"The files of a task may have {MOST_BYTES // 1024**2} MiB in all; these have {sum(sizes.values()) // 1024**2}."
    )
    raise InputError(what, str(files[name]), f"The largest is '{name}', which the task's code names: leave it out.")
