"""The documentation site: it is complete, it fetches nothing from the network, and a fault breaks its build."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import click
import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort
from pydantic import BaseModel, Field, TypeAdapter

import kit.workflows
from kit.cli.main import commands
from kit.project.project import Project
from kit.recipe import Recipe
from scripts.reference.http import TEMPLATES
from scripts.reference.text import kind
from tests.docs.pages import ROOT


def build_site(docs: Path, target: Path) -> Path:
    """Build the site strictly from a folder of pages. Raises Abort where the build has a warning."""
    config = load_config(str(ROOT / "mkdocs.yml"), docs_dir=str(docs), site_dir=str(target), strict=True)
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    return target


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(ROOT / "docs", tmp_path_factory.mktemp("site"))


def text_of(site: Path, page: str) -> str:
    """Return what a page of the site shows, without its tags."""
    return re.sub(r"<[^>]+>", "", (site / page / "index.html").read_text(encoding="utf-8"))


def settings(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        for inner in models(field.annotation):
            yield from settings(inner)


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Return the models that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models(inner)


def options(command: click.Command) -> Iterator[str]:
    yield from (
        name for each in command.params if isinstance(each, click.Option) and not each.hidden for name in each.opts
    )
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield name
            yield from options(found)


def test_the_reference_lists_every_setting_of_the_recipe(site: Path) -> None:
    shown = text_of(site, "reference/recipe")
    assert [name for name in settings(Recipe) if not re.search(rf"\b{name}\b", shown)] == []


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Annotated[str, Field(min_length=1, max_length=4000)], "text, length ≥ 1, length ≤ 4,000"),
        (Annotated[float, Field(gt=0, lt=0.5)] | None, "number, > 0, < 0.5 or null"),
        (Annotated[int, Field(ge=1, le=2**31 - 1)], "whole number, ≥ 1, ≤ 2³¹ − 1"),
        (Literal["a", "b"], '`"a"` or `"b"`'),
        (Annotated[list[int], Field(min_length=2)], "list of whole number, length ≥ 2"),
        (dict[str, bool], "mapping to true or false"),
        (Any, "any value"),
    ],
)
def test_a_type_and_its_bounds_are_put_into_words(annotation: Any, words: str) -> None:
    assert kind(TypeAdapter(annotation).json_schema(), {}) == words


def test_the_reference_lists_every_command_and_every_option(site: Path) -> None:
    shown = text_of(site, "reference/commands")
    assert [name for name in options(commands) if not re.search(rf"(?<![\w-]){name}\b", shown)] == []


def test_the_reference_lists_the_routes_of_the_service_and_of_every_template(site: Path) -> None:
    shown = text_of(site, "reference/http")
    projects = [Project(recipe.parent) for recipe in TEMPLATES.glob("*/recipe.yaml")]
    routes = [task.route for project in projects for task in project.tasks(project.recipe())]
    assert routes
    for route in (*routes, "/v1/chat/completions", "/v1/models", "/livez", "/readyz", "/scores"):
        assert route in shown


def test_the_reference_lists_every_name_of_the_python_api(site: Path) -> None:
    shown = text_of(site, "reference/python")
    assert [name for name in kit.workflows.__all__ if name not in shown] == []


def test_no_page_fetches_anything_from_the_network(site: Path) -> None:
    fetched = r"""<(?:script|img|link|iframe)\b[^>]*(?:src|href)=["']?(?:https?:)?//[^"'\s>]+"""
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    styles = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.css")}
    assert len(pages) > 30
    assert [path for path, text in pages.items() if re.search(fetched, text)] == []
    assert [path for path, text in styles.items() if re.search(r"url\([\"']?https?:|@import", text)] == []


def test_what_belongs_to_a_numbered_item_does_not_end_the_list(site: Path) -> None:
    paragraphs = {
        path.parent.name: re.findall(r"<p>\s*((?:[^<]|<(?!/p>))*)</p>", path.read_text(encoding="utf-8"))
        for path in site.rglob("index.html")
    }
    assert [name for name, found in paragraphs.items() if any(re.search(r"\n\d{1,2}\. ", text) for text in found)] == []


def test_a_dead_link_a_dead_anchor_and_a_page_without_a_place_break_the_build(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", docs)
    (docs / "stray.md").write_text("# Stray\n\nNo place in the navigation.\n")
    with (docs / "glossary.md").open("a") as page:
        page.write("\n[nowhere](nowhere.md) and [no heading](start.md#nowhere)\n")
    with caplog.at_level(logging.WARNING, "mkdocs"), pytest.raises(Abort):
        build_site(docs, tmp_path / "site")
    for fault in ("stray.md", "nowhere.md", "#nowhere"):
        assert any(fault in message for message in caplog.messages), caplog.messages
