"""Emergencies are found before the model: the measured recall and false alarms of red_flags.toml."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from medical_parts import PROJECT, answered, module, request  # type: ignore[import-not-found]

from kit.task import Shortcut, Task

FLAGS = module("red_flags").red_flags()
PHRASINGS = tomllib.loads((PROJECT / "tests/red_flag_phrasings.toml").read_text(encoding="utf-8"))
LEAST_RECALL, MOST_FALSE_ALARMS = 0.85, 0.1


def found(part: str, kind: str) -> int:
    """How many phrasings of one list a rule matches."""
    return sum(FLAGS.find(question) is not None for question in PHRASINGS[part][kind])


def test_there_are_enough_phrasings_and_none_is_in_two_parts() -> None:
    assert min(len(PHRASINGS["held_out"][kind]) for kind in ("emergencies", "harmless")) >= 60
    both = [set(part["emergencies"]) | set(part["harmless"]) for part in PHRASINGS.values()]
    assert len(set().union(*both)) == sum(map(len, both))


def test_recall_and_false_alarms_on_phrasings_that_the_rules_were_not_tuned_on() -> None:
    emergencies, harmless = PHRASINGS["held_out"]["emergencies"], PHRASINGS["held_out"]["harmless"]
    assert found("held_out", "emergencies") >= LEAST_RECALL * len(emergencies)
    assert found("held_out", "harmless") <= MOST_FALSE_ALARMS * len(harmless)


def test_the_page_says_what_was_measured() -> None:
    page = (PROJECT / "README.md").read_text(encoding="utf-8")
    ((hits, emergencies, alarms, harmless),) = re.findall(
        r"find (\d+) of (\d+) held-out emergencies\s+and are set off by (\d+) of (\d+) harmless", page
    )
    assert (int(hits), int(emergencies)) == (
        found("held_out", "emergencies"),
        len(PHRASINGS["held_out"]["emergencies"]),
    )
    assert (int(alarms), int(harmless)) == (found("held_out", "harmless"), len(PHRASINGS["held_out"]["harmless"]))


@pytest.mark.parametrize("part", ["tuned", "seen", "seen_later"])
def test_every_phrasing_that_the_rules_were_tuned_on_is_right(part: str) -> None:
    assert [each for each in PHRASINGS[part]["emergencies"] if FLAGS.find(each) is None] == []
    assert [each for each in PHRASINGS[part]["harmless"] if FLAGS.find(each) is not None] == []


def test_every_rule_finds_something() -> None:
    both = [each for part in PHRASINGS.values() for each in part["emergencies"]]
    assert {FLAGS.find(each).rule for each in both if FLAGS.find(each)} == {rule.id for rule in FLAGS.rules}


def test_an_emergency_gets_the_fixed_text_and_the_version_whatever_the_model_wrote(task: Task[Any, Any]) -> None:
    assert isinstance(task, Shortcut)
    asked = request(task, question="I took the whole bottle of tarsolin. Is that bad?")
    response = task.shortcut(asked)
    assert response is not None
    assert (response.status, response.emergency.rule, response.emergency.version) == (
        "emergency", "overdose", FLAGS.version,
    )  # fmt: skip
    assert "poison" in response.answer
    assert answered(task, "no", "No, it is fine.", [1], question=asked.question) == response


@pytest.mark.parametrize(
    "question", ["i CAN\u2019T   breathe", "I cant breathe", "I can't\nbreathe.\n\nI can't breathe!"]
)
def test_case_quotes_and_blanks_make_no_difference(question: str) -> None:
    assert FLAGS.find(question).rule == "breathing"


def test_only_the_question_is_scanned(task: Task[Any, Any]) -> None:
    asked = request(task, evidence=[{"id": "x", "text": "My chest is crushing and I can't breathe."}])
    assert isinstance(task, Shortcut)
    assert task.shortcut(asked) is None
