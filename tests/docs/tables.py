"""Tables in the README that are made from the code: its commands and its templates. `python -m tests.docs.tables`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from kit.cli.main import commands
from kit.evals.figures import write_figures
from kit.project.template import list_templates

README = Path(__file__).parents[2] / "README.md"


def tables() -> dict[str, str]:
    """Return the tables by the name of their marks, such as `<!-- figures:commands -->`."""
    return {
        "commands": _table(("command", "what it does"), _commands()),
        "templates": _table(("template", "what it does"), ((each.name, each.summary) for each in list_templates())),
    }


def command_names() -> list[str]:
    """Return the names of all commands, those of a group as 'data import'."""
    return [name for name, _ in _leaves("", commands)]


def _commands() -> Iterable[tuple[str, str]]:
    return ((f"`kit {name}`", command.get_short_help_str(limit=120)) for name, command in _leaves("", commands))


def _leaves(prefix: str, command: click.Command) -> Iterable[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield prefix, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from _leaves(f"{prefix} {name}".strip(), found)


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, ("---",) * len(headings), *rows))


if __name__ == "__main__":
    for title, text in tables().items():
        write_figures(README, title, text)
