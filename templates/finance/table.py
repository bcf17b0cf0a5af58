"""The table as exact numbers: cells by measure and period, and changes between them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from .periods import order_of, parts_of
from .schema import Row
from .units import Unit, unit_of

PER_CENT = Decimal(100)


class Table:
    """Cells by measure (in any case of letters) and period."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.units: dict[str, Unit] = {}
        self.written_units: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self._cells: dict[tuple[str, str], Decimal] = {}
        for row in rows:
            key = row.measure.casefold()
            self.units[key], self.written_units[key] = unit_of(row.unit), row.unit
            self.names[key] = row.measure
            self._cells[key, row.period] = Decimal(str(row.value))
        self.periods = sorted({row.period for row in rows}, key=order_of)

    def periods_of(self, measure: str) -> list[str]:
        """The periods of a measure, the earliest first."""
        return [period for period in self.periods if (measure, period) in self._cells]

    def earlier(self, measure: str, period: str) -> list[str]:
        """Periods of a measure before this one and of the same length, the latest first."""
        kind = parts_of(period)[1][:1]
        before = [each for each in self.periods_of(measure) if order_of(each) < order_of(period)]
        return [each for each in reversed(before) if parts_of(each)[1][:1] == kind]

    def value(self, measure: str, period: str) -> Decimal | None:
        """A cell in the table's own scale, or None."""
        return self._cells.get((measure, period))

    def amount(self, measure: str, period: str) -> Decimal | None:
        """A cell in full: 4.2 of EUR million is 4200000."""
        value = self.value(measure, period)
        return None if value is None else value * self.units[measure].scale

    def difference(self, measure: str, period: str, base: str) -> Decimal | None:
        """What a measure gained since an earlier period, in full."""
        new, old = self.amount(measure, period), self.amount(measure, base)
        return None if new is None or old is None else new - old

    def percent_change(self, measure: str, period: str, base: str) -> Decimal | None:
        """The same in percent of the earlier value; None where percent has no sense, as between profit and loss."""
        new, old = self.amount(measure, period), self.amount(measure, base)
        return None if new is None or old is None or old <= 0 or new < 0 else (new - old) / old * PER_CENT


MOST_ROUNDING = Decimal("0.02")


def close(stated: Decimal, step: Decimal, actual: Decimal | None, most: Decimal | None = MOST_ROUNDING) -> bool:
    """Whether a stated number is the actual one, rounded to its last digit, and by no more than the share `most`."""
    if actual is None:
        return False
    gap = abs(stated - actual)
    return gap <= step / 2 and (most is None or gap <= abs(actual) * most)
