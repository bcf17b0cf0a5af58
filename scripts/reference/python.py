"""The reference of the Python API: every name of `kit.workflows` with its signature and its docstring."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable

import kit.workflows
from scripts.reference.text import paragraphs, table

_TOP = """# Every name of the Python API

This page lists every name that `kit.workflows` exports, with its signature. It is made from the code.
[The guide](../guides/python.md) has examples that are executed by a test.
"""


def page() -> str:
    """Return the page."""
    found = {name: getattr(kit.workflows, name) for name in kit.workflows.__all__}
    functions = [_function(name, each) for name, each in found.items() if inspect.isfunction(each)]
    types = [_type(name, each) for name, each in found.items() if inspect.isclass(each)]
    return "\n".join([_TOP, "\n## Functions\n", *functions, "\n## Results and events\n", *types])


def _function(name: str, function: object) -> str:
    return f"### `{name}`\n\n```python\n{_signature(name, function)}\n```\n\n{_prose(inspect.getdoc(function))}\n"


def _signature(name: str, function: object) -> str:
    """Return a signature with one parameter per line."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    lines: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in lines:
            lines.append("*")
        lines.append(str(parameter).replace("'", ""))
    inner = "".join(f"    {line},\n" for line in lines)
    return f"def {name}(\n{inner}) -> {_words(signature.return_annotation)}"


def _type(name: str, kind: type) -> str:
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    rows = [(f"`{field.name}`", f"`{_words(field.type)}`") for field in fields]
    listed = table(("field", "type"), rows) if rows else ""
    return f"### `{name}`\n\n{_prose(inspect.getdoc(kind))}\n\n{listed}\n"


def _words(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _prose(docstring: str | None) -> str:
    """Return a docstring with its indented examples as code blocks."""
    return "\n".join(_fenced(paragraphs(docstring).splitlines()))


def _fenced(lines: Iterable[str]) -> Iterable[str]:
    inside = False
    for line in lines:
        code = bool(re.match(r" {4}", line)) or (inside and not line)
        if code != inside:
            yield "```python" if code else "```\n"
        inside = code
        yield line.removeprefix("    ") if code else line
    if inside:
        yield "```"
