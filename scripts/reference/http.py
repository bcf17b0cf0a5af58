"""The reference of the HTTP service: every route with its request and its answer, from the service's own OpenAPI."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI

from kit.engines.base import Engine
from kit.project.project import Project
from kit.project.template import list_templates
from kit.task import Task
from scripts.reference.text import Schema, default_of, kind, paragraphs, short, table
from serving.answering import Answering
from serving.app import ROUTERS
from serving.models.catalogue import Catalogue, Model
from serving.models.fleet import Fleet
from serving.observability.metrics import Metrics
from serving.readiness import Readiness
from serving.routes.operations import operations_router
from serving.settings import Settings
from serving.workers.pool import Workers

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
_TOP = """# Every HTTP route

This page lists every route of the service with its request and its answer. It is made from the OpenAPI description
that a running service returns at `/openapi.json`. A service has one typed route for each task of the bundles that it
serves. The typed routes below are those of the templates.
"""
_ERRORS = """
## Errors

An error has an HTTP status and a body in OpenAI's form. `message` is a sentence for a person, `code` is for a program,
and `param` names the field that is wrong.

"""
_UNSUPPORTED = "Not supported"
_TITLES = {"domain": "Typed routes", "openai": "OpenAI's routes", "operations": "Operations"}


@cache
def template_names() -> tuple[str, ...]:
    """Return the names of the templates that have a page of their own."""
    return tuple(each.name for each in list_templates() if (TEMPLATES / each.name / "README.md").is_file())


def page() -> str:
    """Return the page."""
    described = _application().openapi()
    definitions = described["components"]["schemas"]
    routes = [
        (operation["tags"][0], method.upper(), path, operation)
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    ]
    sections = [
        "\n".join([f"\n## {title}", *(_route(route, definitions) for route in routes if route[0] == tag)])
        for tag, title in _TITLES.items()
    ]
    return "\n".join([_TOP, *sections, _ERRORS + _fields("ErrorBody", definitions), _settings()])


def _application() -> FastAPI:
    """Return the service's routes without an engine: they are described here and never called."""
    settings, engine, workers = Settings(), cast(Engine, None), cast(Workers, None)
    app, catalogue = FastAPI(), Catalogue([cast(Model, _Described())])
    answering = Answering(catalogue, workers, settings)
    for router in ROUTERS:
        app.include_router(router(answering))
    app.include_router(operations_router(Readiness(), Fleet(engine), (), Metrics()))
    return app


class _Described:
    """A model with the tasks of all templates, for which nothing else is known."""

    def __init__(self) -> None:
        self.tasks = _tasks()

    def __getattr__(self, name: str) -> _Described:
        return self


def _tasks() -> Mapping[str, Task[Any, Any]]:
    projects = [Project(TEMPLATES / each.name) for each in list_templates()]
    return {task.route: task for project in projects for task in project.tasks(project.recipe())}


def _route(route: tuple[str, str, str, Schema], definitions: Mapping[str, Schema]) -> str:
    _, method, path, operation = route
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    answer = operation["responses"]["200"]["content"].get("application/json", {}).get("schema", {})
    headers = [(f"`{each['name']}`", each.get("description", "")) for each in operation.get("parameters", ())]
    pieces = [
        f"\n### `{method} {path}`",
        f"{operation['summary'].rstrip('.')}.",
        table(("header", "meaning"), headers) if headers else "",
        *(f"**{title}**\n\n{_fields(_name(schema), definitions)}" for title, schema in _shown(body, answer)),
    ]
    return "\n\n".join(filter(None, pieces))


def _shown(body: Schema, answer: Schema) -> Iterator[tuple[str, Schema]]:
    yield from ((title, schema) for title, schema in (("Request", body), ("Answer", answer)) if _name(schema))


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _fields(name: str, definitions: Mapping[str, Schema]) -> str:
    """Return the fields of a type, and of the types that those hold, each once."""
    rows = [row for each in _reached(name, definitions) for row in _rows(each, name, definitions)]
    unsupported = [field for field, _, meaning in rows if meaning.startswith(_UNSUPPORTED)]
    listed = table(("field", "type", "meaning"), [row for row in rows if row[0] not in unsupported])
    if not unsupported:
        return listed
    return f"{listed}\n\n{_UNSUPPORTED}, and accepted only with a value that changes nothing: {', '.join(unsupported)}."


def _rows(name: str, top: str, definitions: Mapping[str, Schema]) -> Iterator[tuple[str, str, str]]:
    schema = definitions[name]
    for field, described in schema.get("properties", {}).items():
        shown = field if name == top else f"{short(name)}.{field}"
        state = "required" if field in schema.get("required", ()) else default_of(described)
        yield f"`{shown}`", f"{kind(described, definitions)}<br>{state}", described.get("description", "")


def _reached(name: str, definitions: Mapping[str, Schema]) -> list[str]:
    found = [name]
    for each in found:
        found += [inner for inner in _references(definitions[each]) if inner not in found]
    return [each for each in found if "properties" in definitions[each]]


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            yield _name(schema)
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)


def _settings() -> str:
    schema = Settings.model_json_schema()
    rows = [
        (f"`{name}`", f"{kind(each, {})}<br>{default_of(each)}", f"{each.get('description', '')}.")
        for name, each in schema["properties"].items()
    ]
    doc = paragraphs(inspect.getdoc(Settings))
    return f"\n## Settings of the service\n\n{doc}\n\n{table(('setting', 'type and default', 'what it sets'), rows)}\n"
