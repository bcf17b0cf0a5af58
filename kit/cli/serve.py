"""`kit serve`: verify bundles, then answer requests with them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.shared.output import Output, kit_command
from kit.cli.shared.ranges import THREADS
from kit.cli.shared.values import named_values
from kit.workflows import Serving, plan_serve, run_service, service_settings

if TYPE_CHECKING:
    from kit.workflows import ServicePlan


@kit_command("serve", "kit serve --port 8000          # the newest bundle, on loopback")
@click.argument("bundles", nargs=-1)
@click.option(
    "--engine",
    type=click.Choice(["auto", "vllm", "local", "upstream"]),
    help="Engine that answers; default: from the bundle's recipe.",
)
@click.option("--host", help="Address to listen on; default: 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; default: 8000; 0: any free port.")
@click.option(
    "--base", type=click.Path(path_type=Path), help="Folder of the base model; default: where the bundle says."
)
@click.option("--threads", type=THREADS, help="CPU threads of the engine; default: one per core.")
@click.option(
    "--expose-preview", is_flag=True, default=None, help="Let other machines reach a bundle with failed gates."
)
@click.option("--keys", type=click.Path(path_type=Path), help="File of the keys; default: keys.json of the project.")
@click.option(
    "--expose-without-keys", is_flag=True, default=None, help="Let other machines call a service that has no keys."
)
@click.option("--url", help="Address of the server behind the engine `upstream`.")
@click.option("--config", type=click.Path(path_type=Path), help="YAML file of settings.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Another setting, such as vllm.max_num_seqs=64."
)
@click.option(
    "--attestations", type=click.Path(path_type=Path), help="Folder of the attestations of a bundle outside a project."
)
@click.option("--rehash", is_flag=True, help="Read every file again, also those that did not change.")
@click.option("--print-config", is_flag=True, help="Print the settings and where each comes from, and stop.")
@click.option("--dry-run", is_flag=True, help="Make all checks that need no running engine, and stop.")
def command(
    output: Output, dry_run: bool, print_config: bool, settings: tuple[str, ...], url: str | None, **options: Any
) -> None:
    """Serve BUNDLES (digests, aliases or folders; default: the newest): adapters of one base, and merged bundles.

    Ready means verified: files, renders and fingerprints match the bundle that was measured. Exit code 4: refused.
    """
    flags = {name: options.pop(name) for name in ("keys", "expose_without_keys")}
    given = {name: value for name, value in flags.items() if value is not None}
    options["settings"] = named_values([*settings, *([f"upstream.url={url}"] if url else [])]) | given
    if print_config:
        _print_config(output, options)
        return
    if dry_run:
        output.result(*_planned(plan_serve(**options)))
        return
    from kit.cli.shared.progress import TrainingLine

    with TrainingLine(output) as line:

        def report(event: object) -> None:
            if isinstance(event, Serving):
                output.result({"ready": True, **asdict(event)}, _ready(event))
            line.report(event)

        run_service(**options, report=report)


def _ready(event: Serving) -> str:
    """Return the lines that say where the service is, what it answers, and how well."""
    return "\n".join([f"Ready: {event.url}", *event.status, f"Routes: {', '.join(event.routes)}", f"Try: {event.curl}"])


def _print_config(output: Output, options: dict[str, Any]) -> None:
    names = ("engine", "host", "port", "base", "threads", "expose_preview")
    flags = {name: options[name] for name in names if options[name] is not None}
    found = service_settings(options["config"], {**options["settings"], **flags})
    output.result({"settings": found.settings, "places": found.places}, found.text)


def _planned(plan: ServicePlan) -> tuple[dict[str, Any], str]:
    digests = ", ".join(digest[:12] for digest in plan.bundles)
    would = f"Would serve {digests} on {plan.engine} at {plan.host}:{plan.port}."
    return asdict(plan), "\n".join([*plan.status, would])
