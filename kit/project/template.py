"""Templates: the folders that a project is copied from."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kit import __version__
from kit.errors import InputError, nearest
from kit.recipe import load_recipe

RECIPE_FILE = "recipe.yaml"
ORIGIN = Path(".kit/origin")
_MADE_BY_RUNNING = shutil.ignore_patterns(
    "__pycache__",
    ".*_cache",
    ".kit",
    ".hypothesis",
    "runs",
    "search",
    "bundles",
    "attestations",
    "aliases",
    "evaluations",
)
_STARTER = "# Starter: "
_NAME = re.compile(r"^[a-z][a-z0-9-]*$")


@dataclass(frozen=True)
class Template:
    """A runnable folder that projects are copied from."""

    name: str
    folder: Path

    @property
    def summary(self) -> str:
        """One line, from its recipe."""
        return load_recipe(self.folder / RECIPE_FILE).summary

    @property
    def is_starter(self) -> bool:
        """Whether it is a small template to copy and change: its README.md starts with "# Starter: "."""
        file = self.folder / "README.md"
        return file.is_file() and file.read_text(encoding="utf-8").startswith(_STARTER)


@dataclass(frozen=True)
class NewProject:
    """The plan of a new project: its template, its folder and its name."""

    template: Template
    target: Path
    name: str | None

    def files(self) -> list[str]:
        """The files that the project will have, sorted."""
        return sorted(str(path.relative_to(self.template.folder)) for path in _files(self.template.folder))

    def make(self) -> None:
        """Copy the template. If this fails or is interrupted, no files are left behind."""
        staging = Path(tempfile.mkdtemp(prefix=f".{self.target.name}-", dir=self.target.parent))
        try:
            shutil.copytree(self.template.folder, staging, ignore=_MADE_BY_RUNNING, dirs_exist_ok=True)
            copy_texts(self.template, staging / ORIGIN)
            origin = {"template": self.template.name, "version": __version__}
            (staging / ORIGIN.with_suffix(".json")).write_text(json.dumps(origin) + "\n", encoding="utf-8")
            if self.name is not None:
                _rename(staging / RECIPE_FILE, self.name)
            staging.chmod(0o755)
            _put(staging, self.target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def copy_texts(template: Template, target: Path) -> None:
    """Copy a template's files, without what running it made."""
    shutil.copytree(template.folder, target, ignore=_MADE_BY_RUNNING)


def texts_of(folder: Path) -> dict[str, bytes]:
    """Return the content of each of a template's files, by its path in the folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files(folder)}


def list_templates() -> list[Template]:
    """Return the templates that came with the kit, by name."""
    found = sorted(_templates_folder().glob(f"*/{RECIPE_FILE}"))
    return [Template(recipe.parent.name, recipe.parent) for recipe in found]


def find_template(name: str) -> Template:
    """Return one template.

    Raises InputError with the nearest name where there is none.
    """
    known = {template.name: template for template in list_templates()}
    if name not in known:
        advice = nearest(name, known) or f"Known: {', '.join(known)}."
        raise InputError(f"There is no template '{name}'.", next=advice)
    return known[name]


def plan_project(template: str, target: Path, name: str | None = None) -> NewProject:
    """Check everything that a new project needs.

    Raises InputError for an unknown template, a bad name, and a target that already has files.
    """
    found = find_template(template)
    if name is not None and not _NAME.match(name):
        raise InputError(f"'{name}' is not a name.", "--name", "Use small letters, digits and hyphens: contract-review")
    target = target.absolute()
    if target.exists() and not target.is_dir():
        raise InputError("The target is a file.", str(target), "Choose another folder.")
    if target.is_dir() and any(target.iterdir()):
        raise InputError(
            "The target is not empty, and files are not overwritten.", str(target), "Choose another folder."
        )
    if not target.parent.is_dir():
        raise InputError("The parent folder of the target does not exist.", str(target.parent), "Create it first.")
    return NewProject(found, target, name)


def _templates_folder() -> Path:
    """Inside the package if installed from a wheel, next to it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


def _files(folder: Path) -> Iterator[Path]:
    names = sorted(path.name for path in folder.iterdir())
    ignored = _MADE_BY_RUNNING(str(folder), names)
    for name in names:
        path = folder / name
        if name not in ignored:
            yield from _files(path) if path.is_dir() else [path]


def _rename(recipe: Path, name: str) -> None:
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(re.sub(r"^name:.*$", f"name: {name}", text, count=1, flags=re.MULTILINE), encoding="utf-8")


def _put(staging: Path, target: Path) -> None:
    """Move the finished folder into place. An empty target folder is kept and filled, because a shell may be in it."""
    if not target.exists():
        staging.rename(target)
        return
    moved: list[Path] = []
    try:
        for path in sorted(staging.iterdir()):
            moved.append(target / path.name)
            shutil.move(path, target / path.name)
    except BaseException:
        for path in moved:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise
