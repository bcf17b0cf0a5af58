"""Identifiers are named by kind, place and count, and their words are repeated nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from medical_parts import answered, module, request  # type: ignore[import-not-found]
from pydantic import ValidationError

from kit.task import Task

scan = module("identifiers").scan


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Seen by Dr. Ashgrove today", "name"),
        ("Mrs Ola-May O’Tarn slept well", "name"),
        ("Name: Pell Orrin", "name"),
        ("call +44 20 7946 0000", "phone"),
        ("Tel. 0555 0100199", "phone"),
        ("(0555) 010-0199", "phone"),
        ("ask pell@example.org", "email"),
        ("DOB 04/05/1951", "date_of_birth"),
        ("born on 4 May 1951", "date_of_birth"),
        ("MRN: 5550192", "record_number"),
        ("NHS number 555 019 2001", "record_number"),
        ("lives at 12 Quarry Lane", "address"),
    ],
)
def test_common_forms_are_found(text: str, kind: str) -> None:
    assert kind in {each.kind for each in scan([("question", text)])}


@pytest.mark.parametrize(
    "text", ["In 2019, 200 patients took 500 mg.", "Pressure 120/80 mmHg on 4 May 2020", "Does tarsolin help Mondays?"]
)
def test_dates_amounts_and_ordinary_words_are_none(text: str) -> None:
    assert scan([("question", text)]) == ()


def test_request_and_answer_are_scanned_by_place(task: Task[Any, Any]) -> None:
    record = "Mr. Holloway Finch, MRN 5550192\nSleeps six hours."
    read = answered(task, "text", "Mr. Holloway Finch sleeps well.", [3], record=record)
    places = {(each.kind, each.place) for each in read.identifiers}
    assert places == {("name", "record"), ("record_number", "record"), ("name", "answer")}
    assert "5550192" not in read.model_dump_json()


def test_errors_do_not_repeat_ids_which_may_be_names(task: Task[Any, Any]) -> None:
    twice = [{"id": "Holloway Finch", "text": "a"}, {"id": "Holloway Finch", "text": "b"}]
    with pytest.raises(ValidationError) as caught:
        request(task, evidence=twice)
    assert "evidence[1] has the same id as evidence[0]" in caught.value.errors()[0]["msg"]
    assert "Finch" not in caught.value.errors()[0]["msg"]
    with pytest.raises(ValidationError, match="passages of the record"):
        request(task, evidence=[{"id": "record-1", "text": "a"}])
