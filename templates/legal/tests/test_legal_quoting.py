"""What the task does with quotes, good and bad."""

from __future__ import annotations

from typing import Any

from legal_parts import CLAUSE, answered, quoted, scores_of_a_perfect_model  # type: ignore[import-not-found]

from kit.task import Example, Task


def test_a_model_that_quotes_every_clause_scores_one(
    quoting: Task[Any, Any], examples: dict[str, list[Example[Any, Any]]]
) -> None:
    found = scores_of_a_perfect_model(quoting, examples["test"])
    assert found["clause_f1"] == found["jaccard"] == found["has_answer_accuracy"] == 1.0
    assert found["false_alarms_per_document"] == 0.0


def test_a_quote_that_is_slightly_wrong_is_repaired_from_the_document(quoting: Task[Any, Any]) -> None:
    written = quoted(("governing_law", "This agreement is govern by the laws of sweden"))
    (clause,) = answered(quoting, written).clauses
    assert (clause.exact, clause.state) == (CLAUSE, "repaired")


def test_a_quote_that_is_not_in_the_document_is_never_returned_as_one(quoting: Task[Any, Any]) -> None:
    written = quoted(("insurance", "The tenant shall insure the building against fire and flood."))
    response = answered(quoting, written)
    assert response.clauses == ()
    assert [(each.label, each.state) for each in response.unlocated] == [("insurance", "absent")]
    assert "insurance" in response.not_present


def test_a_quote_without_a_letter_is_not_found_everywhere(quoting: Task[Any, Any]) -> None:
    response = answered(quoting, quoted(("insurance", " . "), ("renewal", "")))
    assert response.clauses == ()
    assert len(response.unlocated) == 2


def test_a_full_list_counts_as_unread_because_more_may_have_been_left_out(quoting: Task[Any, Any]) -> None:
    quotes = [("governing_law", "It ends in June.")] * quoting.options.max_clauses
    assert answered(quoting, quoted(*quotes)).coverage == 0.0
    assert answered(quoting, quoted(*quotes[:-1])).coverage == 1.0
