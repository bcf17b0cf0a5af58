"""What the task does with numbers of sentences."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from legal_parts import CLAUSE, TEXT, answered, scores_of_a_perfect_model, with_options  # type: ignore[import-not-found]

from kit.task import Completion, Example, Task


def test_every_line_ends_with_the_number_that_stands_for_it(numbering: Task[Any, Any]) -> None:
    (prompt,) = numbering.prompts(numbering.request_type(text=TEXT))
    assert prompt.messages[1].text.splitlines() == [
        "SUPPLY AGREEMENT [1]",
        "Law. [2]",
        "This Agreement is governed by the law of Sweden. [3]",
        "The governing body meets in May. [4]",
        "Term. [5]",
        "It ends in June. [6]",
    ]
    (clause,) = answered(numbering, '{"3":"governing law"}').clauses
    assert (clause.exact, clause.state) == (CLAUSE, "exact")


def test_a_number_that_no_sentence_has_makes_the_answer_unread(numbering: Task[Any, Any]) -> None:
    response = answered(numbering, '{"3":"governing law","7":"renewal"}')
    assert [each.label for each in response.clauses] == ["governing_law"]
    assert response.coverage == 0.0


def test_a_number_too_long_to_read_is_no_number(numbering: Task[Any, Any]) -> None:
    response = answered(numbering, f'{{"{"9" * 5000}":"renewal","3":"governing law"')
    assert [each.label for each in response.clauses] == ["governing_law"]
    assert response.coverage == 0.0


def test_neighbours_of_one_kind_are_two_clauses(numbering: Task[Any, Any]) -> None:
    found = answered(numbering, '{"3":"governing law","4":"governing law"}').clauses
    assert [each.exact for each in found] == [CLAUSE, "The governing body meets in May."]


def test_the_pieces_of_a_long_sentence_are_one_clause(numbering: Task[Any, Any]) -> None:
    text = "The Seller warrants that " + "the goods are whole and sound, and that " * 30 + "they are new."
    request = numbering.request_type(text=text)
    prompts = numbering.prompts(request)
    assert len(prompts) > 2
    clause = {"label": "warranty_period", "exact": text, "start": 0, "end": len(text)}
    example: Example[Any, Any] = Example(
        id="long", group="long", request=request, response=numbering.response_type.model_validate({"clauses": [clause]})
    )
    assert scores_of_a_perfect_model(numbering, [example])["jaccard"] == 1.0


def test_numbers_are_enough_but_where_one_sentence_holds_all_clauses(
    numbering: Task[Any, Any], examples: dict[str, list[Example[Any, Any]]]
) -> None:
    """A document in the run-on style is one sentence, which is cut where a window ends; seven test documents are.

    In one hard case a page ends, with blank lines, inside a clause. Measured over all test documents: clause_f1 0.967.
    """
    cut = [row for row in examples["test"] if "has told the other a year before its end" in row.request.text]
    plain = [row for row in examples["test"] if "run_on" not in row.tags and row not in cut]
    assert len(examples["test"]) - len(plain) == 7 + 1
    assert scores_of_a_perfect_model(numbering, plain)["clause_f1"] == 1.0
    found = scores_of_a_perfect_model(numbering, examples["test"])
    assert found["clause_f1"] is not None
    assert found["clause_f1"] >= 0.96
    assert found["false_alarms_per_document"] == 0.0


@pytest.mark.parametrize(("threshold", "found"), [(0.0, 1), (0.59, 1), (0.61, 0)])
def test_a_clause_whose_answer_has_a_token_less_probable_than_the_threshold_is_left_out(
    numbering: Task[Any, Any], threshold: float, found: int
) -> None:
    task = with_options(numbering, threshold=threshold)
    logprobs = (math.log(0.99), math.log(0.6), math.log(0.9))
    response = task.read(task.request_type(text=TEXT), [Completion('{"3":"governing law"}', logprobs=logprobs)])
    assert len(response.clauses) == found
    assert response.coverage == 1.0


def test_of_several_readings_the_mean_probability_counts(numbering: Task[Any, Any]) -> None:
    text = " ".join(f"Sentence {number} says what is said here." for number in range(1, 30))

    def kinds(threshold: float, *said: tuple[str, float]) -> list[str]:
        """What sentence 7 is, where its two readings say so."""
        task = with_options(numbering, readings=2, threshold=threshold)
        request, saying, completions = task.request_type(text=text), iter(said), []
        for prompt in task.prompts(request):
            lines = [line for line in prompt.messages[1].text.splitlines() if line.startswith("Sentence 7 ")]
            kind, probability = next(saying) if lines else ("", 1.0)
            answer = {line.rpartition("[")[2].rstrip("]"): kind for line in lines if kind}
            completions.append(Completion(json.dumps(answer, separators=(",", ":")), logprobs=(math.log(probability),)))
        assert next(saying, None) is None, "it is read twice"
        response = task.read(request, completions)
        assert response.coverage == 1.0
        assert all(clause.exact == "Sentence 7 says what is said here." for clause in response.clauses)
        return [clause.label for clause in response.clauses]

    assert kinds(0.5, ("renewal", 0.6), ("renewal", 0.4)) == ["renewal"]
    assert kinds(0.5, ("renewal", 0.9), ("", 1.0)) == []
    assert kinds(0.4, ("renewal", 0.9), ("", 1.0)) == ["renewal"]
    assert kinds(0.0, ("renewal", 0.4), ("insurance", 0.6)) == ["insurance"]
