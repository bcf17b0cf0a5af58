"""What the task does with a model's answer, and what the data holds. Run: pytest tests"""

from __future__ import annotations

import json
from pathlib import Path

from kit.data.formats import read_file
from kit.recipe import load_recipe
from kit.task import Completion, write_answer
from kit.task.loader import load_tasks

PROJECT = Path(__file__).parents[1]
(TASK,) = load_tasks(PROJECT, load_recipe(PROJECT / "recipe.yaml"))
ROWS = [row for part in ("train", "test") for row in read_file(PROJECT / f"data/{part}.jsonl", TASK).examples]


def read(text: str, *quotes: tuple[str, str]) -> list[tuple[str, int, int]]:
    """Label, start and end of what the task makes of a model's quotes."""
    written = json.dumps({"found": [{"label": label, "words": words} for label, words in quotes]})
    response = TASK.read(TASK.request_type(text=text), [Completion(written)])
    return [(span.label, span.start, span.end) for span in response.spans]


def test_a_model_that_answers_as_it_is_taught_gets_every_row_right() -> None:
    """So every span of the data is where its offsets say."""
    for row in ROWS:
        answers = [Completion(write_answer(each)) for each in TASK.targets(row.request, row.response) if each]
        assert TASK.read(row.request, answers) == row.response


def test_quotes_are_found_in_the_letter_or_left_out() -> None:
    assert read("Pay £5.", ("amount", "£5"), ("amount", "£6")) == [("amount", 4, 6)]
    assert read("Pay £5, then £5.", ("amount", "£5"), ("amount", "£5")) == [("amount", 4, 6), ("amount", 13, 15)]
