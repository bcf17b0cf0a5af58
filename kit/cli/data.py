"""`kit data`: import examples, split them, augment them, and read the text of documents."""

from __future__ import annotations

import click

from kit.cli.data_augment import augment
from kit.cli.data_import import import_
from kit.cli.data_split import split
from kit.cli.data_text import text_command
from kit.cli.shared.groups import Group, show_overview


@click.group(
    "data",
    cls=Group,
    invoke_without_command=True,
    epilog="\b\nExample:\n  kit data import csv tickets.csv --map text=body,label=category",
)
@click.option("--json", is_flag=True, expose_value=False, help="Print results and errors as JSON.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback on errors.")
@click.pass_context
def command(context: click.Context) -> None:
    """Import examples into the project, split them, and augment them."""
    show_overview(context)


command.add_command(import_)
command.add_command(split)
command.add_command(augment)
command.add_command(text_command)
