"""`kit keys`: make, list, revoke and rotate the keys that open the service."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kit.cli.shared.groups import Group, show_overview
from kit.cli.shared.output import Output, kit_command, table
from kit.workflows import list_keys, new_key, revoke_key, rotate_key

if TYPE_CHECKING:
    from kit.workflows import KeySummary, NewToken

_FILE = click.option(
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File of the keys; default: DOMAINKIT_KEYS, else keys.json of the project.",
)
_ONCE = "It is shown only now: the file has its SHA-256. Send it as: Authorization: Bearer TOKEN"


@click.group("keys", cls=Group, invoke_without_command=True, epilog="\b\nExample:\n  kit keys new acme --expires 90d")
@click.option("--json", is_flag=True, expose_value=False, help="Print results and errors as JSON.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback on errors.")
@click.pass_context
def command(context: click.Context) -> None:
    """Make, list, revoke and rotate the keys that open the service."""
    show_overview(context)


@kit_command("new", "kit keys new acme --route '/v1/legal/*' --expires 90d")
@click.argument("name")
@click.option("--bundle", "bundles", multiple=True, help="A bundle that it opens, by name or digest; default: all.")
@click.option("--route", "routes", multiple=True, metavar="PATH", help="A route that it opens; default: all.")
@click.option("--admin", is_flag=True, help="It also opens the routes under /admin.")
@click.option("--expires", metavar="TIME", help="When it ends: 90d, 12h or a date; default: never.")
@click.option("--requests-per-minute", type=click.IntRange(1), help="Its limit; default: that of the service.")
@click.option("--requests-at-once", type=click.IntRange(1), help="Its limit; default: that of the service.")
@click.option("--tokens-per-minute", type=click.IntRange(1), help="Its limit; default: that of the service.")
@click.option("--tokens-per-day", type=click.IntRange(1), help="Its limit; default: that of the service.")
@_FILE
def _new(
    output: Output,
    name: str,
    bundles: tuple[str, ...],
    routes: tuple[str, ...],
    admin: bool,
    expires: str | None,
    file: Path | None,
    **limits: int | None,
) -> None:
    """Make a key for NAME and print its token, once."""
    own = {limit: value for limit, value in limits.items() if value is not None}
    made = new_key(name, file=file, bundles=bundles, routes=routes, admin=admin, expires=expires, limits=own)
    output.result(_data(made), f"{made.token}\nKey {made.key.id} for {name} is in {made.file}. {_ONCE}")


@kit_command("list", "kit keys list")
@_FILE
def _list(output: Output, file: Path | None) -> None:
    """List the keys; their tokens are not kept."""
    found = list_keys(file=file)
    header = ("id", "name", "state", "expires", "opens")
    rows = [(each.id, each.name, each.state, each.expires or "never", _opens(each)) for each in found]
    output.result({"keys": [asdict(each) for each in found]}, table(header, rows))


@kit_command("revoke", "kit keys revoke acme")
@click.argument("key")
@_FILE
def _revoke(output: Output, key: str, file: Path | None) -> None:
    """End KEY (an id or a name) now, also in a running service."""
    ended = revoke_key(key, file=file)
    output.result(asdict(ended), f"Key {ended.id} for {ended.name} {ended.state}.")


@kit_command("rotate", "kit keys rotate acme --keep-old 1h")
@click.argument("key")
@click.option("--keep-old", default="24h", show_default=True, metavar="TIME", help="How long the old token works.")
@_FILE
def _rotate(output: Output, key: str, keep_old: str, file: Path | None) -> None:
    """Give KEY (an id or a name) a new token and print it, once."""
    made = rotate_key(key, file=file, keep_old=keep_old)
    output.result(_data(made), f"{made.token}\nKey {made.key.id} for {made.key.name} has a new token. {_ONCE}")


def _data(made: NewToken) -> dict[str, object]:
    return {**asdict(made.key), "token": made.token, "file": str(made.file)}


def _opens(key: KeySummary) -> str:
    """Say what a key opens."""
    what = [*key.bundles, *key.routes] or ["everything"]
    return ", ".join([*what, *(["admin"] if key.admin else [])])


for _each in (_new, _list, _revoke, _rotate):
    command.add_command(_each)
