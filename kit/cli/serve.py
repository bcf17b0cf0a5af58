"""`kit serve`: answer requests with bundles that are verified first."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.output import Output, kit_command
from kit.cli.ranges import THREADS
from kit.workflows import Serving, plan_serve, run_service

if TYPE_CHECKING:
    from kit.workflows import ServicePlan


@kit_command("serve", "kit serve --port 8000          # the newest bundle, on loopback")
@click.argument("bundles", nargs=-1)
@click.option("--engine", type=click.Choice(["auto", "vllm", "local"]), help="Default: the bundle's recipe.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option("--base", type=click.Path(path_type=Path), help="The base model's folder, if it has moved.")
@click.option("--threads", type=THREADS, help="Threads of the engine; default: one per core.")
@click.option("--expose-preview", is_flag=True, help="Serve a bundle beyond loopback though its gates did not hold.")
@click.option("--dry-run", is_flag=True, help="Check all that a start checks before the engine, and leave.")
def command(output: Output, dry_run: bool, **options: Any) -> None:
    """Serve BUNDLES (digests or aliases; the newest where none is named): one merged, or adapters of one base.

    Ready means verified: files, renders and fingerprints are those of the bundle that was measured. Exit 4: refused.
    """
    if dry_run:
        output.result(*_planned(plan_serve(**options)))
        return
    from kit.cli.progress import TrainingLine

    with TrainingLine(output) as line:

        def report(event: object) -> None:
            if isinstance(event, Serving):
                output.result({"ready": True, **asdict(event)}, f"Ready: {event.url}")
            line.report(event)

        run_service(**options, report=report)


def _planned(plan: ServicePlan) -> tuple[dict[str, Any], str]:
    digests = ", ".join(digest[:12] for digest in plan.bundles)
    would = f"Would serve {digests} on {plan.engine} at {plan.host}:{plan.port}."
    return asdict(plan), "\n".join([*plan.status, would])
