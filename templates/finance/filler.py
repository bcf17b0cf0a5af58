"""The classical method for reports: sentences with gaps, filled from the table."""

from __future__ import annotations

from decimal import Decimal

from .schema import ReportRequest
from .showing import change, with_unit
from .table import Table


def fill(request: ReportRequest) -> str:
    """Return one sentence for each measure."""
    table = Table(request.table)
    return " ".join(_sentence(table, measure) for measure in table.names)


def _sentence(table: Table, measure: str) -> str:
    period = table.periods_of(measure)[-1]
    value = with_unit(table.value(measure, period) or Decimal(0), table.written_units[measure])
    name = table.names[measure][:1].upper() + table.names[measure][1:]
    said = f"{name} in {period} was {value}"
    for base in table.earlier(measure, period)[:1]:
        old = with_unit(table.value(measure, base) or Decimal(0), table.written_units[measure])
        words = change(table, measure, period, base)
        said += f", {words} from {old} in {base}" if words != "unchanged" else f", as in {base}"
    return said + "."
