"""What the examples hold. Change these with your own data."""

from __future__ import annotations

import json
import operator
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from legal_parts import module  # type: ignore[import-not-found]

from kit.task import Completion, Example, Task, write_answer

PROJECT = Path(__file__).parents[1]
Examples = dict[str, list[Example[Any, Any]]]
HARD = {
    "characters": 5, "dates": 4, "exception": 5, "injection": 6, "language": 4, "layout": 6, "near-miss": 5,
    "negated": 6, "page": 6, "quoted": 5, "reference": 5, "struck": 6, "tiny": 4, "two-kinds": 5,
}  # fmt: skip


def hard_of(rows: list[Example[Any, Any]]) -> list[Example[Any, Any]]:
    """The rows that were written by hand."""
    return [row for row in rows if "hard" in row.tags]


def test_the_generator_makes_the_files_that_stand_in_data(generated: dict[str, list[dict[str, Any]]]) -> None:
    for split, rows in generated.items():
        lines = (PROJECT / f"data/{split}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == rows


def test_there_is_enough_to_learn_from_and_to_measure_with(examples: Examples) -> None:
    assert len(examples["train"]) >= 600
    assert len(examples["test"]) - len(hard_of(examples["test"])) >= 150


def test_hard_cases_are_in_the_test_file_only_tagged_by_kind_and_each_a_group(examples: Examples) -> None:
    hard = hard_of(examples["test"])
    assert len(hard) >= 40
    kinds = Counter(tag.removeprefix("hard:") for row in hard for tag in row.tags if tag != "hard")
    assert kinds == HARD
    assert len({row.group for row in hard}) == len(hard)
    assert not hard_of(examples["train"])


def test_hard_cases_hold_every_kind_of_clause_and_many_hold_none(examples: Examples, task: Task[Any, Any]) -> None:
    hard = hard_of(examples["test"])
    assert {clause.label for row in hard for clause in row.response.clauses} == set(task.options.categories)
    assert sum(not row.response.clauses for row in hard) >= 20


def test_the_values_of_a_hard_case_are_what_the_task_reads(examples: Examples, quoting: Task[Any, Any]) -> None:
    found = 0
    for row in hard_of(examples["test"]):
        (target,) = quoting.targets(row.request, row.response)
        assert target is not None
        read = quoting.read(row.request, [Completion(write_answer(target))])
        expected = [(each.label, each.start, each.values) for each in row.response.clauses]
        assert sorted((each.label, each.start, each.values) for each in read.clauses) == sorted(expected), row.id
        found += sum(len(values) for *_, values in expected)
    assert found >= 15


def test_no_hard_case_is_nearly_a_training_document(examples: Examples) -> None:
    words = module("scoring").words_of
    train = [words(row.request.text) for row in examples["train"]]
    for row in hard_of(examples["test"]):
        own = words(row.request.text)
        assert max(len(own & other) / len(own | other) for other in train) < 0.5, row.id


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
    generated = len(examples["test"]) - len(hard_of(examples["test"]))
    assert 0.2 * generated < unseen < 0.9 * generated
    assert not any("unseen_wording" in row.tags for row in examples["train"])
