"""A row that was trained on is known again by the hash of its request or of its group."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest

from kit.data.checking.leaks import leaked
from kit.data.keys import Keys, request_key
from tests.kit.toy import Sentence, ToyExample, row


def example(name: str, number: int, **changes: object) -> ToyExample:
    return ToyExample(**row(name, number, **changes))


TRAIN = [example("train", number) for number in range(20)]
SAME: list[Callable[[str], str]] = [
    lambda text: f" {text}\n",
    lambda text: text.replace(" ", "\u00a0\t"),
    lambda text: unicodedata.normalize("NFD", text),
]


def test_examples_of_their_own_are_no_leak() -> None:
    assert leaked([example("test", number) for number in range(20)], {}, Keys.of(TRAIN)) == []


def test_a_request_or_a_group_that_was_trained_on_is_named_with_its_place() -> None:
    copy = example("copied", 1, request=TRAIN[7].request.model_dump())
    sibling = example("sibling", 1, group="train-3")
    places = {"copied-1": "test.jsonl:1", "sibling-1": "test.jsonl:2"}
    problems = leaked([copy, example("test", 3), sibling], places, Keys.of(TRAIN))
    assert [str(problem) for problem in problems] == [
        "test.jsonl:1: The request of 'copied-1' was trained on.",
        "test.jsonl:2: The group of 'sibling-1', 'train-3', was trained on.",
    ]


@pytest.mark.parametrize("change", SAME)
def test_white_space_and_unicode_form_make_no_other_request(change: Callable[[str], str]) -> None:
    text = "the café was  cold"
    assert request_key(Sentence(text=change(text))) == request_key(Sentence(text=text))


def test_another_word_or_another_case_is_another_request() -> None:
    assert len({request_key(Sentence(text=text)) for text in ("us", "US", "u s", "use")}) == 4


def test_a_key_keeps_no_words() -> None:
    keys = Keys.of(TRAIN)
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in keys.requests | keys.groups)
