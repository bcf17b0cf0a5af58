"""Amounts are compared with their units, in whatever way they are written."""

from __future__ import annotations

import pytest
from medical_parts import module  # type: ignore[import-not-found]

quantities = module("quantities")


@pytest.mark.parametrize(
    ("answer", "passage"),
    [
        ("5 to 10 mg", "from 5-10 mg"),
        ("5 to 10 mg", "10 mg or 5 mg"),
        ("two tablets", "2 tablets"),
        ("120/80 mmHg", "a pressure of 120/80 mmHg"),
        ("one of them", "some"),
        ("1,204 people", "1204 people"),
        ("2.50 mg", "2.5mg"),
        ("37.5°C", "37.5 °C"),
        ("20%", "20 percent"),
        ("5 mcg", "5 µg"),
        ("5 mg/kg", "5 mg per kg a day"),
        ("20 mg", "20 mg a day"),
        ("20 mg daily", "20 mg per day"),
        ("twice daily", "two times a day"),
        ("0.5 mg", ".5 mg"),
        ("4.1 mmol/l", "4,1 mmol/L"),
        ("3 weeks", "three weeks"),
        ("٥ mg", "5 mg"),
    ],
)
def test_the_same_amount_is_supported(answer: str, passage: str) -> None:
    assert quantities.unsupported(answer, [passage]) == ()


@pytest.mark.parametrize(
    ("answer", "passage"),
    [
        ("50 mg", "5 mg"),
        (".5 mg", "5 mg"),
        ("5 g", "5 mg"),
        ("5 mg", "5 µg"),
        ("5 mg", "5 mg/kg"),
        ("5 mg/kg", "5 mg"),
        ("0.5 g", "500 mg"),
        ("12 weeks", "12 months"),
        ("20 mg a day", "20 mg"),
        ("twice a day", "once a day"),
        ("2,5 mg", "25 mg"),
        ("1,204 people", "1,240 people"),
        ("5 to 10 mg", "5 to 15 mg"),
        ("7", "no number"),
    ],
)
def test_another_amount_is_not(answer: str, passage: str) -> None:
    assert len(quantities.unsupported(answer, [passage])) == 1


def test_each_amount_is_named_once_and_any_cited_passage_counts() -> None:
    assert quantities.unsupported("5 mg, then 5 mg, then 6 mg", ["1 mg"]) == ("5 mg", "6 mg")
    assert quantities.unsupported("5 mg, then 6 mg", ["5 mg", "6 mg"]) == ()
