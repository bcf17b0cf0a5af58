"""What a command prints: results on stdout, as text or as JSON; everything else on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from kit.cli.numbers import BoundedCommand
from kit.errors import KitError, Problem

_TOLD = 20


class Output:
    """Where a command puts its result, its chatter and its errors."""

    def __init__(self, as_json: bool = False, debug: bool = False) -> None:
        self.as_json = as_json
        self.debug = debug

    def say(self, sentence: str) -> None:
        """Tell the person what is going on."""
        click.echo(sentence, err=True)

    def result(self, data: Mapping[str, Any], text: str) -> None:
        """Print what the command found, once: as one JSON object, or as text."""
        click.echo(json.dumps(data, ensure_ascii=False, allow_nan=False, default=str) if self.as_json else text)

    def fail(self, code: int, kind: str, problems: Sequence[Problem]) -> None:
        """Print why the command failed: sentences on stderr, or a JSON object on stdout with all problems."""
        if self.as_json:
            error = {"code": int(code), "kind": kind, "problems": [asdict(problem) for problem in problems]}
            click.echo(json.dumps({"error": error}, ensure_ascii=False))
            return
        for problem in problems[:_TOLD]:
            self.say(str(problem))
        if len(problems) > _TOLD:
            self.say(f"… and {len(problems) - _TOLD} more.")

    def fail_with(self, error: KitError) -> None:
        """Print a kit error."""
        self.fail(error.code, type(error).__name__, error.problems)


def show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        context.find_root().obj.result(*version_result())
        context.exit()


def version_result() -> tuple[dict[str, Any], str]:
    """Return the version, as data and as text."""
    from kit import __version__

    return {"version": __version__}, f"domainkit {__version__}"


def kit_command(name: str, example: str) -> Callable[[Callable[..., int | None]], click.Command]:
    """Make a function a command whose help shows an example, and which has --json and --debug.

    The function gets an Output first; it returns an exit code, or None for success.
    """

    def decorate(function: Callable[..., int | None]) -> click.Command:
        as_json = click.option("--json", is_flag=True, expose_value=False, help="Print the result as JSON.")
        debug = click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback on errors.")
        made = click.command(name, cls=BoundedCommand, epilog=f"\b\nExample:\n  {example}")
        return made(as_json(debug(click.pass_obj(function))))

    return decorate


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns under a header."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
