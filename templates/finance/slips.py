"""Names the likely slip behind a figure that the table does not support."""

from __future__ import annotations

from decimal import Decimal

from .table import Table, close

_SCALES = tuple(Decimal(10) ** power for power in (-9, -6, -3, 3, 6, 9))


def slip(table: Table, kind: str, number: Decimal, step: Decimal, measure: str, period: str) -> str:
    """Return the reason in words: a wrong sign, scale, period or measure, or an amount that is nowhere."""
    if kind != "value":
        return "it is not the change between the two periods"
    actual = table.amount(measure, period)
    if close(-number, step, actual):
        return "it has the wrong sign"
    if any(close(number * scale, step * scale, actual) for scale in _SCALES):
        return "it is off by a factor of a thousand or more"
    if any(close(number, step, table.amount(measure, other)) for other in table.periods_of(measure)):
        return "it is the amount of another period"
    if any(close(number, step, table.amount(other, period)) for other in table.names):
        return "it is the amount of another measure"
    return "the table does not have this amount"
