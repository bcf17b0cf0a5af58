"""`kit check`: everything that can be known before anyone pays for a GPU."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import asdict
from typing import Any

import click

from kit.cli.shared.check_lines import check_lines
from kit.cli.shared.output import WIDTH, Output, kit_command
from kit.cli.shared.ranges import PEAK_TFLOPS, PRICE_PER_HOUR
from kit.workflows import CheckReport, check


@kit_command("check", example="kit check --profile smoke")
@click.option("--profile", help="Profile of the recipe; default: none.")
@click.option("--recipe-only", is_flag=True, help="Read only the recipe and its tasks.")
@click.option("--attach", is_flag=True, help="Also try the method on the base's architecture; this loads torch.")
@click.option("--price-per-hour", type=PRICE_PER_HOUR, help="Price of the machine per hour; gives a cost.")
@click.option(
    "--peak-tflops", type=PEAK_TFLOPS, help="Peak speed of the device in TFLOP/s; gives a lower bound of the time."
)
def command(output: Output, recipe_only: bool, **options: Any) -> int:
    """Check recipe, data, rows and servability, and estimate memory and time, before anyone pays for a GPU.

    Exit code 0: every check held. 2: a check failed. 3: something could not be measured.
    """

    found = check(recipe_only=recipe_only, **options)
    data: dict[str, Any] = {name: getattr(found, name) for name in ("recipe", "digest", "tasks", "base")}
    head = f"recipe {found.recipe}, tasks: {', '.join(found.tasks)}, base: {found.base}"
    if recipe_only:
        output.result(data, f"{head}\nThe recipe is valid.")
        return 0
    data |= {"checks": [asdict(each) for each in found.checks], "facts": found.facts}
    lines = [head, *_lines(found)]
    output.result(data, "\n".join(map(_wrapped, lines) if sys.stdout.isatty() else lines))
    return found.exit_code


def _wrapped(line: str) -> str:
    """Wrap a line for a terminal; a pipe gets whole lines, which are easier to search."""
    return textwrap.fill(line, WIDTH, subsequent_indent=" " * 16, break_long_words=False, break_on_hyphens=False)


def _lines(found: CheckReport) -> list[str]:
    here = found.profile_here
    advice = [f"The base of the profile '{here}' is on this machine: kit check --profile {here}"] if here else []
    return [*check_lines(found.checks), *(f"{'estimate':>12}  {line}" for line in found.estimate), *advice]
