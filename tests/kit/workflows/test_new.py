"""`new` from Python: a project in any folder, and a plan that writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.errors import InputError
from kit.recipe import load_recipe
from kit.workflows import list_templates, new, plan_new


def test_a_project_is_made_as_planned(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plan = plan_new("legal", tmp_path / "contracts", name="lease-review")
    assert list(tmp_path.iterdir()) == []
    project = new("legal", tmp_path / "contracts", name="lease-review")
    assert (project.template, project.path, project.files) == (plan.template, plan.path, plan.files)
    assert all((project.path / file).is_file() for file in project.files)
    recipe = load_recipe(project.path / "recipe.yaml")
    assert (recipe.name, recipe.base.model) == ("lease-review", project.base)
    assert tuple(capfd.readouterr()) == ("", "")


def test_a_template_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'legal'"):
        new("legl", tmp_path / "contracts")
    assert list(tmp_path.iterdir()) == []


def test_templates_are_listed_with_a_line_each() -> None:
    found = {each.name: each for each in list_templates()}
    assert found["legal"].summary
    assert not found["legal"].starter
