"""What the task does with answers, good and bad. No model is needed here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.errors import InputError
from kit.task import Completion, Example, Task, write_answer

Examples = dict[str, list[Example[Any, Any]]]

CLAUSE = "This Agreement is governed\n  by the law of Sweden."
TEXT = f"SUPPLY AGREEMENT\n\n1. Law. {CLAUSE} The governing body meets in May.\n\n2. Term. It ends in June."


def written(*quotes: tuple[str, str]) -> str:
    """What the model writes where it gives these labels and quotes."""
    answer: dict[str, list[str]] = {}
    for label, quote in quotes:
        answer.setdefault(label.replace("_", " "), []).append(quote)
    return json.dumps(answer)


def answered(task: Task[Any, Any], *quotes: tuple[str, str], text: str = TEXT, **request: Any) -> Any:
    """What the task makes of such an answer."""
    asked = task.request_type.model_validate({"text": text, **request})
    return task.read(asked, [Completion(written(*quotes))])


def with_options(task: Task[Any, Any], **options: Any) -> Task[Any, Any]:
    """The same task with other options."""
    return type(task)(task.options.model_copy(update=options))


def read_from_a_perfect_model(task: Task[Any, Any], row: Example[Any, Any]) -> Any:
    """What the task reads where a model writes of each window just what it shows, `{}` where that is nothing."""
    targets = with_options(task, empty_share=1.0).targets(row.request, row.response)
    return task.read(row.request, [Completion(write_answer(target)) for target in targets if target is not None])


def scores_of_a_perfect_model(task: Task[Any, Any], rows: list[Example[Any, Any]]) -> dict[str, float | None]:
    """The metrics over these examples; every answer is read to the end and in the document's own words."""
    records = []
    for row in rows:
        actual = read_from_a_perfect_model(task, row)
        assert actual.coverage == 1.0
        assert not actual.unlocated
        assert all(row.request.text[each.start : each.end] == each.exact for each in actual.clauses)
        records.append(task.observe(row.response, actual))
    return {name: metric.reduce(records) for name, metric in task.metrics.items()}


def test_a_model_that_quotes_every_clause_in_full_scores_one(task: Task[Any, Any], examples: Examples) -> None:
    found = scores_of_a_perfect_model(with_options(task, quote_words=None), examples["test"])
    assert found["clause_f1"] == found["jaccard"] == found["has_answer_accuracy"] == 1.0
    assert found["false_alarms_per_document"] == 0.0


@pytest.mark.parametrize("task", ["smoke"], indirect=True)
def test_opening_words_are_enough_but_where_one_sentence_holds_all_clauses(
    task: Task[Any, Any], examples: Examples
) -> None:
    """A document in the run-on style is one sentence, so its clauses go on to its end; seven test documents are.

    Measured over all test documents: clause_f1 0.963, jaccard 0.972.
    """
    assert task.options.quote_words == 4
    plain = [row for row in examples["test"] if "run_on" not in row.tags]
    assert len(examples["test"]) - len(plain) == 7
    assert scores_of_a_perfect_model(task, plain)["jaccard"] == 1.0
    found = scores_of_a_perfect_model(task, examples["test"])
    assert found["clause_f1"] is not None
    assert found["clause_f1"] >= 0.955
    assert found["has_answer_accuracy"] == 1.0
    assert found["false_alarms_per_document"] == 0.0


def test_only_windows_that_show_no_clause_are_left_out_of_training(task: Task[Any, Any], examples: Examples) -> None:
    left_out = 0
    for row in examples["test"]:
        every = with_options(task, empty_share=1.0).targets(row.request, row.response)
        for target, whole in zip(task.targets(row.request, row.response), every, strict=True):
            assert whole is not None
            assert target == whole or (target is None and write_answer(whole) == "{}")
            left_out += target is None
    assert (left_out > 0) == (task.options.empty_share < 1)


@pytest.mark.parametrize("task", ["smoke"], indirect=True)
def test_a_document_without_any_clause_still_teaches_by_one_window(task: Task[Any, Any]) -> None:
    nothing = task.response_type.model_validate({"clauses": []})
    request = task.request_type(text=" ".join(f"Paragraph {number} says little." for number in range(60)))
    found = with_options(task, empty_share=1e-9).targets(request, nothing)
    assert len(found) > 3
    assert [target is None for target in found] == [False, *[True] * (len(found) - 1)]
    assert found[0] is not None
    assert write_answer(found[0]) == "{}"


OPENINGS = [
    ("This Agreement is governed", "exact"),
    ("This agreement is govern", "repaired"),
    ("this Agrement is governed by", "repaired"),
]


@pytest.mark.parametrize("task", ["smoke"], indirect=True)
@pytest.mark.parametrize(("words", "state"), OPENINGS)
def test_opening_words_bring_the_clause_to_the_end_of_its_sentence(
    task: Task[Any, Any], words: str, state: str
) -> None:
    (clause,) = answered(task, ("governing_law", words)).clauses
    assert (clause.exact, clause.state) == (CLAUSE, state)
    assert TEXT[clause.start : clause.end] == CLAUSE


@pytest.mark.parametrize("task", ["smoke"], indirect=True)
def test_opening_words_that_stand_nowhere_bring_no_clause(task: Task[Any, Any]) -> None:
    response = answered(task, ("insurance", "The tenant shall insure"))
    assert response.clauses == ()
    assert [each.written for each in response.unlocated] == ["The tenant shall insure"]


