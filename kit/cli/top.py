"""`kit top`: a live table of what a running service does."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from kit.cli.shared.output import Output, kit_command, table
from kit.errors import Exit
from kit.workflows import service_load

if TYPE_CHECKING:
    from kit.workflows import BundleLoad, ServiceLoad

_KEY = "DOMAINKIT_KEY"
_HEADER = (
    "bundle",
    "waiting",
    "writing",
    "requests",
    "failed",
    "tokens in",
    "tokens out",
    "tokens/s",
    "first token",
    "readable",
)
_CLEAR = "\x1b[H\x1b[2J"


@kit_command("top", "kit top --url http://127.0.0.1:8000")
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="Address of the service.")
@click.option(
    "--every", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, help="Seconds between looks."
)
@click.option("--looks", type=click.IntRange(min=1), help="Stop after so many looks; default: when you press Ctrl-C.")
def command(output: Output, url: str, every: float, looks: int | None) -> int:
    """Show what a service does: requests that wait and that are written, tokens, times and errors, again and again.

    It reads /readyz and /metrics. The variable DOMAINKIT_KEY holds the API key, where the service asks for one. Into a
    file or a pipe, and with --json, it prints the last look alone. Exit code 3: the service is not ready.
    """
    live = sys.stdout.isatty() and not output.as_json
    looks = looks or (None if live else 2)
    load = service_load(url, key=os.environ.get(_KEY, ""))
    done = 1
    while looks is None or done < looks:
        if live:
            click.echo(_CLEAR + _text(load))
        time.sleep(every)
        load = service_load(url, key=os.environ.get(_KEY, ""), before=load)
        done += 1
    data = asdict(load)
    del data["samples"]
    output.result(data, (_CLEAR if live else "") + _text(load))
    return Exit.OK if load.ready else Exit.UNMEASURED


def _text(load: ServiceLoad) -> str:
    state = "ready" if load.ready else f"not ready: {load.reason}"
    lines = [f"{load.url}: {state}. Running: {load.running}. Responses with an error: {load.refused}."]
    if load.ledger_waiting is not None and not load.ledger_healthy:
        lines.append(f"The ledger's database takes no rows; {load.ledger_waiting} wait.")
    rows = [_row(each) for each in load.bundles]
    return "\n".join([*lines, table(_HEADER, rows) if rows else "No bundle has answered yet."])


def _row(load: BundleLoad) -> list[str]:
    counts = (load.waiting, load.writing, load.requests, load.failed, load.prompt_tokens, load.completion_tokens)
    return [
        load.bundle,
        *(f"{each:,}" for each in counts),
        "-" if load.tokens_per_second is None else f"{load.tokens_per_second:,.1f}",
        "-" if load.first_token_seconds is None else f"{load.first_token_seconds:.3f} s",
        "-" if load.readable is None else f"{load.readable:.1%}",
    ]
