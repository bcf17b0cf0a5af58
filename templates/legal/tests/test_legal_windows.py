"""Windows cover every document, and quotes come back in the source's own words, for any text at all."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from legal_parts import SMALL, TEXTS, make_task, written  # type: ignore[import-not-found]

from kit.task import Completion, write_answer
from kit.text.quotes import fold
from kit.text.windows import windows

TASK = make_task(**SMALL)


@settings(deadline=None)
@given(TEXTS, st.data())
def test_whatever_a_model_quotes_the_answer_holds_the_documents_own_text(text: str, data: st.DataObject) -> None:
    request = TASK.request_type(text=text)
    completions = []
    for prompt in TASK.prompts(request):
        seen = prompt.messages[1].text
        start = data.draw(st.integers(0, len(seen)))
        quote = data.draw(st.sampled_from([seen[start : start + 40], seen[start : start + 30] + "zz", "not there"]))
        completions.append(Completion(written(TASK, renewal=[quote, quote], insurance=[quote])))
    response = TASK.read(request, completions)
    for clause in response.clauses:
        assert clause.exact == text[clause.start : clause.end] != ""
        assert text[: clause.start].endswith(clause.prefix)
        assert text[clause.end :].startswith(clause.suffix)
        for other in clause.also_at:
            assert fold(text[other.start : other.end]) == fold(clause.exact)
    assert response.coverage == 1.0


def numbered_text(words: int) -> str:
    """A text in which every word is different."""
    return " ".join(f"word{number}" + ("." if number % 9 == 8 else "") for number in range(words))


@settings(deadline=None)
@given(st.integers(50, 400), st.data())
def test_a_clause_cut_by_windows_is_whole_again_after_reading(words: int, data: st.DataObject) -> None:
    text = numbered_text(words)
    first = data.draw(st.integers(0, words - 2))
    last = data.draw(st.integers(first + 1, words))
    start = text.index(f"word{first}")
    exact = " ".join(text.split(" ")[first:last])
    expected: Any = TASK.response_type.model_validate(
        {"clauses": [{"label": "insurance", "exact": exact, "start": start, "end": start + len(exact)}]}
    )
    request = TASK.request_type(text=text)
    targets = TASK.targets(request, expected)
    response = TASK.read(request, [Completion(write_answer(target)) for target in targets if target is not None])
    assert [(each.exact, each.start, each.state) for each in response.clauses] == [(exact, start, "exact")]


def test_a_document_of_300000_characters_is_read_in_full() -> None:
    sentence = "The rent of house {n} is due on day {n} of the month, and the tenant of house {n} pays it by transfer. "
    text = "".join(sentence.format(n=number) for number in range(3_000))
    assert len(text) > 300_000
    task = make_task(window=1400, overlap=200, max_clauses=12)
    request = task.request_type(text=text)
    prompts = task.prompts(request)
    assert len(prompts) > 230
    completions = []
    for prompt in prompts:
        parts = [part.strip() + "." for part in prompt.messages[1].text.split(". ") if part.startswith("The rent")]
        wrong = [part.replace("tenant", "tennant") for part in parts[:6]]
        completions.append(Completion(written(task, payment_terms=wrong)))
    response = task.read(request, completions)
    assert response.coverage == 1.0
    assert len(response.clauses) > 1_000
    assert {clause.state for clause in response.clauses} == {"repaired"}
    assert all(text[clause.start : clause.end] == clause.exact for clause in response.clauses)


def test_the_part_of_an_unreadable_window_that_no_other_read_is_told() -> None:
    text = numbered_text(400)
    task = make_task(window=900, overlap=100)
    request = task.request_type(text=text)
    completions = [Completion(written(task)) for _ in task.prompts(request)]
    completions[1] = Completion('{"assignment":["word', finish="length")
    response = task.read(request, completions)
    parts = windows(text, 900, 100)
    (unread,) = response.unread
    assert (unread.start, unread.end) == (parts[0].end, parts[2].start)
    assert response.coverage == 1 - (unread.end - unread.start) / len(text)
