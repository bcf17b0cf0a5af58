"""Checks of data before training: each has a fixture that makes it fail."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from kit.checks import Check, exit_code
from kit.data.checking.checks import check_data
from kit.data.checking.duplicates import NearDuplicates, similarity, sketch_of
from kit.errors import Exit
from tests.kit.toy import ToyExample, row

WORDS = [f"{a}{b}" for a in ("bar", "mon", "tel", "ris", "gav", "pol") for b in ("en", "ix", "ol", "una", "esk", "ard")]


def prose(seed: int, length: int = 300) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def example(name: str, number: int, **changes: object) -> ToyExample:
    whole = {"request": {"text": prose(len(name) * 10_000 + number)}, **changes}
    return ToyExample(**row(name, number, **whole))


def states(**parts: list[ToyExample]) -> dict[str, Check]:
    return {check.name: check for check in check_data(parts)}


@pytest.fixture
def train() -> list[ToyExample]:
    return [example("train", number) for number in range(500)]


@pytest.fixture
def test() -> list[ToyExample]:
    return [example("test", number) for number in range(20)]


def test_clean_parts_hold_everywhere(train: list[ToyExample], test: list[ToyExample]) -> None:
    assert {check.state for check in states(train=train, test=test).values()} == {"held"}


def test_few_examples_are_a_warning(train: list[ToyExample], test: list[ToyExample]) -> None:
    check = states(train=train[:499], test=test)["data.count"]
    assert (check.state, check.blocking) == ("failed", False)


def test_an_empty_part_fails(train: list[ToyExample]) -> None:
    check = states(train=train, validation=[])["data.validation"]
    assert (check.state, check.blocking) == ("failed", True)


def test_a_request_that_stands_twice_is_told_and_so_is_another_answer_to_it(
    train: list[ToyExample],
    test: list[ToyExample],
) -> None:
    text = train[0].request.model_dump()
    same = example("train", 900, request=text, response=train[0].response.model_dump())
    other = example("train", 901, request=text, response={"label": "another"})
    check = states(train=[*train, same, other], test=test)["data.repeated"]
    assert [problem.what for problem in check.problems] == [
        "Example 'train-900' has the same request as 'train-0'.",
        "Example 'train-901' has another response to the request of 'train-0'.",
    ]
    assert not check.blocking


def test_a_group_in_two_parts_fails(train: list[ToyExample], test: list[ToyExample]) -> None:
    found = states(train=train, test=[*test, example("late", 1, group="train-3")])
    assert (found["data.groups"].state, found["data.groups"].blocking) == ("failed", True)
    assert found["data.leaks"].state == "held"


def test_the_same_request_in_two_parts_fails_under_another_group(
    train: list[ToyExample],
    test: list[ToyExample],
) -> None:
    copy = example("late", 1, request=train[7].request.model_dump())
    found = states(train=train, test=[*test, copy])
    assert (found["data.leaks"].state, found["data.leaks"].blocking) == ("failed", True)
    assert found["data.groups"].state == "held"


def test_the_same_request_with_other_white_space_is_the_same_request(
    train: list[ToyExample],
    test: list[ToyExample],
) -> None:
    copy = example("late", 1, request={"text": train[7].request.text.replace(" ", "  ") + "\n"})
    found = check_data({"train": train, "test": [*test, copy]}, {"test": {"late-1": "test.jsonl:21"}})
    (check,) = (check for check in found if check.name == "data.leaks")
    shown = "test.jsonl:21: 'late-1' in test has the same request as 'train-7' in train."
    assert [str(problem) for problem in check.problems] == [shown]


def test_parts_that_use_the_same_ids_are_compared_by_their_texts(
    train: list[ToyExample],
    test: list[ToyExample],
) -> None:
    words = train[7].request.text.split()
    words[150] = "changed"
    late = example("late", 1, request={"text": " ".join(words)})
    own = [example("own", number, id=f"train-{number}") for number in range(20)]
    (problem,) = states(train=train, validation=own, test=[*test, late])["data.alike"].problems
    assert problem.what.endswith("equal to 'train-7' in train.")


def test_nearly_the_same_text_in_two_parts_is_a_warning(
    train: list[ToyExample],
    test: list[ToyExample],
) -> None:
    words = train[7].request.text.split()
    words[150] = "changed"
    found = states(train=train, test=[*test, example("late", 1, request={"text": " ".join(words)})])
    assert (found["data.alike"].state, found["data.alike"].blocking) == ("failed", False)
    assert "'late-1' in test is about" in found["data.alike"].problems[0].what
    assert found["data.leaks"].state == "held"


def test_a_blocking_failure_outweighs_what_was_not_measured_and_a_warning_changes_nothing() -> None:
    held, warned = Check("a", "held", ""), Check("b", "failed", "", blocking=False)
    unmeasured, failed = Check("c", "unmeasured", ""), Check("d", "failed", "")
    assert exit_code([held, warned]) == Exit.OK
    assert exit_code([held, warned, unmeasured]) == Exit.UNMEASURED
    assert exit_code([held, unmeasured, failed]) == Exit.INPUT


def jaccard(left: str, right: str) -> float:
    runs = [{tuple(text.split()[at : at + 5]) for at in range(len(text.split()) - 4)} for text in (left, right)]
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


@pytest.mark.parametrize("changed", [0, 5, 20, 60, 200])
def test_the_estimate_is_near_the_exact_share_of_common_runs(changed: int) -> None:
    gaps = []
    for seed in range(20):
        left = prose(seed, 400)
        words = left.split()
        for at in random.Random(-seed).sample(range(400), changed):
            words[at] = f"other{at}"
        right = " ".join(words)
        gaps.append(similarity(sketch_of(left), sketch_of(right)) - jaccard(left, right))
    assert max(map(abs, gaps)) < 0.16
    assert abs(sum(gaps) / len(gaps)) < 0.03


def test_texts_of_a_few_words_are_compared_too() -> None:
    index = NearDuplicates()
    index.add("greeting", "Good day")
    index.add("empty", "")
    assert index.match("good day!") is not None
    assert index.match("Good night") is None
    assert index.match("...").name == "empty"  # type: ignore[union-attr]


def test_the_sketch_is_the_same_in_every_process(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = (
        "from kit.data.checking.duplicates import sketch_of; print(sketch_of('one two three four five six seven'))"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert shown == {f"{sketch_of('one two three four five six seven')}\n"}
