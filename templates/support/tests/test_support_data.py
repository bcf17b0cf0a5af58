"""What the examples hold. Change these with your own data."""

from __future__ import annotations

import itertools
import json
import operator
from pathlib import Path
from typing import Any

from support_parts import module  # type: ignore[import-not-found]

from kit.metrics.similarity import jaccard, words_of
from kit.task import Example

PROJECT = Path(__file__).parents[1]
Examples = dict[str, list[Example[Any, Any]]]


def last(row: Example[Any, Any]) -> str:
    """The last turn, which the bot answers."""
    return str(row.request.thread[-1].text)


def test_the_generator_makes_the_files_that_stand_in_data(generated: dict[str, list[dict[str, Any]]]) -> None:
    for split, rows in generated.items():
        lines = (PROJECT / f"data/{split}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == rows


def test_there_is_enough_to_learn_from_and_to_measure_with(examples: Examples) -> None:
    hard = [row for row in examples["test"] if "hard" in row.tags]
    assert len(examples["train"]) >= 500
    assert len(examples["test"]) - len(hard) >= 150
    assert len(hard) >= 40
    kinds = {tag for row in hard for tag in row.tags if tag.startswith("hard:")}
    assert kinds >= {f"hard:{kind}" for kind in ("pressure", "injection", "refusal", "not_covered", "action", "owned")}
    assert not any("hard" in row.tags for row in examples["train"])


def test_no_thread_is_on_both_sides(examples: Examples) -> None:
    for key in map(operator.attrgetter, ("group", "id", "request")):
        assert not {str(key(row)) for row in examples["train"]} & {str(key(row)) for row in examples["test"]}


def test_no_sentence_of_a_customer_or_of_a_passage_is_nearly_on_both_sides(examples: Examples) -> None:
    def parts(rows: list[Example[Any, Any]]) -> list[set[str]]:
        return [{last(row) for row in rows}, {each.text for row in rows for each in row.request.passages}]

    for train, test in zip(parts(examples["train"]), parts(examples["test"]), strict=True):
        known = [words_of(text) for text in train]
        near = [text for text in test if _nearest(words_of(text), known) > 0.8]
        assert near == []


def test_every_intent_action_and_reason_is_taught_and_tested(examples: Examples) -> None:
    desk = module("desk")
    reasons = {"not_covered", "account_change", "disputes_policy", "asked_for_person", "complaint", "danger"}
    for rows in examples.values():
        assert {row.response.intent for row in rows} - {None} == set(desk.INTENTS)
        assert {row.response.action for row in rows} == {"reply", "hand_off", "silent"}
        assert {row.response.hand_off.reason for row in rows if row.response.hand_off} == reasons


def test_a_thread_has_several_supervised_turns_in_one_group(examples: Examples) -> None:
    turns: dict[str, int] = {}
    for row in examples["train"]:
        turns[row.group] = turns.get(row.group, 0) + 1
    assert sum(count > 1 for count in turns.values()) > 100
    assert max(turns.values()) >= 4


def test_the_passage_that_answers_stands_at_any_place(examples: Examples) -> None:
    places = [
        [each.id for each in row.request.passages].index(row.response.sources[0])
        for row in examples["train"]
        if row.response.sources
    ]
    assert {place: places.count(place) > 20 for place in range(4)} == dict.fromkeys(range(4), True)


def test_the_words_vary(examples: Examples) -> None:
    """Distinct two-word sequences among all of them, in the turns of customers (distinct-2, Li et al. 2016)."""
    for split, least in (("train", 0.2), ("test", 0.3)):
        pairs = [pair for row in examples[split] for pair in _pairs(last(row))]
        assert len(set(pairs)) / len(pairs) > least, split
        assert len({last(row) for row in examples[split]}) > 0.6 * len(examples[split])


def _pairs(text: str) -> list[tuple[str, str]]:
    words = text.casefold().split()
    return list(itertools.pairwise(words))


def _nearest(words: frozenset[str], known: list[frozenset[str]]) -> float:
    return max(jaccard(words, each) for each in known)
