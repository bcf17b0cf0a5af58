"""Windows cover every document, and quotes come back in the source's own words, for any text at all."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.base import NANO
from kit.chat import Renderer
from kit.engines.local.grammar import Grammars
from kit.engines.structured import grammar_of
from kit.task import Completion, write_answer
from tests.templates.legal import SMALL, make_task, module, written

windows = module("windows").windows
Source = module("locate").Source
fold = module("locate").fold
TASK = make_task(**SMALL)
RENDERER = Renderer(NANO)
GRAMMARS = Grammars(NANO, RENDERER.vocabulary_size)

WORDS = st.text(st.sampled_from("abXYZ019,.;é\u0301\U0001d538\U0001f4ce§“中"), min_size=1)
BLANKS = st.sampled_from([" ", "  ", "\n", "\r\n", "\n\n", "\t", "\u00a0", "\u2003"])
TEXTS = st.lists(st.tuples(WORDS, BLANKS), min_size=1, max_size=120).map(lambda pairs: "".join(map("".join, pairs)))
ANY_TEXT = st.one_of(TEXTS, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=900))


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


@settings(deadline=None, max_examples=30)
@given(st.integers(50, 400), st.integers(2, 8), st.data())
def test_a_clause_given_by_its_opening_words_is_whole_wherever_windows_cut_it(
    words: int, count: int, data: st.DataObject
) -> None:
    text = numbered_text(words).replace("word", "Word")
    first = data.draw(st.integers(0, (words - 1) // 9)) * 9
    start = text.index(f"Word{first}")
    exact = " ".join(text.split(" ")[first : first + 9])
    task = make_task(**SMALL, quote_words=count)
    expected: Any = task.response_type.model_validate(
        {"clauses": [{"label": "insurance", "exact": exact, "start": start, "end": start + len(exact)}]}
    )
    request = task.request_type(text=text)
    answers = [write_answer(target) for target in task.targets(request, expected) if target is not None]
    quotes = {quote for answer in answers for quote in json.loads(answer).get("insurance", [])}
    assert quotes == {" ".join(exact.split(" ")[:count])}
    response = task.read(request, [Completion(answer) for answer in answers])
    assert [(each.exact, each.start, each.end) for each in response.clauses] == [(exact, start, start + len(exact))]


SENTENCES = [
    (
        "The fee is due to Acorn Inc. and to Birch Ltd. in May. Next.",
        "The fee is",
        " due to Acorn Inc. and to Birch Ltd. in May.",
    ),
    ("Acorn Inc. Holds it. Next.", "Acorn", " Inc. Holds it."),
    ("Tax, e.g. duty, is due. Next.", "Tax,", " e.g. duty, is due."),
    ("Interest is 3.5 percent of it. Next.", "Interest", " is 3.5 percent of it."),
    ("See No. 5 of J. Doe under U.S. law. Next.", "See", " No. 5 of J. Doe under U.S. law."),
    ("It is sold “as is.” Next.", "It is", " sold “as is.”"),
    ("It is sold “as is.” Next.", "It is sold “as is.”", ""),
    ("It is sold “as is.” Next.", "It is sold “as is.", "”"),
    ("It is sold (as it stands.) Next.", "It", " is sold (as it stands.)"),
    ("May it be sold? Yes.", "May", " it be sold?"),
    ("It is sold\n  as it stands.\nNext.", "It", " is sold\n  as it stands."),
    ("Payable on demand\n\nNext heading", "Payable", " on demand"),
    ("Payable on demand\r\n \r\nNext heading", "Payable", " on demand"),
    ("Paid in May. \n\nand then.", "Paid", " in May."),
    ("Paid in May \n", "Paid", " in May"),
    ("Paid in May.", "Paid in May.", ""),
]


@pytest.mark.parametrize(("text", "opening", "rest"), SENTENCES)
def test_a_sentence_goes_on_to_its_own_end(text: str, opening: str, rest: str) -> None:
    position = text.index(opening) + len(opening)
    assert text[position : Source(text).sentence_end(position)] == rest


@given(ANY_TEXT, st.data())
def test_a_sentence_ends_after_where_it_is_looked_at_and_never_in_white_space(text: str, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(text)))
    end = Source(text).sentence_end(position)
    assert position <= end <= len(text)
    assert end == position or not text[end - 1].isspace()


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


def test_a_clause_of_one_kind_is_of_the_kind_that_windows_find_likeliest_together() -> None:
    text = " ".join(f"Sentence number {number} says what is said here." for number in range(12))
    doubtful, likelier = math.log(0.3), math.log(0.4)

    def kinds(*said: tuple[str, float], **options: bool) -> tuple[list[str], tuple[str, ...]]:
        """What becomes of a sentence of which windows say these kinds, each with its log-probability."""
        task = make_task(**SMALL, quote_words=4, **options)
        request = task.request_type(text=text)
        saying = iter(said)
        completions = []
        for prompt in task.prompts(request):
            kind, sure = next(saying, ("", 0.0)) if "Sentence number 4 " in prompt.messages[1].text else ("", 0.0)
            quotes = {kind: ["Sentence number 4 says"]} if kind else {}
            completions.append(Completion(written(task, **quotes), logprobs=(sure,)))
        assert next(saying, None) is None, "as many windows show it"
        answer = task.read(request, completions)
        assert all(clause.exact == "Sentence number 4 says what is said here." for clause in answer.clauses)
        return [clause.label for clause in answer.clauses], answer.not_present

    both = (("renewal", doubtful), ("insurance", likelier))
    assert sorted(kinds(*both)[0]) == ["insurance", "renewal"]
    found, absent = kinds(*both, one_kind=True)
    assert found == ["insurance"]
    assert "renewal" in absent


def test_opening_words_leave_out_what_json_escapes_and_are_found_all_the_same() -> None:
    clause = 'Each "Affiliate" shall keep its books open to audit.'
    task = make_task(**SMALL, quote_words=4)
    request = task.request_type(text=f"{clause} Notices are given in writing.")
    audit = {"label": "audit_rights", "exact": clause, "start": 0, "end": len(clause)}
    (answer,) = task.targets(request, task.response_type.model_validate({"clauses": (audit,)}))
    assert answer is not None
    assert write_answer(answer) == '{"audit rights":["Each Affiliate shall keep"]}'
    (found,) = task.read(request, [Completion(write_answer(answer))]).clauses
    assert (found.exact, found.state) == (clause, "repaired")


@pytest.mark.parametrize(
    ("quote", "allowed"),
    [("The books are open", True), ("Ünïcode — “x”", True), ("The books are open always", False), ("", False)],
)
def test_a_decoder_allows_no_more_opening_words_than_the_task_asks_for(quote: str, allowed: bool) -> None:
    task = make_task(**SMALL, quote_words=4)
    (prompt,) = task.prompts(task.request_type(text="The books are open."))
    matcher = GRAMMARS.matcher(grammar_of(prompt.answer), RENDERER.stop_ids)
    tokens = RENDERER.answer(write_answer(prompt.answer.model_validate({"audit rights": [quote]})))
    assert all(matcher.accept_token(token) for token in (*tokens, RENDERER.turn_end)) is allowed
