"""The reference of the Python API: every name of `kit.workflows` with its signature and its docstring."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TypeGuard

import kit.workflows
from scripts.reference.text import paragraphs, table

_TOP = """# Every name of the Python API

This page lists every name that `kit.workflows` exports, with its signature. It is made from the code.
[The guide](../guides/python.md) has examples that are executed by a test.
"""


def page() -> str:
    """Return the page."""
    found = {name: getattr(kit.workflows, name) for name in kit.workflows.__all__}
    functions = {name: each for name, each in found.items() if inspect.isfunction(each)}
    types = {name: each for name, each in found.items() if inspect.isclass(each)}
    for function in functions.values():
        types |= _results(_words(inspect.signature(function).return_annotation), function.__module__, types)
    listed = [_function(name, each) for name, each in functions.items()]
    return "\n".join(
        [
            _TOP,
            "\n## Functions\n",
            *listed,
            "\n## Results and events\n",
            *(_type(*each) for each in sorted(types.items())),
        ]
    )


def _results(annotation: str, module: str, known: Mapping[str, type]) -> dict[str, type]:
    """Return the result types that an annotation names, and those of their fields; only types of the workflows."""
    names = {name: getattr(sys.modules[module], name, None) for name in re.findall(r"\w+", annotation)}
    found = {name: each for name, each in names.items() if name not in known and _is_result(each)}
    for each in list(found.values()):
        for field in dataclasses.fields(each):
            found |= _results(_words(field.type), each.__module__, {**known, **found})
    return found


def _is_result(each: object) -> TypeGuard[type]:
    return inspect.isclass(each) and dataclasses.is_dataclass(each) and each.__module__.startswith("kit.workflows")


def _function(name: str, function: object) -> str:
    return f"### `{name}`\n\n```python\n{_signature(name, function)}\n```\n\n{_prose(inspect.getdoc(function))}\n"


def _signature(name: str, function: object) -> str:
    """Return a signature with one parameter per line."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    lines: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in lines:
            lines.append("*")
        lines.append(f"{parameter.name}: {_words(parameter.annotation)}{_default(parameter)}")
    inner = "".join(f"    {line},\n" for line in lines)
    return f"def {name}(\n{inner}) -> {_words(signature.return_annotation)}"


def _default(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return ""
    return f" = {getattr(parameter.default, '__name__', repr(parameter.default))}"


def _type(name: str, kind: type) -> str:
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    meanings = _meanings(kind)
    heads: tuple[str, ...] = ("field", "type", "meaning")
    rows: list[tuple[str, ...]] = [
        (f"`{each.name}`", f"`{_words(each.type)}`", meanings.get(each.name, "")) for each in fields
    ]
    columns = slice(None if meanings else 2)
    listed = table(heads[columns], [row[columns] for row in rows]) if rows else ""
    return f"### `{name}`\n\n{_prose(inspect.getdoc(kind))}\n\n{listed}\n"


def _meanings(kind: type) -> dict[str, str]:
    """Return the sentences that a class has right below its fields."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(kind)).body if isinstance(node, ast.ClassDef))
    return {
        field.target.id: str(text.value.value).strip()
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def _words(annotation: object) -> str:
    """Return an annotation as the code writes it."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return text.strip("\"'")


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
