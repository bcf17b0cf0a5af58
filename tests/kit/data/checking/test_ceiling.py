"""The ceiling: a perfect model's score through the task's own targets and read, and the examples that stay below."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.data.checking import ceiling
from kit.data.checking.ceiling import Ceiling, ceiling_of, ceilings, check_ceiling
from kit.project.project import Data, Project
from tests.kit.toy import TASK, make_toy

READ = "return Verdict(label=completions[0].text)"
ALWAYS_PRAISE = (READ, "return Verdict(label='praise')")
TARGETS = "return [response.label]"
FEWER = ('mean_of("right")', 'mean_of("right", False)')


def data_of(folder: Path, *changes: tuple[str, str]) -> Data:
    root = make_toy(folder / "toy")
    text = TASK
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (root / "task.py").write_text(text)
    project = Project(root)
    return project.data(project.recipe())


def of_test(data: Data) -> Ceiling:
    return ceiling_of(data.task, data.examples("test"), data.places("test"))


def test_a_task_that_reads_what_it_writes_reaches_the_best_score(tmp_path: Path) -> None:
    found = of_test(data_of(tmp_path))
    assert (found.value, found.below, found.unscored, found.examples) == (1.0, (), 0, 20)


def test_examples_that_no_answer_can_get_right_are_named_with_file_and_line(tmp_path: Path) -> None:
    data = data_of(tmp_path, ALWAYS_PRAISE)
    found = of_test(data)
    assert found.value == 0.5
    assert [problem.where for problem in found.below[:2]] == [f"{data.root}/data/test.jsonl:{line}" for line in (1, 3)]
    assert found.below[0].what == "Example 'test-0': a perfect answer scores accuracy 0.000, and the best is 1.000."


def test_the_best_is_what_a_response_scores_against_itself_and_less_can_be_better(tmp_path: Path) -> None:
    mistakes = ("float(expected == actual)", "2.0 + (expected != actual)")
    sound = of_test(data_of(tmp_path / "sound", FEWER, mistakes))
    assert (sound.value, sound.below) == (2.0, ())
    worse = of_test(data_of(tmp_path / "worse", FEWER, mistakes, ALWAYS_PRAISE))
    assert (worse.value, len(worse.below)) == (2.5, 10)


def test_a_target_that_the_task_cannot_read_is_named_with_the_reason(tmp_path: Path) -> None:
    (first, *_) = of_test(data_of(tmp_path, (TARGETS, "return [response.label.upper()]"))).below
    assert first.what.startswith("Example 'test-0': its own target cannot be read: 1 validation error for Verdict")


def test_a_prompt_without_a_target_is_answered_with_nothing_where_its_type_has_a_nothing(tmp_path: Path) -> None:
    one = 'Prompt(Choices(LABELS), self.options.budget, (Message.of("user", request.text),))'
    two = (
        ("class Toy(", "class Note(Strict):\n    word: str = ''\n\n\nclass Toy("),
        (f"[{one}]", f'[{one}, Prompt(Note, 8, (Message.of("user", "?"),))]'),
        (TARGETS, "return [response.label, None]"),
        (READ, "assert completions[1].text == '{}'; " + READ),
    )
    assert of_test(data_of(tmp_path / "two", *two)).value == 1.0
    data = data_of(tmp_path / "none", (TARGETS, "return [None]"))
    found = of_test(data)
    assert (found.value, found.unscored) == (None, 20)
    assert check_ceiling(data.task, {"test": found}).state == "unmeasured"


def test_a_shortfall_warns_and_stops_nothing(tmp_path: Path) -> None:
    data = data_of(tmp_path, ALWAYS_PRAISE)
    check = check_ceiling(data.task, {"test": of_test(data)})
    assert (check.state, check.blocking) == ("failed", False)
    assert check.what.startswith(
        "Perfect answers score accuracy 0.500 on test. 10 examples cannot reach the best score"
    )


def test_of_many_long_training_examples_some_are_read_and_it_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_of(tmp_path)
    monkeypatch.setattr(ceiling, "_TRAIN_CHARACTERS", 500)
    train = data.examples("train")
    found = ceilings(data.task, {"train": train, "test": data.examples("test")}, {})
    assert found["train"].examples < 10
    assert found["train"].examples + found["train"].left_out == len(train)
    assert found["test"].left_out == 0
    said = check_ceiling(data.task, found).what
    assert f"1.000 on {found['train'].examples} of {len(train)} train examples, 1.000 on test." in said
