"""Every template, and for each of them one project that tests may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.project.template import Template, list_templates, plan_project

TEMPLATES = list_templates()


@pytest.fixture(scope="session", params=TEMPLATES, ids=[each.name for each in TEMPLATES])
def template(request: pytest.FixtureRequest) -> Template:
    """One template after the other."""
    found: Template = request.param
    return found


@pytest.fixture(scope="session")
def project(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project from it."""
    folder = tmp_path_factory.mktemp(template.name) / "project"
    plan_project(template.name, folder).make()
    return folder
