"""`kit demo`: all commands, one after the other, on a template's smoke profile."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from kit.cli.shared.output import Output, kit_command
from kit.workflows import DemoStep, Note, Serving, demo, plan_demo

if TYPE_CHECKING:
    from kit.workflows import DemoResult


@kit_command("demo", "kit demo legal")
@click.argument("template", default="legal")
@click.option("--into", type=click.Path(path_type=Path), help="Folder of the project; default: a new one here.")
@click.option(
    "--engine", type=click.Choice(["auto", "vllm", "local"]), default="auto", show_default=True, help="Engine."
)
@click.option("--dry-run", is_flag=True, help="Print the commands, and run none.")
def command(
    output: Output, template: str, into: Path | None, engine: Literal["auto", "vllm", "local"], dry_run: bool
) -> None:
    """Make a project, check, train, measure and serve it, and send it one request; then stop and keep the bundle."""
    if dry_run:
        steps = [["kit", *words] for words in plan_demo(template, into, engine=engine).commands]
        output.result({"commands": steps}, "\n".join(shlex.join(step) for step in steps))
        return
    output.result(*_shown(demo(template, into, engine=engine, output=sys.stderr, report=_reporter(output))))


def _reporter(output: Output) -> Callable[[object], None]:
    def report(event: object) -> None:
        match event:
            case DemoStep():
                output.say(f"\n$ kit {shlex.join(event.words)}")
            case Note():
                output.say(event.sentence)
            case Serving():
                output.say(f"Ready: {event.url}")

    return report


def _shown(result: DemoResult) -> tuple[dict[str, Any], str]:
    serve = f"cd {shlex.quote(os.path.relpath(result.project))} && kit serve"
    text = (
        f"\nThe service answered ({result.status}) a text that is in no training row:\n"
        f"{json.dumps(result.response, indent=2, ensure_ascii=False)}\n\n"
        f"The service is stopped; the bundle {result.bundle[:12]} is kept. {result.seconds:.0f} s in all. "
        f"Serve it again:\n\n    {serve}"
    )
    return {**asdict(result), "project": str(result.project), "seconds": round(result.seconds, 1), "serve": serve}, text
