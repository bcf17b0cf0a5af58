"""The reference of the recipe: every setting with its type, bounds, default and description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kit.recipe import Recipe
from scripts.reference.text import Schema, default_of, kind, paragraphs, table

_TOP = """# Every setting of the recipe

This page lists every setting that `recipe.yaml` may have, with its type, its bounds and its default. It is made from
the schema that the kit validates recipes with.

- A setting that you leave out has its default. An unknown key is an error, and the message names the nearest known one.
- `profiles:` holds named changes to the recipe. `--profile NAME` merges one of them over the rest before validation.
- `kit check` validates the recipe under every profile and prints all problems at once, each with its line.
"""


@dataclass(frozen=True)
class Part:
    """One section of the recipe: its dotted path, its schema, and whether a recipe may do without it."""

    path: str
    schema: Schema
    optional: bool = False


def page() -> str:
    """Return the page."""
    schema = Recipe.model_json_schema()
    definitions = schema["$defs"]
    return "\n".join([_TOP, *(_section(part, definitions) for part in parts(Part("", schema), definitions))])


def parts(part: Part, definitions: Mapping[str, Schema]) -> Iterator[Part]:
    """Return a section and every section inside it, in the order of the schema."""
    yield part
    for name, schema in part.schema["properties"].items():
        if inner := _inner(name, schema, definitions):
            path = ".".join(filter(None, [part.path, inner.path]))
            yield from parts(Part(path, inner.schema, inner.optional), definitions)


def _inner(name: str, schema: Schema, definitions: Mapping[str, Schema]) -> Part | None:
    """Return the section that a field holds: itself, one per item of a list, one per key of a mapping, or none."""
    options = schema.get("anyOf", [schema])
    optional = {"type": "null"} in options
    for option in options:
        for suffix, found in (("", option), ("[]", option.get("items")), (".NAME", option.get("additionalProperties"))):
            target = found.get("$ref", "").rpartition("/")[2] if isinstance(found, dict) else ""
            if "properties" in definitions.get(target, {}):
                return Part(f"{name}{suffix}", definitions[target], optional)
    return None


def _section(part: Part, definitions: Mapping[str, Schema]) -> str:
    inner = {name for name, schema in part.schema["properties"].items() if _inner(name, schema, definitions)}
    rows = [row for row in _rows(part.schema, definitions) if row[0].strip("`") not in inner]
    title = f"`{part.path}`" if part.path else "The top level"
    off = "\n\nThis section is off unless the recipe has it." if part.optional else ""
    listed = table(("setting", "type and default", "what it sets"), rows) if rows else ""
    return f"\n## {title}\n\n{paragraphs(part.schema.get('description'))}{off}\n\n{listed}\n"


def _rows(schema: Schema, definitions: Mapping[str, Schema]) -> list[tuple[str, str, str]]:
    required = schema.get("required", [])
    return [
        (
            f"`{name}`",
            f"{kind(each, definitions)}<br>{'required' if name in required else default_of(each)}",
            f"{each.get('description', '')}.",
        )
        for name, each in schema["properties"].items()
    ]
