"""The time that a document takes grows with its length, whatever it holds.

The limits are wide, so that a busy machine does not fail them: where time grows with the square of the length, each of
these takes minutes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from legal_parts import PROJECT, make_task  # type: ignore[import-not-found]

from kit.data.augmentation.rewording import by_paragraph
from kit.task import Completion
from kit.text.quotes import Source

SECONDS = 10
NUMBERS = make_task(answer="numbers", window=350)
QUOTES = make_task()
PIECES = [
    ". ", ": A", ", ", "\n", "A.", "1.", "(a) ", "a", ". \n", "。", "।", '"', "”", ".”", " ", "\n ", "!?", "1.1.",
    "No. ", '\\"', "x\u0301", "ab. ", "11) ", "é", "\U0001f4ce", "a.....", "-",
]  # fmt: skip


@contextmanager
def limited() -> Iterator[None]:
    """Fail where the body takes longer than the limit."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < SECONDS


def repeated(piece: str, length: int) -> str:
    """A text of this many characters, with a word before and after."""
    return f"The {(piece * (length // len(piece) + 1))[:length]}b"


@pytest.mark.parametrize("piece", PIECES)
def test_all_that_is_done_with_a_document(piece: str) -> None:
    text = repeated(piece, 60_000)
    with limited():
        for task in (NUMBERS, QUOTES):
            request = task.request_type(text=text)
            prompts = task.prompts(request)
            read = task.read(request, [Completion(everything(task, prompt)) for prompt in prompts])
            assert read.coverage > 0.9
            expected = task.response_type(clauses=read.clauses)
            assert len(task.targets(request, expected)) == len(prompts)
            task.rewrite(request, expected, by_paragraph(str.upper))
        Source(text).closest("The a . b zz", 0, len(text), 0.1)


def everything(task: Any, prompt: Any) -> str:
    """An answer that names every sentence, or quotes a right and a wrong text over and over."""
    if task is QUOTES:
        seen = prompt.messages[1].text
        return json.dumps({"renewal": [f"{seen[:40]} zz"] * 5, "insurance": [seen[:60]] * 5})
    return json.dumps({field.alias: "renewal" for field in prompt.answer.model_fields.values()}, separators=(",", ":"))


@pytest.mark.parametrize("piece", ['"', '\\"', '"a', '"1":[', '"1":["a",', '"\\', "[[", '"a":'])
def test_an_answer_that_is_no_json(piece: str) -> None:
    text = '{"1":"' + piece * (100_000 // len(piece))
    with limited():
        for task in (NUMBERS, QUOTES):
            task.read(task.request_type(text="It ends."), [Completion(text, finish="length")])


def test_the_baseline() -> None:
    kind = QUOTES.example_type()
    lines = (PROJECT / "data/train.jsonl").read_text(encoding="utf-8").splitlines()[:40]
    rows = [kind.model_validate_json(line) for line in lines]
    predict = QUOTES.fit_baseline(rows)
    with limited():
        for piece in (". ", "ab. ", "Ab: A", "a"):
            predict(QUOTES.request_type(text=repeated(piece, 60_000)))


def test_a_long_document_with_a_clause_in_every_sentence() -> None:
    parts = [f"Word{number} ends." for number in range(12_000)]
    text = " ".join(parts)
    starts, at = [], 0
    for part in parts:
        starts.append(at)
        at += len(part) + 1
    clauses = [
        {"label": "renewal", "exact": part, "start": start, "end": start + len(part)}
        for part, start in zip(parts, starts, strict=True)
    ]
    response = NUMBERS.response_type.model_validate({"clauses": clauses})
    request = NUMBERS.request_type(text=text)
    with limited():
        assert None not in NUMBERS.targets(request, response)
        assert len(NUMBERS.rewrite(request, response, str.upper)[1].clauses) == 12_000
        NUMBERS.fit_baseline([NUMBERS.example_type()(id="a", group="a", request=request, response=response)] * 2)


def test_an_answer_about_one_sentence_again_and_again_stays_in_proportion() -> None:
    request = NUMBERS.request_type(text="Rent is due. " * 2_000)
    answers = [Completion(everything(NUMBERS, prompt)) for prompt in NUMBERS.prompts(request)]
    read = NUMBERS.read(request, answers)
    assert len(read.clauses) == 2_000
    assert len(read.clauses[0].also_at) == 100
    assert sum(len(clause.also_at) for clause in read.clauses) == 20_000
