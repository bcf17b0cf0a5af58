"""What the sample dialogues hold. Change these with your own data."""

from __future__ import annotations

import json
import operator
from collections import Counter
from pathlib import Path
from typing import Any

from kit.metrics.similarity import jaccard, words_of
from kit.task import Example

PROJECT = Path(__file__).parents[1]
Examples = dict[str, list[Example[Any, Any]]]
KINDS = (
    "correction", "injection", "long", "missing_argument", "no_call", "no_fact", "refusal", "tool_error", "two_calls",
    "unicode",
)  # fmt: skip


def asked(row: Example[Any, Any]) -> str:
    """Everything that the model reads of a dialogue."""
    return "\n".join(f"{turn.role}: {turn.model_dump_json()}" for turn in row.request.messages)


def test_the_generator_makes_the_files_that_stand_in_data(generated: dict[str, list[dict[str, Any]]]) -> None:
    for split, rows in generated.items():
        lines = (PROJECT / f"data/{split}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == rows


def test_there_is_enough_to_learn_from_and_to_measure_with(examples: Examples) -> None:
    hard = [row for row in examples["test"] if "hard" in row.tags]
    assert len(examples["train"]) >= 500
    assert len(examples["test"]) - len(hard) >= 150
    assert len(hard) >= 40


def test_every_hard_case_has_a_kind_and_every_kind_has_two(examples: Examples) -> None:
    hard = [row for row in examples["test"] if "hard" in row.tags]
    kinds = Counter(tag for row in hard for tag in row.tags if tag.startswith("hard:"))
    assert sorted(kinds) == [f"hard:{kind}" for kind in KINDS]
    assert sum(kinds.values()) == len(hard)
    assert min(kinds.values()) >= 2
    assert not any("hard" in row.tags for row in examples["train"])


def test_no_dialogue_is_on_both_sides(examples: Examples) -> None:
    for key in (operator.attrgetter("group"), operator.attrgetter("id"), asked):
        assert not {key(row) for row in examples["train"]} & {key(row) for row in examples["test"]}


def test_no_two_dialogues_of_the_two_sides_are_nearly_the_same(examples: Examples) -> None:
    left, right = ([words_of(asked(row)) for row in examples[split]] for split in ("train", "test"))
    assert max(jaccard(one, other) for one in right for other in left) < 0.95


def test_a_group_is_one_dialogue_and_each_row_goes_on_where_the_last_ended(examples: Examples) -> None:
    before: dict[str, Example[Any, Any]] = {}
    for row in examples["train"]:
        if row.group in before:
            last = before[row.group]
            told = (*last.request.messages, last.response.message)
            assert row.request.messages[: len(told)] == told
        before[row.group] = row
    assert len(before) < len(examples["train"])


def test_test_dialogues_have_libraries_and_books_that_training_never_saw(examples: Examples) -> None:
    train = "\n".join(map(asked, examples["train"]))
    for name in ("Cray Valley", "Swanmere", "The Copper Gate", "The Night Baker", "Wick Hall", "The Tall Ship"):
        assert name not in train
        assert any(name in asked(row) for row in examples["test"])


def test_dialogues_vary(examples: Examples) -> None:
    """Different runs of four words in training are counted, and no first question is more than 3% of them."""
    runs: set[tuple[str, ...]] = set()
    for row in examples["train"]:
        words = asked(row).split()
        runs |= set(zip(words, words[1:], words[2:], words[3:], strict=False))
    questions = Counter(row.request.messages[1].content for row in examples["train"] if len(row.request.messages) == 2)
    assert len(runs) > 4_000
    assert questions.most_common(1)[0][1] <= 0.03 * questions.total()


def test_both_sides_have_calls_and_text_and_dialogues_of_many_turns(examples: Examples) -> None:
    for rows in examples.values():
        calls = sum(bool(row.response.message.tool_calls) for row in rows) / len(rows)
        assert 0.2 < calls < 0.6
        assert sum(len(row.request.messages) > 4 for row in rows) > 0.15 * len(rows)
        assert any(not row.request.tools for row in rows)
