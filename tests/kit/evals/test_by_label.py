"""Each label has a score and its confusions; untested labels are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kit.evals.by_label import MISSED, NOT_THERE, confusion, label_scores
from kit.evals.run import Row
from tests.kit.evals.words import LongWords, Words, asked, examples, right


def row(expected: str, labels: str, record: Mapping[str, float] | None = None) -> Row:
    return Row(
        "row", "group", record if record is not None else {}, {}, expected=tuple(expected.split()),
        labels=tuple(labels.split()),
    )  # fmt: skip


class Colours(LongWords):
    """Long words are labels."""

    def labels(self, response: Words) -> Sequence[str]:
        return response.words


def test_labels_are_scored_with_the_worst_first() -> None:
    scores = label_scores([row("red", "red"), row("red", "blue"), row("blue", "blue"), row("green", "")])
    assert [(score.label, score.expected, score.hits, score.alarms) for score in scores] == [
        ("green", 1, 0, 0),
        ("red", 2, 1, 0),
        ("blue", 1, 1, 1),
    ]
    assert scores[1].f1 == 2 / 3


def test_a_tasks_own_counts_by_label_are_used() -> None:
    counted = {"tp": 0.0, "tp:red": 0.0, "fp:red": 1.0, "fn:red": 1.0}
    (score,) = label_scores([row("red", "red", counted)])
    assert (score.label, score.expected, score.hits, score.alarms, score.f1) == ("red", 1, 0, 1, 0.0)


def test_labels_are_confused_only_if_there_is_one_of_each() -> None:
    table = confusion([row("red", "blue"), row("red", "red"), row("red green", "green blue"), row("", "blue")])
    assert table == {
        "red": {"blue": 1, "red": 1, MISSED: 1},
        "green": {"green": 1},
        NOT_THERE: {"blue": 2},
    }


def test_every_row_of_an_evaluation_holds_its_answer_and_its_labels() -> None:
    first, *_ = asked(right, examples(2), Colours()).rows
    assert (first.response, first.expected, first.labels) == ({"words": ["lantern0"]}, ("lantern0",), ("lantern0",))
