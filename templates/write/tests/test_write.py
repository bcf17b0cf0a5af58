"""What the task does with a model's answer, and what the data holds. No model is needed. Run: pytest tests"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.data.formats import read_file
from kit.recipe import load_recipe
from kit.task import ClassicalBaseline, Completion, Example, UnreadableAnswer, write_answer
from kit.task.loader import load_tasks

PROJECT = Path(__file__).parents[1]
(TASK,) = load_tasks(PROJECT, load_recipe(PROJECT / "recipe.yaml"))
MESSAGE = TASK.request_type(message="My parcel has not arrived.")


def examples(part: str) -> list[Example[Any, Any]]:
    """The rows of data/train.jsonl or data/test.jsonl, checked against the task's types."""
    return list(read_file(PROJECT / f"data/{part}.jsonl", TASK).examples)


@pytest.mark.parametrize("part", ["train", "test"])
def test_every_reply_is_in_the_house_style(part: str) -> None:
    for row in examples(part):
        assert row.response.reply.startswith("Thank you for ")
        assert row.response.reply.endswith("\n\nBest regards,\nThe Lantern Team")


def test_a_model_that_answers_as_it_is_taught_scores_one_whatever_the_blanks() -> None:
    records = []
    for row in examples("test"):
        written = [Completion(write_answer(each) + "\n") for each in TASK.targets(row.request, row.response) if each]
        records.append(TASK.observe(row.response, TASK.read(row.request, written)))
    assert {name: metric.reduce(records) for name, metric in TASK.metrics.items()} == dict.fromkeys(TASK.metrics, 1.0)


def test_another_reply_scores_less() -> None:
    expected, actual = (TASK.response_type(reply=reply) for reply in ("We will call.\nAnn", "We will write.\nBob"))
    assert TASK.observe(expected, actual) == {"rouge_l": 0.5, "signed": 0.0}


@pytest.mark.parametrize("answer", [Completion(" \n"), Completion("a" * 601), Completion("We", finish="length")])
def test_a_reply_that_is_empty_too_long_or_cut_is_refused(answer: Completion) -> None:
    with pytest.raises(UnreadableAnswer):
        TASK.read(MESSAGE, [answer])


def test_the_words_of_a_customer_are_not_trusted() -> None:
    (prompt,) = TASK.prompts(MESSAGE)
    assert [segment.trusted for message in prompt.messages for segment in message.segments] == [True, False]


def test_the_baseline_answers_as_the_most_similar_example_did() -> None:
    assert isinstance(TASK, ClassicalBaseline)
    first, *others = examples("train")
    assert TASK.fit_baseline([first, *others])(first.request) == first.response
