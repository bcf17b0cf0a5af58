"""Values beside the words of a clause, parties, the warning of another language, and confidence."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from legal_parts import (  # type: ignore[import-not-found]
    ANY_TEXT,
    CLAUSE,
    PROJECT,
    TEXT,
    answered,
    make_task,
    module,
    quoted,
)

from kit.task import Completion

values = module("values")
language = module("language")
layout = module("layout")
FRENCH = (
    "Le présent contrat est régi par le droit français. Les parties conviennent que tout litige sera soumis aux "
    "tribunaux de Lyon. Le fournisseur livre les marchandises dans un délai de trente jours après la commande, et "
    "l'acheteur paie le prix convenu dans les soixante jours qui suivent la livraison des marchandises commandées."
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from April 10, 2003 on", [("date", "April 10, 2003", "2003-04-10")]),
        ("on the 1st day of May, 2024", [("date", "1st day of May, 2024", "2024-05-01")]),
        ("by 2024-02-30", [("date", "2024-02-30", "")]),
        ("due 03/04/2024", [("date", "03/04/2024", "")]),
        ("due 31/12/2024 or 12/31/2024", [("date", "31/12/2024", "2024-12-31"), ("date", "12/31/2024", "2024-12-31")]),
        ("due 04/04/2024, not 32/13/2024", [("date", "04/04/2024", "2024-04-04"), ("date", "32/13/2024", "")]),
        ("a cap of $1,500,000.50", [("amount", "$1,500,000.50", "USD 1500000.5")]),
        ("EUR 2.5 million and £10", [("amount", "EUR 2.5 million", "EUR 2500000"), ("amount", "£10", "GBP 10")]),
        ("pays 300 euros", [("amount", "300 euros", "EUR 300")]),
        ("interest of 12.5 % or 3 per cent", [("percentage", "12.5 %", "12.5"), ("percentage", "3 per cent", "3")]),
        ("within thirty (30) days", [("period", "thirty (30) days", "P30D")]),
        ("for two years, or six months", [("period", "two years", "P2Y"), ("period", "six months", "P6M")]),
        ("two (2) years, two (3) years", [("period", "two (2) years", "P2Y"), ("period", "two (3) years", "")]),
        ("Section 4.2 of Annex 7", []),
    ],
)
def test_values_have_a_normal_form_beside_their_words(text: str, expected: list[tuple[str, str, str]]) -> None:
    found = values.values_in(text, 0, len(text))
    assert [(each.kind, each.words, each.value) for each in found] == expected
    assert all(text[each.start : each.end] == each.words for each in found)


def test_parties_are_names_with_a_role_in_quotes() -> None:
    text = (
        'This Agreement is made between Oakfold Trading Ltd, a company of Norland ("the Buyer"), and\n'
        "Brindle & Works GmbH (hereinafter “Supplier”). Notices go to the office (ground floor)."
    )
    found = values.parties_in(text)
    assert [each.role for each in found] == ["Buyer", "Supplier"]
    assert found[1].name == "Brindle & Works GmbH"
    assert all(text[each.start : each.end] == each.name for each in found)


@settings(deadline=None)
@given(ANY_TEXT)
def test_any_text_has_values_and_parties_at_their_offsets(text: str) -> None:
    for each in values.values_in(text, 0, len(text)):
        assert text[each.start : each.end] == each.words
    for party in values.parties_in(text):
        assert text[party.start : party.end] == party.name


def documents() -> list[tuple[str, str]]:
    """The kind of each test document (hard:KIND, or nothing) and its text."""
    lines = (PROJECT / "data" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [(next((tag for tag in row["tags"] if ":" in tag), ""), row["request"]["text"]) for row in rows]


def test_every_generated_test_document_reads_like_english_and_french_does_not() -> None:
    assert [text for kind, text in documents() if not kind and language.warnings_of(text)] == []
    (warning,) = language.warnings_of(FRENCH)
    assert "do not rely on what is absent" in warning
    assert language.warnings_of("Trop court pour le dire.") == ()


def test_a_document_laid_out_like_none_of_training_is_told_and_no_generated_one_is() -> None:
    warned = [(kind, layout.warnings_of(text)) for kind, text in documents() if layout.warnings_of(text)]
    assert [kind for kind, _ in warned] == ["hard:layout"] * 6
    reasons = [said[0].partition("(")[2].partition(")")[0] for _, said in warned]
    assert reasons == [
        "mostly capital letters", "many digits and signs", "paragraphs without a full stop", "many digits and signs",
        "very short lines", "letters apart",
    ]  # fmt: skip
    assert all(said[0].endswith("do not rely on what is absent.") for _, said in warned)
    assert layout.warnings_of("TOO SHORT TO SAY") == ()


def test_the_answer_has_the_warnings_of_its_document() -> None:
    (scan,) = [text for kind, text in documents() if kind == "hard:layout" and text.startswith("5UPP1Y")]
    said = answered(make_task(), "{}", scan).warnings
    assert said == (*language.warnings_of(scan), *layout.warnings_of(scan)) != ()


def test_a_clause_has_the_probability_of_the_answer_that_names_it() -> None:
    task = make_task()
    request = task.request_type.model_validate({"text": TEXT})
    written = quoted(("governing_law", CLAUSE))
    (clause,) = task.read(request, [Completion(written, (1, 2), (math.log(0.9), math.log(0.6)))]).clauses
    assert clause.confidence == pytest.approx(0.6)
    (without,) = task.read(request, [Completion(written)]).clauses
    assert without.confidence is None
    numbers = make_task(answer="numbers", window=300)
    (named,) = numbers.read(request, [Completion('{"2":"governing law"}', (1,), (math.log(0.7),))]).clauses
    assert named.confidence == pytest.approx(0.7)


def test_what_is_called_absent_although_it_is_there_is_counted_by_kind() -> None:
    task = make_task()
    there = task.response_type.model_validate(
        {"clauses": [{"label": "renewal", "exact": "ab", "start": 0, "end": 2},
                     {"label": "insurance", "exact": "cd", "start": 3, "end": 5}]}
    )  # fmt: skip
    half = there.model_copy(update={"clauses": there.clauses[:1], "not_present": ("insurance",)})
    records = [task.observe(there, half), task.observe(there, there)]
    found = {name: task.metrics[name].reduce(records) for name in ("false_absent_rate", "false_absent_worst")}
    assert found == {"false_absent_rate": 0.25, "false_absent_worst": 0.5}
    assert task.metrics["average_precision"].reduce(records) is None


def test_the_confidences_of_hits_and_alarms_make_the_ranking() -> None:
    task = make_task()
    text = "ab cd"

    def answer(*clauses: tuple[str, int, float]) -> object:
        rows = [
            {"label": label, "exact": text[at : at + 2], "start": at, "end": at + 2, "confidence": sure}
            for label, at, sure in clauses
        ]
        return task.response_type.model_validate({"clauses": rows})

    records = [task.observe(answer(("renewal", 0, 1.0)), answer(("renewal", 0, 0.9), ("insurance", 3, 0.5)))]
    assert task.metrics["average_precision"].reduce(records) == 1.0
    assert task.metrics["precision_at_90_recall"].reduce(records) == 1.0


def test_the_page_says_that_confidence_is_not_calibrated() -> None:
    assert "not calibrated" in Path(PROJECT, "README.md").read_text(encoding="utf-8")
