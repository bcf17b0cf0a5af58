"""Makes tables of made-up companies and a report on each, for generate.py."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from .checking import check
from .schema import Row
from .showing import change_unit, rounded, with_unit
from .table import Table

MEASURES = (
    ("revenue", "m", 1), ("turnover", "m", 1), ("operating profit", "m", 1), ("operating margin", "%", 1),
    ("headcount", "employees", 0), ("store count", "stores", 0), ("gross margin", "%", 1), ("order intake", "m", 1),
    ("net debt", "m", 0), ("net result", "signed", 1), ("cost base", "m", 1), ("customer base", "thousand users", 0),
    ("capital expenditure", "m", 1), ("equity ratio", "%", 1),
)  # fmt: skip
ONLY_IN_TEST = (
    ("cash flow", "m", 1), ("return on equity", "%", 1),
    ("branch network", "offices", 0), ("pre-tax result", "signed", 1),
)  # fmt: skip
SCALES = ("USD million", "EUR million", "GBP million", "SEK billion", "EUR thousand", "USD thousand")


class Writer:
    """Draws a table and its report for one split."""

    def __init__(
        self,
        rng: random.Random,
        wordings: Mapping[str, Sequence[str]],
        quarters: Sequence[str],
        split: str,
        company: Callable[[], str],
    ) -> None:
        self.rng, self.wordings, self.quarters, self.split, self.company = rng, wordings, quarters, split, company

    def row(self) -> dict[str, Any]:
        """Return a data row."""
        period = self.rng.choice(self.quarters)
        earlier = self.rng.choice((_back(period, 1), _back(period, 4)))
        known = MEASURES + (ONLY_IN_TEST if self.split == "test" else ())
        chosen = {name: (unit, places) for name, unit, places in self.rng.sample(known, self.rng.randint(1, 3))}
        scale = self.rng.choice(SCALES)
        table = [cell for name, kind in chosen.items() for cell in self._cells(name, *kind, scale, period, earlier)]
        rows = [Row.model_validate(cell) for cell in table]
        text = " ".join(self._sentence(Table(rows), name, period, earlier) for name in chosen)
        title = self.rng.choice(self.wordings["titles"]).format(co=self.company(), t=period)
        return {
            "id": "",
            "request": {"title": title, "table": table},
            "response": check(text, rows).model_dump(mode="json", exclude_defaults=True),
            "group": period,
            "tags": [f"measures:{len(chosen)}"],
        }

    def _cells(self, name: str, unit: str, places: int, scale: str, period: str, earlier: str) -> list[dict[str, Any]]:
        """A measure now and before. One in twelve does not change."""
        top = 400 if unit == "%" else 9000
        old = self.rng.randrange(30, top)
        new = old if self.rng.random() < 1 / 12 else max(10, old + self.rng.randint(-old // 3, old // 3))
        if unit == "signed":
            old, new = (value * self.rng.choice((1, -1)) for value in (old, new))
        written = scale if unit in ("m", "signed") else unit
        pairs = ((period, new), (earlier, old))
        return [
            {"measure": name, "unit": written, "period": each, "value": value / 10**places if places else value}
            for each, value in pairs
        ]

    def _sentence(self, table: Table, measure: str, period: str, earlier: str) -> str:
        unit = table.written_units[measure]
        new, old = (table.value(measure, each) or Decimal(0) for each in (period, earlier))
        percent = table.percent_change(measure, period, earlier)
        difference = with_unit(abs(new - old), change_unit(unit))
        if table.units[measure].kind == "percent" or percent is None:
            share = difference
        else:
            share = f"{rounded(abs(percent), 1)} %"
        kind = "same" if new == old else "loss" if min(new, old) < 0 else "up" if new > old else "down"
        unseen = self.split == "test" and kind in ("up", "down") and self.rng.random() < 0.4
        wording = self.rng.choice(self.wordings[f"{kind}_test" if unseen else kind])
        gaps = {"v": with_unit(new, unit), "o": with_unit(old, unit), "d": difference, "c": share}
        name = measure[:1].upper() + measure[1:]
        return wording.format(M=name, m=measure, t=period, e=earlier, **gaps)


def _back(period: str, quarters: int) -> str:
    index = int(period[3:]) * 4 + int(period[1]) - 1 - quarters
    return f"Q{index % 4 + 1} {index // 4}"
