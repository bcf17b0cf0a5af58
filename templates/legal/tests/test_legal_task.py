"""What the task does whichever way the model answers. No model is needed here."""

from __future__ import annotations

from typing import Any

import pytest
from legal_parts import CLAUSE, TEXT, answered, with_options  # type: ignore[import-not-found]

from kit.errors import InputError
from kit.task import Completion, Example, Task, write_answer

Examples = dict[str, list[Example[Any, Any]]]


def answer_for(task: Task[Any, Any], **clauses: str) -> str:
    """What a perfect model writes of TEXT, with these words as clauses of these kinds."""
    found = [
        {"label": label, "exact": words, "start": TEXT.index(words), "end": TEXT.index(words) + len(words)}
        for label, words in clauses.items()
    ]
    response = task.response_type.model_validate({"clauses": found})
    (target,) = with_options(task, window=1000, overlap=100, empty_share=1.0).targets(
        task.request_type(text=TEXT), response
    )
    assert target is not None
    return write_answer(target)


def test_a_clause_comes_back_in_the_words_and_at_the_place_of_the_document(task: Task[Any, Any]) -> None:
    (clause,) = answered(task, answer_for(task, governing_law=CLAUSE)).clauses
    assert clause.exact == CLAUSE == TEXT[clause.start : clause.end]
    assert clause.state == "exact"
    assert TEXT[: clause.start].endswith(clause.prefix)
    assert TEXT[clause.end :].startswith(clause.suffix)


def test_where_nothing_is_there_the_model_learns_an_empty_object(task: Task[Any, Any]) -> None:
    assert answer_for(task) == "{}"
    response = answered(task, "{}")
    assert response.coverage == 1.0
    assert response.not_present == task.options.categories


def test_only_windows_that_show_no_clause_are_left_out_of_training(task: Task[Any, Any], examples: Examples) -> None:
    left_out = 0
    for row in examples["test"]:
        every = with_options(task, empty_share=1.0).targets(row.request, row.response)
        for target, whole in zip(task.targets(row.request, row.response), every, strict=True):
            assert whole is not None
            assert target == whole or (target is None and write_answer(whole) == "{}")
            left_out += target is None
    assert (left_out > 0) == (task.options.empty_share < 1)


def test_a_document_without_any_clause_still_teaches_by_one_window(task: Task[Any, Any]) -> None:
    nothing = task.response_type.model_validate({"clauses": []})
    request = task.request_type(text=" ".join(f"Paragraph {number} says little." for number in range(60)))
    found = with_options(task, empty_share=1e-9, window=300, overlap=100).targets(request, nothing)
    assert len(found) > 3
    assert [target is None for target in found] == [False, *[True] * (len(found) - 1)]
    assert found[0] is not None
    assert write_answer(found[0]) == "{}"


@pytest.mark.parametrize("text", ["", "I cannot help with that.", "[[[[", '["May"]', '{"weather":["May"]}'])
def test_an_answer_out_of_shape_is_no_clause_and_not_read(task: Task[Any, Any], text: str) -> None:
    response = answered(task, text)
    assert response.clauses == ()
    assert response.coverage == 0.0


def test_a_cut_answer_keeps_what_was_finished_and_lowers_the_coverage(task: Task[Any, Any]) -> None:
    whole = answer_for(task, governing_law=CLAUSE, renewal="It ends in June.")
    for cut in range(len(whole) - 1, 0, -1):
        response = task.read(task.request_type(text=TEXT), [Completion(whole[:cut], finish="length")])
        assert {clause.label for clause in response.clauses} <= {"governing_law", "renewal"}
        assert response.coverage == 0.0
        assert [(span.start, span.end) for span in response.unread] == [(0, len(TEXT))]
    kept = task.read(task.request_type(text=TEXT), [Completion(whole[:-4], finish="length")])
    assert [clause.label for clause in kept.clauses] == ["governing_law"]


def test_a_sentence_that_stands_twice_gives_its_other_places(task: Task[Any, Any]) -> None:
    text = f"{CLAUSE}\n\nSchedule.\n\n{CLAUSE}"
    first = {"label": "governing_law", "exact": CLAUSE, "start": 0, "end": len(CLAUSE)}
    start = text.rindex(CLAUSE)
    second = {"label": "governing_law", "exact": CLAUSE, "start": start, "end": len(text)}
    for clauses in ([first], [first, second]):
        response = task.response_type.model_validate({"clauses": clauses})
        (target,) = task.targets(task.request_type(text=text), response)
        assert target is not None
        found = answered(task, write_answer(target), text=text).clauses
        assert [(each.start, each.end) for each in found] == [(each["start"], each["end"]) for each in clauses]
        assert [text[other.start : other.end] for other in found[0].also_at] == [CLAUSE]
        assert found[0].also_at[0].start > found[0].end


def test_offsets_count_code_points_whatever_stands_before(task: Task[Any, Any]) -> None:
    text = f"\U0001f4ce e\u0301 \U0001d538 is here. {CLAUSE}"
    start = text.index(CLAUSE)
    expected = {"label": "governing_law", "exact": CLAUSE, "start": start, "end": len(text)}
    response = task.response_type.model_validate({"clauses": [expected]})
    (target,) = task.targets(task.request_type(text=text), response)
    assert target is not None
    read = answered(task, write_answer(target), text=text)
    assert [(each.start, each.end) for each in read.clauses] == [(start, len(text))]
    assert read.offset_unit == "code_points"


def test_only_the_kinds_that_were_asked_for_come_back(task: Task[Any, Any]) -> None:
    written = answer_for(task, governing_law=CLAUSE, renewal="It ends in June.")
    response = answered(task, written, categories=["renewal", "insurance"])
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
