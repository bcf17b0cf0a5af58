"""What the examples hold. Change these with your own data."""

from __future__ import annotations

import json
import operator
from pathlib import Path
from typing import Any

import pytest

from kit.task import Example, Task

PROJECT = Path(__file__).parents[1]
Examples = dict[str, list[Example[Any, Any]]]


def test_the_generator_makes_the_files_that_stand_in_data(generated: dict[str, list[dict[str, Any]]]) -> None:
    for split, rows in generated.items():
        lines = (PROJECT / f"data/{split}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == rows


def test_there_is_enough_to_learn_from_and_to_measure_with(examples: Examples) -> None:
    assert len(examples["train"]) >= 600
    assert len(examples["test"]) >= 150


def test_no_document_is_on_both_sides(examples: Examples) -> None:
    for key in map(operator.attrgetter, ("group", "id", "request.text")):
        assert not {key(row) for row in examples["train"]} & {key(row) for row in examples["test"]}


def test_every_clause_stands_where_its_offsets_say(examples: Examples) -> None:
    for row in examples["train"] + examples["test"]:
        for clause in row.response.clauses:
            assert row.request.text[clause.start : clause.end] == clause.exact


def test_every_kind_is_absent_from_a_good_share_of_the_documents(examples: Examples, task: Task[Any, Any]) -> None:
    for rows in examples.values():
        for label in task.options.categories:
            share = sum(label in {clause.label for clause in row.response.clauses} for row in rows) / len(rows)
            assert 0.1 < share < 0.6, label


def test_some_documents_have_no_clause_at_all(examples: Examples) -> None:
    assert all(any(not row.response.clauses for row in rows) for rows in examples.values())


def test_documents_are_of_many_forms(examples: Examples) -> None:
    texts = [row.request.text for row in examples["train"]]
    clauses = [clause.exact for row in examples["train"] for clause in row.response.clauses]
    assert len({tag for row in examples["train"] for tag in row.tags}) >= 10
    assert any("\n" in clause for clause in clauses)
    assert any("\r\n" in text for text in texts)
    assert any(max(text) > "\uffff" for text in texts)
    assert any("\u0308" in text for text in texts)
    assert any("§" in text for text in texts)


@pytest.mark.parametrize("task", ["smoke"], indirect=True)
def test_a_good_share_of_the_documents_is_longer_than_one_window(examples: Examples, task: Task[Any, Any]) -> None:
    for rows in examples.values():
        counts = [len(task.prompts(row.request)) for row in rows]
        assert sum(count > 1 for count in counts) >= 0.15 * len(rows)
        assert sum(count > 2 for count in counts) >= 0.03 * len(rows)


def test_test_documents_hold_wordings_that_training_never_saw(examples: Examples) -> None:
    unseen = sum("unseen_wording" in row.tags for row in examples["test"])
    assert 0.2 * len(examples["test"]) < unseen < 0.9 * len(examples["test"])
    assert not any("unseen_wording" in row.tags for row in examples["train"])
