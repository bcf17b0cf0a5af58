"""`kit promote`: point an alias at a bundle."""

from __future__ import annotations

from dataclasses import asdict

import click

from kit.cli.shared.alias_lines import alias_lines
from kit.cli.shared.output import Output, kit_command
from kit.workflows import promote


@kit_command("promote", "kit promote 3f2a          # production points at this bundle")
@click.argument("bundle", default="latest")
@click.option("--alias", default="production", show_default=True, help="Name to point at the bundle.")
@click.option("--override", default="", metavar="REASON", help="Promote a bundle whose gates did not all hold.")
@click.option("--share", type=click.FloatRange(0, 100, True, True), metavar="PERCENT",
              help="Let it answer this share of the clients; the alias's bundle answers the others.")  # fmt: skip
@click.option("--shadow", is_flag=True, help="Let it answer copies that no client sees, and compare.")
def command(output: Output, bundle: str, alias: str, override: str, share: float | None, shadow: bool) -> None:
    """Point an alias at BUNDLE (a digest or an alias; default: the newest). A running service follows.

    The bundle's files are verified first. Exit code 4: not every gate was measured and held.
    """
    state = promote(bundle, alias, override=override, percent=share, shadow=shadow)
    output.result(asdict(state), alias_lines(state))
