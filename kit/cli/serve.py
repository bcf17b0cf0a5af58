"""`kit serve`: verify bundles, then answer requests with them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.shared.output import Output, kit_command
from kit.cli.shared.ranges import THREADS
from kit.workflows import Serving, plan_serve, run_service

if TYPE_CHECKING:
    from kit.workflows import ServicePlan


@kit_command("serve", "kit serve --port 8000          # the newest bundle, on loopback")
@click.argument("bundles", nargs=-1)
@click.option(
    "--engine",
    type=click.Choice(["auto", "vllm", "local"]),
    help="Engine that answers; default: from the bundle's recipe.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0: any free port.",
)
@click.option(
    "--base", type=click.Path(path_type=Path), help="Folder of the base model; default: where the bundle says."
)
@click.option("--threads", type=THREADS, help="CPU threads of the engine; default: one per core.")
@click.option("--expose-preview", is_flag=True, help="Allow other machines to reach a bundle with failed gates.")
@click.option("--dry-run", is_flag=True, help="Make all checks that need no engine, and stop.")
def command(output: Output, dry_run: bool, **options: Any) -> None:
    """Serve BUNDLES (digests or aliases; default: the newest): one merged bundle, or adapters of one base.

    Ready means verified: files, renders and fingerprints match the bundle that was measured. Exit code 4: refused.
    """
    if dry_run:
        output.result(*_planned(plan_serve(**options)))
        return
    from kit.cli.shared.progress import TrainingLine

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
