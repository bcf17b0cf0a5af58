"""`kit help` and `kit version`: what people type for `kit --help` and `kit --version`."""

from __future__ import annotations

import click

from kit.cli.shared.output import Output, kit_command, version_result


@kit_command("help", "kit help train")
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def _help(context: click.Context, output: Output, names: tuple[str, ...]) -> None:
    """Show the help of the kit, or of one command."""
    at = context.find_root()
    for name in names:
        if not isinstance(at.command, click.Group):
            raise click.UsageError(f"'{at.command_path}' has no commands of its own.", at)
        found = at.command.resolve_command(at, [name])[1]
        assert found is not None, "a group refuses a name that it does not know"
        at = click.Context(found, at, info_name=name)
    text = at.get_help()
    output.result({"command": at.command_path, "help": text}, text)


@kit_command("version", "kit version")
def _version(output: Output) -> None:
    """Show the version."""
    output.result(*version_result())


ALIASES = {"help": _help, "version": _version}
