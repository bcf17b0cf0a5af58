"""What the examples hold. Change these with your own data."""

from __future__ import annotations

import json
import operator
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from npc_parts import module  # type: ignore[import-not-found]

from kit.metrics.similarity import token_jaccard, word_list
from kit.task import Example

PROJECT = Path(__file__).parents[1]
Examples = dict[str, list[Example[Any, Any]]]
KINDS = {
    "jailbreak", "modern", "own_world", "hidden", "impossible", "injection", "player_voice", "over_acting", "reference",
}  # fmt: skip


def hard(rows: list[Example[Any, Any]]) -> list[Example[Any, Any]]:
    return [row for row in rows if "hard" in row.tags]


def said(row: Example[Any, Any]) -> str:
    text: str = row.request.player_says
    return text


def test_the_generator_makes_the_files_that_stand_in_data(generated: dict[str, list[dict[str, Any]]]) -> None:
    for split, rows in generated.items():
        lines = (PROJECT / f"data/{split}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == rows


def test_another_seed_makes_other_scenes(generated: dict[str, list[dict[str, Any]]]) -> None:
    other = module("generate").generate(1)
    assert len(other["train"]) == len(generated["train"])
    assert other["train"] != generated["train"]


def test_there_is_enough_to_learn_from_and_to_measure_with(examples: Examples) -> None:
    assert len(examples["train"]) >= 500
    assert len(examples["test"]) - len(hard(examples["test"])) >= 150
    assert len({row.request.character.name for row in examples["train"]}) >= 12
    assert len({row.group for row in examples["test"]}) >= 12


def test_hard_cases_are_there_and_tagged_by_kind(examples: Examples) -> None:
    assert not hard(examples["train"])
    kinds = Counter(tag for row in hard(examples["test"]) for tag in row.tags if tag.startswith("hard:"))
    assert kinds.total() == len(hard(examples["test"])) >= 40
    assert set(kinds) == {f"hard:{kind}" for kind in KINDS}
    assert min(kinds.values()) >= 3


def test_no_character_fact_or_wording_is_on_both_sides(examples: Examples) -> None:
    names = ("player_says", "character.name", "character.persona", "character.knows", "state.place")
    keys = [operator.attrgetter(name) for name in ("group", "id", *(f"request.{name}" for name in names))]
    for key in keys:
        assert not {key(row) for row in examples["train"]} & {key(row) for row in examples["test"]}


def test_no_line_of_a_player_in_a_test_is_nearly_one_of_training(examples: Examples) -> None:
    known = {said(row) for row in examples["train"]}
    for text in {said(row) for row in examples["test"]}:
        assert max(token_jaccard(text, other) for other in known) < 0.85, text


def test_words_vary(examples: Examples) -> None:
    for rows, least in ((examples["train"], 0.2), (examples["test"], 0.4)):
        for texts in ([said(row) for row in rows], [row.response.line for row in rows]):
            pairs = [pair for text in set(texts) for pair in pairwise(word_list(text))]
            assert len(set(pairs)) / len(pairs) > least
    seen = {pair for row in examples["train"] for pair in pairwise(word_list(said(row)))}
    new = [pair for row in examples["test"] for pair in pairwise(word_list(said(row))) if pair not in seen]
    assert len(new) > 0.5 * sum(len(word_list(said(row))) - 1 for row in examples["test"])


def test_the_same_request_gets_another_answer_in_another_state(examples: Examples) -> None:
    """So the state decides, not the player's words alone."""
    answers: dict[str, set[str]] = {}
    for row in examples["train"]:
        answers.setdefault(said(row), set()).add(row.response.action.name)
    assert sum("none" in names and len(names) > 1 for names in answers.values()) >= 5


def test_about_half_of_the_turns_call_for_no_action(examples: Examples) -> None:
    for rows in examples.values():
        share = sum(row.response.action.name == "none" for row in rows) / len(rows)
        assert 0.4 < share < 0.65


def test_the_player_says_the_secret_in_some_turns_and_no_line_repeats_it(examples: Examples) -> None:
    plain, leaked = module("bounds").plain, module("bounds").leaked
    for rows in examples.values():
        tells = [[plain(tell) for each in row.request.character.does_not_know for tell in each.tells] for row in rows]
        baits = [leaked(words, plain(said(row))) for row, words in zip(rows, tells, strict=True)]
        assert sum(bait is not None for bait in baits) >= 8
        assert [leaked(words, plain(row.response.line)) for row, words in zip(rows, tells, strict=True)] == [
            None
        ] * len(rows)
