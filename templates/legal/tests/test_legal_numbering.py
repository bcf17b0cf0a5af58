"""Each window numbers its sentences, and clauses come back from the numbers, for any text."""

from __future__ import annotations

import json
from collections import Counter
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from legal_parts import ANY_TEXT, TEXTS, make_task, module  # type: ignore[import-not-found]

from kit.base import NANO
from kit.chat import Renderer
from kit.engines.local.grammar import Grammars
from kit.engines.structured import grammar_of
from kit.task import Completion, write_answer
from kit.text.sentences import sentences

TASK = make_task(answer="numbers", window=300)
RENDERER = Renderer(NANO)
GRAMMARS = Grammars(NANO, RENDERER.vocabulary_size)


@settings(deadline=None)
@given(ANY_TEXT, st.integers(300, 500), st.integers(1, 3))
def test_every_reading_covers_the_text_and_every_window_fits(text: str, size: int, readings: int) -> None:
    form = module("numbering").Numbering(("renewal", "insurance"), size, readings)
    found = form.windows(text)
    pieces = Counter(piece for window in found for piece in window.pieces)
    assert set(pieces.values()) <= {readings}
    assert [text[each.start : each.end] for each in sentences(text)] == [
        text[start : max(piece.end for piece in group)]
        for start, group in groupby(sorted(pieces), key=lambda piece: piece.sentence)
    ]
    for window in found:
        assert len(form.shown(text, window).encode()) <= size
    starts = [index for index, window in enumerate(found) if window.start == 0 and found[index - 1].end == len(text)]
    assert len(starts) == readings
    for left, right in pairwise(found):
        assert right.start in {left.end, 0}


@settings(deadline=None)
@given(TEXTS, st.data())
def test_whatever_number_a_model_gives_the_answer_holds_the_documents_own_text(text: str, data: st.DataObject) -> None:
    request = TASK.request_type(text=text)
    completions, given_kinds = [], 0
    for prompt in TASK.prompts(request):
        numbers = [field.alias for field in prompt.answer.model_fields.values()]
        chosen = data.draw(st.lists(st.sampled_from(numbers), unique=True))
        answer = {number: data.draw(st.sampled_from(["renewal", "insurance"])) for number in chosen}
        given_kinds += len(answer)
        completions.append(Completion(json.dumps(answer, separators=(",", ":"))))
    response = TASK.read(request, completions)
    assert (len(response.clauses) > 0) == (given_kinds > 0)
    assert len(response.clauses) <= given_kinds
    for clause in response.clauses:
        assert clause.exact == text[clause.start : clause.end].strip() != ""
    assert response.coverage == 1.0
    assert response.unlocated == ()


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(20, 500), st.data())
def test_a_clause_that_is_a_sentence_is_whole_again_after_reading(count: int, length: int, data: st.DataObject) -> None:
    parts = [f"Sentence {number} goes on{' and on' * (length // 7)}." for number in range(count)]
    text, chosen = " ".join(parts), data.draw(st.integers(0, count - 1))
    start = text.index(parts[chosen])
    clause = {"label": "insurance", "exact": parts[chosen], "start": start, "end": start + len(parts[chosen])}
    request = TASK.request_type(text=text)
    expected: Any = TASK.response_type.model_validate({"clauses": [clause]})
    targets = [target for target in TASK.targets(request, expected) if target is not None]
    response = TASK.read(request, [Completion(write_answer(target)) for target in targets])
    assert [(each.exact, each.start) for each in response.clauses] == [(parts[chosen], start)]


def test_a_document_of_300000_characters_is_read_in_full() -> None:
    sentence = "The rent of house {n} is due on day {n} of the month, and the tenant of house {n} pays it by transfer. "
    text = "".join(sentence.format(n=number) for number in range(3_000))
    request = TASK.request_type(text=text)
    prompts = TASK.prompts(request)
    response = TASK.read(request, [Completion('{"1":"payment terms"}') for _ in prompts])
    assert response.coverage == 1.0
    assert len(response.clauses) == len(prompts) > 1_000


def test_the_window_of_an_unreadable_answer_is_told() -> None:
    text = " ".join(f"Sentence {number} says what is said here." for number in range(40))
    request = TASK.request_type(text=text)
    completions = [Completion("{}") for _ in TASK.prompts(request)]
    completions[1] = Completion('{"1":"renewal","2":"ren', finish="length")
    response = TASK.read(request, completions)
    (unread,) = response.unread
    (clause,) = response.clauses
    assert unread.start == clause.start
    assert text[unread.end :].startswith("Sentence")
    assert response.coverage == 1 - (unread.end - unread.start) / len(text)


@pytest.mark.parametrize(
    ("written", "allowed"),
    [
        ('{"1":"renewal","2":"insurance"}', True),
        ("{}", True),
        ('{"1":["renewal","insurance"],"2":"renewal"}', True),
        ('{"1":["renewal"]}', False),
        ('{"1":["renewal","weather"]}', False),
        ('{"3":"renewal"}', False),
        ('{"1":"weather"}', False),
        ('{"2":"renewal","1":"insurance"}', False),
    ],
)
def test_a_decoder_allows_the_windows_numbers_in_their_order_and_the_kinds(written: str, allowed: bool) -> None:
    (prompt,) = TASK.prompts(TASK.request_type(text="The books are open. The term is a year."))
    grammar = grammar_of(prompt.answer)
    assert grammar is not None
    matcher = GRAMMARS.matcher(grammar, RENDERER.stop_ids)
    tokens = RENDERER.answer(written)
    assert all(matcher.accept_token(token) for token in (*tokens, RENDERER.turn_end)) is allowed
