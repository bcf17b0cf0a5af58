"""Numbers on the command line: they must be finite and fit 64 bits."""

from __future__ import annotations

import math
from typing import Any

import click

_GREATEST = 2**63 - 1  # a signed integer of 64 bits


class BoundedCommand(click.Command):
    """A command that refuses numbers that are not finite or too large for 64 bits."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Raises BadParameter for a number that is not finite or does not fit 64 bits."""
        rest = super().parse_args(ctx, args)
        for parameter in self.params:
            _refuse_odd_number(ctx, parameter, ctx.params.get(parameter.name or ""))
        return rest


def _refuse_odd_number(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise click.BadParameter(f"'{value}' is not a finite number.", context, parameter)
    if isinstance(value, int) and abs(value) > _GREATEST:
        raise click.BadParameter(f"{value} is too large: at most {_GREATEST}.", context, parameter)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: "1 group", "2 groups"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
