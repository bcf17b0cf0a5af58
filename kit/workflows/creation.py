"""Make a project from a template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TemplateSummary:
    """A template, and one line about it. A starter is a small template to change for your own data."""

    name: str
    summary: str
    starter: bool


@dataclass(frozen=True)
class NewPlan:
    """The project that `new` would make: its folder, and its files relative to it."""

    template: str
    path: Path
    files: tuple[str, ...]


@dataclass(frozen=True)
class NewProject(NewPlan):
    """A new project.

    `base` is the base model of its recipe. If that base is not on this machine, `profile_here` names a profile whose
    base is; otherwise it is None.
    """

    base: str
    profile_here: str | None


def list_templates() -> tuple[TemplateSummary, ...]:
    """Return all templates, sorted by name."""
    from kit.project import template

    return tuple(TemplateSummary(each.name, each.summary, each.is_starter) for each in template.list_templates())


def plan_new(template: str, target: str | Path | None = None, *, name: str | None = None) -> NewPlan:
    """Return what `new` would make; nothing is written. Raises InputError as `new` does."""
    from kit.project.template import plan_project

    plan = plan_project(template, Path(target or template), name)
    return NewPlan(template, plan.target, tuple(plan.files()))


def new(template: str, target: str | Path | None = None, *, name: str | None = None) -> NewProject:
    """Copy a template to a folder (default: the template's name), as a project that you own.

    `name` is the name of the project and of its model (default: the template's). Raises InputError for an unknown
    template, an invalid name, and a folder that is not empty.
    """
    from kit.project.project import Project
    from kit.project.template import plan_project

    plan = plan_project(template, Path(target or template), name)
    plan.make()
    project = Project(plan.target)
    recipe = project.recipe()
    here = None if project.has_base(recipe) else project.profile_here()
    return NewProject(template, plan.target, tuple(plan.files()), recipe.base.model, here)
