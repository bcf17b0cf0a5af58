"""Groups of commands: their overview as text or JSON, and the error for an unknown command."""

from __future__ import annotations

import re

import click

from kit.cli.shared.output import Output
from kit.errors import InputError, nearest

_END_OF_SENTENCE = re.compile(r"(?<=\.)\s+(?=[A-Z])")


class Group(click.Group):
    """A group that lists each command with its first sentence, and suggests the nearest for an unknown name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raises InputError for an unknown command."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            known = self.list_commands(ctx)
            advice = nearest(name, known) or f"Known: {', '.join(known)}."
            raise InputError(f"There is no command '{ctx.command_path} {name}'.", next=advice)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one row per command; long sentences wrap and are not cut."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries(ctx).items()))

    def summaries(self, ctx: click.Context) -> dict[str, str]:
        """Return the first sentence of each command's help, by its name."""
        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        return {name: _first_sentence(command.help or "") for name, command in found.items() if command is not None}


def show_overview(context: click.Context) -> None:
    """Print the help of a group that was called without a command; with --json, its commands and their summaries."""
    group, output = context.command, context.find_object(Output)
    if context.invoked_subcommand is not None or not isinstance(group, Group) or output is None:
        return
    listed = [{"name": name, "summary": summary} for name, summary in group.summaries(context).items()]
    output.result({"command": context.command_path, "commands": listed}, context.get_help())


def _first_sentence(help_text: str) -> str:
    paragraph = " ".join(help_text.strip().split("\n\n")[0].split())
    return _END_OF_SENTENCE.split(paragraph)[0]
