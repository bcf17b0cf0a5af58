"""The parts of the base model's bench: a bigram model, shortlists, a complete trial."""

from __future__ import annotations

import math

import pytest

from bench.shared.tuning import Trial, measure_trial
from bench.tasks.characters import bigram_nats
from bench.tasks.classifier import own_shortlists, shortlists
from bench.tasks.infilling import Filling, Gap, Infilling
from bench.tasks.labelling import Labelled, Labelling, Passage
from kit.base import find_base
from kit.data.rows import Row
from kit.recipe import TrainSection
from kit.task import Completion, Example

_TASK = Labelling(Labelling.Options(instruction="Is it a fruit?", labels=("no", "yes")))


def _example(number: int, text: str, label: str) -> Example[Passage, Labelled]:
    name = f"row-{number}"
    return Example[Passage, Labelled](id=name, request=Passage(text=text), response=Labelled(label=label), group=name)


def test_suggested_labels_follow_the_text_in_the_prompt() -> None:
    (prompt,) = _TASK.prompts(Passage(text="pear", likely=("yes", "no")))
    assert prompt.messages[-1].text == "pear\nLikely: yes, no"


def test_the_shortlist_of_a_training_text_does_not_use_its_own_label() -> None:
    pytest.importorskip("sklearn")
    words = {"fruit": ("pear", "plum", "fig", "lime"), "stone": ("flint", "slate", "chalk"), "tree": ("oak", "elm")}
    wrong = ["this fruit named apple"] * 5  # all of one group, and labelled as trees
    texts = [f"this {kind} named {word}" for kind, names in words.items() for word in names] + wrong
    labels = [kind for kind, names in words.items() for _ in names] + ["tree"] * len(wrong)
    groups = [text.split()[-1] for text in texts]
    assert shortlists(texts, labels, wrong[:1], 1) == [("tree",)]
    assert own_shortlists(texts, labels, groups, 1)[-1] == ("fruit",)


def test_bigrams_predict_seen_text_better_than_new_text() -> None:
    row = Row("row", "group", (0, 1, 2, 1, 2), 1)
    known, other = bigram_nats([row], [row], 4), bigram_nats([row], [Row("new", "group", (0, 3, 3), 1)], 4)
    assert known < math.log(4) < other + 1
    assert known < other


def test_a_filled_line_is_right_with_any_blanks() -> None:
    task = Infilling()
    filled = task.read(Gap(prefix="", suffix=""), [Completion("  x  = 1\n")])
    assert task.observe(Filling(middle="x = 1"), filled) == {"same": 1.0}
    assert task.observe(Filling(middle="x = 1"), task.read(Gap(prefix="", suffix=""), ())) == {"same": 0.0}


def test_a_trial_measures_base_few_shot_adapter_and_classical_baseline() -> None:
    pytest.importorskip("sklearn")
    words = ("apple", "pear", "plum", "grape"), ("stone", "iron", "glass", "sand")
    rows = [_example(2 * at + kind, words[kind][at], ("yes", "no")[kind]) for at in range(4) for kind in (0, 1)]
    section = TrainSection(learning_rate=5e-3, epochs=4, batch_rows=8, evaluations=1)
    figure = measure_trial(Trial(_TASK, rows, rows, section, minutes=0.05, shots=2, compared=6), find_base("nano"))
    assert (figure["metric"], figure["examples"], figure["compared"]) == ("accuracy", 8, 6)
    assert figure["baseline"] == 1.0
    assert all(0 <= float(figure[who]) <= 1 for who in ("base", "few_shot", "tuned"))
    assert int(figure["tokens"]) > 0
