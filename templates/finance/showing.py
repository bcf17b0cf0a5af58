"""Numbers as text: in the prompt, and in the sentences of the template filler."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from .schema import ReportRequest
from .table import Table
from .units import SCALES, currency_of


def plain(number: Decimal) -> str:
    """Write a number with commas and without empty decimals."""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded(number: Decimal, places: int) -> str:
    """Write a number with so many decimals, rounded half away from zero."""
    return f"{number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):,f}"


def with_unit(number: Decimal, unit: str) -> str:
    """Write a number with a unit of the table: EUR 4.2 million, 12 %, 214 stores."""
    words = unit.split()
    scale = " ".join(word for word in words if word.casefold() in SCALES)
    rest = [word for word in words if word.casefold() not in SCALES]
    if len(rest) == 1 and currency_of(rest[0]):
        return " ".join(part for part in (rest[0], plain(number), scale) if part)
    return " ".join(part for part in (plain(number), scale, *rest) if part)


def change_unit(unit: str) -> str:
    """The unit of a difference: percentage points where the table has percent."""
    return "percentage points" if unit.strip() in ("%", "percent", "per cent") else unit


def shown(request: ReportRequest) -> str:
    """Return the table as the model reads it: a line for each measure, the latest period first."""
    table = Table(request.table)
    return "\n".join([request.title, *(_line(table, measure) for measure in table.names)])


def _line(table: Table, measure: str) -> str:
    unit, periods = table.written_units[measure], table.periods_of(measure)[::-1]
    cells = [f"{with_unit(table.value(measure, period) or Decimal(0), unit)} in {period}" for period in periods]
    bases = table.earlier(measure, periods[0])[:2]
    changes = [f"{change(table, measure, periods[0], base)} on {base}" for base in bases]
    return f"{table.names[measure]}: {'; '.join(cells + changes)}"


def change(table: Table, measure: str, period: str, base: str) -> str:
    """Write a change in words: up EUR 1.2 million or 4.0 %."""
    new, old = table.value(measure, period) or Decimal(0), table.value(measure, base) or Decimal(0)
    if new == old:
        return "unchanged"
    percent = table.percent_change(measure, period, base)
    own = table.units[measure].kind in ("percent", "points")
    share = "" if percent is None or own else f" or {rounded(abs(percent), 1)} %"
    unit = change_unit(table.written_units[measure])
    return f"{'up' if new > old else 'down'} {with_unit(abs(new - old), unit)}{share}"
