"""The reference of the commands: usage, arguments, options and an example of each."""

from __future__ import annotations

from collections.abc import Iterator

import click

from kit.cli.main import commands
from kit.errors import Exit
from scripts.reference.text import paragraphs, table, value

_TOP = """# Every command

This page lists every command with its arguments and options. It is made from the commands themselves, and
`kit COMMAND --help` prints the same in a terminal.
Every command also takes three options that the tables below leave out:

- `--json` prints the result, or the error, as one JSON object.
- `--debug` shows the traceback of an error.
- `--help` shows the command's help.

`kit --version` prints the version.

## Exit codes

"""
_EVERYWHERE = ("json", "debug", "help")
_CODES = {
    Exit.OK: "It worked, and every gate held.",
    Exit.BROKE: "The run broke.",
    Exit.INPUT: "Something in your input is wrong. The message says what, where, and what to do next.",
    Exit.UNMEASURED: "Something could not be measured.",
    Exit.GATE_FAILED: "A gate failed.",
    Exit.INTERRUPTED: "You interrupted it (Ctrl-C).",
    Exit.TERMINATED: "It was asked to end (SIGTERM).",
}


def page() -> str:
    """Return the page."""
    codes = table(("code", "meaning"), [(str(int(code)), _CODES[code]) for code in Exit])
    return "\n".join([_TOP + codes, *(_section(context) for context in leaves(_root()))])


def _root() -> click.Context:
    return click.Context(commands, info_name="kit")


def leaves(context: click.Context) -> Iterator[click.Context]:
    """Return the context of every command and group below one, depth first."""
    command = context.command
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        if found := command.get_command(context, name):
            inner = click.Context(found, info_name=name, parent=context)
            yield inner
            yield from leaves(inner)


def _section(context: click.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    rows = [(_names(option), f"{option.help or ''} {_default(option, context)}") for option in _own_options(command)]
    example = paragraphs(command.epilog).partition("\n")[2]
    pieces = [
        f"\n## `{context.command_path}`",
        paragraphs(command.help),
        f"```text\n{usage}\n```",
        table(("option", "what it does"), rows) if rows else "",
        f"Example:\n\n```text\n{paragraphs(example)}\n```" if example else "",
    ]
    return "\n\n".join(filter(None, pieces)) + "\n"


def _own_options(command: click.Command) -> list[click.Option]:
    """Return the options that not every command has."""
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    return [each for each in options if each.name not in _EVERYWHERE]


def _names(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    return names if option.is_flag else f"{names} {_type(option)}"


def _type(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return " or ".join(f"`{choice}`" for choice in option.type.choices)
    return f"`{option.metavar or option.type.name.upper()}`"


def _default(option: click.Option, context: click.Context) -> str:
    default = option.get_default(context)
    shown = default is not None and not option.is_flag and not option.multiple and not callable(default)
    return f"Default: {value(default)}." if shown and isinstance(default, str | int | float) else ""
