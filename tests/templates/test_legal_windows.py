"""Windows cover every document, and quotes come back in the source's own words, for any text at all."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kit.task import Completion, write_answer
from tests.templates.legal import ANY_TEXT, SMALL, TEXTS, make_task, module, written

windows = module("windows").windows
Source = module("locate").Source
fold = module("locate").fold
TASK = make_task(**SMALL)


@given(ANY_TEXT, st.integers(300, 500), st.integers(1, 100))
def test_windows_cover_every_character_in_order_and_overlap(text: str, size: int, overlap: int) -> None:
    found = windows(text, size, overlap)
    assert found[0].start == 0
    assert found[-1].end == len(text)
    for window in found:
        assert 0 < len(text[window.start : window.end].encode()) <= size
    for left, right in pairwise(found):
        assert left.start < right.start < left.end < right.end
        assert len(text[right.start : left.end].encode()) >= overlap


def test_windows_end_where_a_paragraph_does_and_else_where_a_sentence_does() -> None:
    sentences = "The Seller delivers the Goods. The Buyer pays for them. "
    text = (sentences + "\n\n") * 40
    assert all(text[: window.end].endswith("\n\n") for window in windows(text, 500, 100)[:-1])
    text = sentences * 40
    assert all(text[: window.end].endswith(". ") for window in windows(text, 500, 100)[:-1])


@given(ANY_TEXT, st.data())
def test_any_piece_of_a_text_is_found_where_its_words_stand(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    quote = text[start:end]
    places = Source(text).places(quote, 0, len(text), most=1000)
    if any(char.isalnum() for char in quote):
        assert places
    for place in places:
        assert 0 <= place.start < place.end <= len(text)
        assert fold(text[place.start : place.end]) == fold(quote)


@given(ANY_TEXT, st.text(max_size=200))
def test_a_repaired_place_begins_and_ends_with_words_of_the_text(text: str, quote: str) -> None:
    place = Source(text).closest(quote, 0, len(text), 0.75)
    if place is not None:
        assert place.state == "repaired"
        assert text[place.start : place.end].strip() == text[place.start : place.end] != ""


def test_a_copy_with_small_errors_is_mended_and_another_sentence_is_not() -> None:
    sentence = "The Tenant shall keep the premises insured against fire for their full value at all times."
    source = Source(f"Rent is due monthly. {sentence} Keys are handed over in May. The Tenant shall keep a dog.")
    for wrong in (
        "the tenant shall keep the premises insured against fire for their full value at all times",
        "The Tenent shall keep the premise insured against fire for its full value at all times.",
        "The Tenant shall keep the premises the premises insured against fire for their full value at all times.",
        "The Tenant shall keep the premises insured fire for their full value at all time.",
    ):
        place = source.closest(wrong, 0, len(source.text), 0.75)
        assert place is not None
        assert source.text[place.start : place.end] == sentence
    other = "The Landlord must not insure anything against floods, theft or storm in any month."
    assert source.closest(other, 0, len(source.text), 0.75) is None


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
    """A text in which no word stands twice."""
    return " ".join(f"word{number}" + ("." if number % 9 == 8 else "") for number in range(words))


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
