"""What the examples hold. Change these with your own data."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kit.metrics.similarity import word_list
from kit.task import Example, Task

PROJECT = Path(__file__).parents[1]
Examples = dict[str, list[Example[Any, Any]]]
HARD = {
    "numbers", "population", "negation", "conflict", "injection", "record", "identifiers", "off-topic", "no-passages",
    "negated-flag", "emergency",
}  # fmt: skip


def words(row: Example[Any, Any]) -> list[str]:
    """All words of a request."""
    asked = row.request
    return word_list(" ".join([asked.question, asked.record or "", *(each.text for each in asked.evidence)]))


def test_the_generator_makes_the_files_that_stand_in_data(generated: dict[str, list[dict[str, Any]]]) -> None:
    for split, rows in generated.items():
        lines = (PROJECT / f"data/{split}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == rows


def test_there_is_enough_to_learn_from_and_to_measure_with(examples: Examples) -> None:
    assert len(examples["train"]) >= 500
    assert sum("hard" not in row.tags for row in examples["test"]) >= 150


def test_hard_cases_are_there_and_tagged_by_kind(examples: Examples) -> None:
    hard = [row for row in examples["test"] if "hard" in row.tags]
    assert len(hard) >= 40
    assert {tag.removeprefix("hard:") for row in hard for tag in row.tags} - {"hard"} == HARD
    assert not any("hard" in row.tags for row in examples["train"])


def test_no_group_id_or_request_is_on_both_sides(examples: Examples) -> None:
    for part in ("group", "id", "request"):
        values = {side: {repr(getattr(row, part)) for row in rows} for side, rows in examples.items()}
        assert not values["train"] & values["test"]


def test_no_test_row_is_nearly_a_training_row(examples: Examples) -> None:
    train = [frozenset(words(row)) for row in examples["train"]]
    for row in examples["test"]:
        own = frozenset(words(row))
        assert max(len(own & other) / len(own | other) for other in train) < 0.85, row.id


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_verdict_has_a_good_share(task: Task[Any, Any], examples: Examples, split: str) -> None:
    counts = Counter(label for row in examples[split] for label in task.labels(row.response))  # type: ignore[attr-defined]
    for verdict in ("yes", "no", "maybe", "text", "none"):
        assert 0.1 < counts[verdict] / len(examples[split]) < 0.35, verdict


def test_every_citation_is_a_passage_and_positions_differ(task: Task[Any, Any], examples: Examples) -> None:
    places: Counter[int] = Counter()
    for row in examples["train"]:
        target = task.targets(row.request, row.response)[1]
        if target is not None:
            places.update(target.evidence)  # type: ignore[union-attr]
    assert len(places) >= 3
    assert max(places.values()) < 0.6 * sum(places.values())


@pytest.mark.parametrize(("size", "least"), [(1, 0.01), (3, 0.2), (5, 0.45)])
def test_wordings_vary(examples: Examples, size: int, least: float) -> None:
    grams: Counter[tuple[str, ...]] = Counter()
    for row in examples["train"]:
        said = words(row)
        grams.update(tuple(said[start : start + size]) for start in range(len(said) - size + 1))
    assert len(grams) / sum(grams.values()) > least


def test_half_of_the_generated_test_rows_have_wordings_that_training_never_saw(examples: Examples) -> None:
    unseen = sum("unseen_wording" in row.tags for row in examples["test"])
    assert 0.35 < unseen / sum("hard" not in row.tags for row in examples["test"]) < 0.65
    assert not any("unseen_wording" in row.tags for row in examples["train"])
