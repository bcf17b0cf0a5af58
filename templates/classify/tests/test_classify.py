"""What the task does with a model's answer, and what the data holds. No model is needed. Run: pytest tests"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kit.data.formats import read_file
from kit.recipe import load_recipe
from kit.task import Choices, ClassicalBaseline, Completion, Example, UnreadableAnswer, write_answer
from kit.task.loader import load_tasks

PROJECT = Path(__file__).parents[1]
(TASK,) = load_tasks(PROJECT, load_recipe(PROJECT / "recipe.yaml"))
TICKET = TASK.request_type(text="My parcel has not arrived.")


def examples(part: str) -> list[Example[Any, Any]]:
    """The rows of data/train.jsonl or data/test.jsonl, checked against the task's types."""
    return list(read_file(PROJECT / f"data/{part}.jsonl", TASK).examples)


def labels() -> tuple[str, ...]:
    """The labels that the model may choose from."""
    (prompt,) = TASK.prompts(TICKET)
    assert isinstance(prompt.answer, Choices)
    return prompt.answer.labels


@pytest.mark.parametrize("part", ["train", "test"])
def test_every_label_has_examples(part: str) -> None:
    assert {row.response.label for row in examples(part)} == set(labels())


def test_a_model_that_answers_as_it_is_taught_scores_one() -> None:
    records = []
    for row in examples("test"):
        written = [Completion(write_answer(target)) for target in TASK.targets(row.request, row.response) if target]
        records.append(TASK.observe(row.response, TASK.read(row.request, written)))
    assert {name: metric.reduce(records) for name, metric in TASK.metrics.items()} == {"accuracy": 1.0, "macro_f1": 1.0}


def test_a_wrong_label_lowers_both_metrics() -> None:
    first, second, *_ = (TASK.response_type(label=label) for label in labels())
    records = [TASK.observe(first, first), TASK.observe(second, first)]
    assert TASK.metrics["accuracy"].reduce(records) == 0.5
    assert TASK.metrics["macro_f1"].reduce(records) == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.parametrize("written", ["weather", "", "billing and more"])
def test_an_answer_that_is_no_label_is_refused(written: str) -> None:
    with pytest.raises(UnreadableAnswer):
        TASK.read(TICKET, [Completion(written)])


def test_a_row_with_an_unknown_label_is_refused() -> None:
    with pytest.raises(ValidationError):
        TASK.response_type(label="weather")


def test_the_words_of_a_customer_are_not_trusted() -> None:
    (prompt,) = TASK.prompts(TICKET)
    assert [segment.trusted for message in prompt.messages for segment in message.segments] == [True, False]


def test_the_baseline_answers_as_the_most_similar_example_did() -> None:
    assert isinstance(TASK, ClassicalBaseline)
    first, *others = examples("train")
    assert TASK.fit_baseline([first, *others])(first.request) == first.response