@pytest.mark.parametrize("task", ["smoke"], indirect=True)
def test_a_model_learns_the_opening_words_only_and_nothing_as_an_empty_object(task: Task[Any, Any]) -> None:
    start = TEXT.index(CLAUSE)
    clause = {"label": "governing_law", "exact": CLAUSE, "start": start, "end": start + len(CLAUSE)}
    request = task.request_type(text=TEXT)
    whole = with_options(task, empty_share=1.0)
    for clauses, answer in (([clause], '{"governing law":["This Agreement is governed"]}'), ([], "{}")):
        (target,) = whole.targets(request, task.response_type.model_validate({"clauses": clauses}))
        assert target is not None
        assert write_answer(target) == answer
    assert answered(task).coverage == 1.0


def test_a_quote_comes_back_in_the_words_and_at_the_place_of_the_document(task: Task[Any, Any]) -> None:
    (clause,) = answered(task, ("governing_law", "This Agreement is governed by the law of Sweden.")).clauses
    assert clause.exact == CLAUSE == TEXT[clause.start : clause.end]
    assert clause.state == "exact"
    assert TEXT[: clause.start].endswith(clause.prefix)
    assert TEXT[clause.end :].startswith(clause.suffix)


def test_a_quote_that_is_slightly_wrong_is_repaired_from_the_document(task: Task[Any, Any]) -> None:
    (clause,) = answered(task, ("governing_law", "This agreement is govern by the laws of sweden")).clauses
    assert (clause.exact, clause.state) == (CLAUSE, "repaired")


def test_a_quote_that_is_not_in_the_document_is_never_returned_as_one(task: Task[Any, Any]) -> None:
    response = answered(task, ("insurance", "The tenant shall insure the building against fire and flood."))
    assert response.clauses == ()
    assert [(each.label, each.state) for each in response.unlocated] == [("insurance", "absent")]
    assert "insurance" in response.not_present


def test_a_quote_without_a_letter_is_not_found_everywhere(task: Task[Any, Any]) -> None:
    response = answered(task, ("insurance", " . "), ("renewal", ""))
    assert response.clauses == ()
    assert len(response.unlocated) == 2


def test_a_cut_answer_keeps_its_finished_quotes_and_lowers_the_coverage(task: Task[Any, Any]) -> None:
    whole = written(("governing_law", CLAUSE), ("renewal", "It ends in June."))
    cut = whole[: whole.index("in June")]
    response = task.read(task.request_type(text=TEXT), [Completion(cut, finish="length")])
    assert [clause.label for clause in response.clauses] == ["governing_law"]
    assert response.coverage == 0.0
    assert [(span.start, span.end) for span in response.unread] == [(0, len(TEXT))]


@pytest.mark.parametrize("text", ["", "I cannot help with that.", "[[[[", '["May"]', '{"weather":["May"]}'])
def test_an_answer_out_of_shape_is_no_clause_and_not_read(task: Task[Any, Any], text: str) -> None:
    response = task.read(task.request_type(text=TEXT), [Completion(text)])
    assert response.clauses == ()
    assert response.coverage == 0.0


def test_a_full_list_counts_as_unread_because_more_may_have_been_left_out(task: Task[Any, Any]) -> None:
    quotes = [("governing_law", "It ends in June.")] * task.options.max_clauses
    assert answered(task, *quotes).coverage == 0.0
    assert answered(task, *quotes[:-1]).coverage == 1.0


def test_a_sentence_that_stands_twice_gives_its_other_places(task: Task[Any, Any]) -> None:
    text = f"{CLAUSE}\n\nSchedule.\n\n{CLAUSE}"
    (clause,) = answered(task, ("governing_law", CLAUSE), text=text).clauses
    assert [text[other.start : other.end] for other in clause.also_at] == [CLAUSE]
    assert clause.also_at[0].start > clause.end
    both = answered(task, ("governing_law", CLAUSE), ("governing_law", CLAUSE), text=text).clauses
    assert [each.start for each in both] == [0, text.rindex(CLAUSE)]


def test_offsets_count_code_points_whatever_stands_before(task: Task[Any, Any]) -> None:
    text = f"\U0001f4ce e\u0301 \U0001d538: {CLAUSE}"
    (clause,) = answered(task, ("governing_law", CLAUSE), text=text).clauses
    assert text[clause.start : clause.end] == CLAUSE
    assert answered(task, text=text).offset_unit == "code_points"


def test_only_the_kinds_that_were_asked_for_come_back(task: Task[Any, Any]) -> None:
    quotes = [("governing_law", CLAUSE), ("renewal", "It ends in June.")]
    response = answered(task, *quotes, categories=["renewal", "insurance"])
    assert [clause.label for clause in response.clauses] == ["renewal"]
    assert response.not_present == ("insurance",)


def test_a_kind_that_the_model_was_not_trained_on_is_refused_with_the_nearest(task: Task[Any, Any]) -> None:
    with pytest.raises(InputError, match="Did you mean 'insurance'"):
        task.prompts(task.request_type(text=TEXT, categories=["insurence"]))


def test_an_example_whose_offsets_are_wrong_is_refused_with_its_place(task: Task[Any, Any]) -> None:
    clauses = [
        {"label": "renewal", "exact": "It ends", "start": 3, "end": 10},
        {"label": "weather", "exact": TEXT[:6], "start": 0, "end": 6},
    ]
    expected = task.response_type.model_validate({"clauses": clauses})
    with pytest.raises(InputError) as caught:
        task.targets(task.request_type(text=TEXT), expected)
    assert [problem.where for problem in caught.value.problems] == ["response.clauses[0]", "response.clauses[1]"]


def test_the_windows_of_a_document_share_their_instruction(task: Task[Any, Any], examples: Examples) -> None:
    longest = max(examples["test"], key=lambda row: len(row.request.text))
    prompts = task.prompts(longest.request)
    assert len({prompt.messages[0] for prompt in prompts}) == 1
    assert not any(segment.trusted for prompt in prompts for segment in prompt.messages[1].segments)
