"""`kit package`: the build context of a container image that serves a bundle."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kit.cli.shared.output import Output, kit_command
from kit.workflows import Package, package, plan_package


@kit_command("package", "kit package --target cuda --baked")
@click.argument("bundle", default="latest")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write; default: NAME-DIGEST, here.")
@click.option(
    "--target",
    type=click.Choice(["cpu", "cuda", "slim"]),
    default="cpu",
    show_default=True,
    help="Image: vLLM on CPUs, vLLM on NVIDIA GPUs, or a small one for an engine elsewhere.",
)
@click.option("--baked", is_flag=True, help="Put the bundle into the image, instead of mounting it.")
@click.option(
    "--base", type=click.Path(path_type=Path), help="Folder of the base model; default: where the bundle says."
)
@click.option("--expose-preview", is_flag=True, help="Allow other machines to reach a bundle with failed gates.")
@click.option("--dry-run", is_flag=True, help="Print the commands, and write nothing.")
def command(output: Output, bundle: str, dry_run: bool, **options: Any) -> None:
    """Write what builds a container image for BUNDLE (a digest or an alias; default: the newest).

    Prints the two commands that build the image and run it: read-only, as a numeric user.
    """
    made = (plan_package if dry_run else package)(bundle=bundle, **options)
    output.result({**asdict(made), "written": not dry_run}, _told(made, dry_run))


def _told(made: Package, dry_run: bool) -> str:
    first = f"{'Would write' if dry_run else 'Wrote'} {made.path} for the bundle {made.bundle[:12]}. {made.status}"
    return "\n".join([first, "Build:", f"  {shlex.join(made.build)}", "Run:", f"  {shlex.join(made.run)}"])
