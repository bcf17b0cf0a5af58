"""Prompts, targets, metrics and the baseline."""

from __future__ import annotations

import re
from typing import Any

import pytest
from npc_parts import make_task, module, scene, written  # type: ignore[import-not-found]
from pydantic import ValidationError

from kit.errors import InputError
from kit.task import ClassicalBaseline, Completion, Example, Labelled, Task, answer_schema, write_answer

Examples = dict[str, list[Example[Any, Any]]]


def figure(task: Task[Any, Any], name: str, rows: list[Example[Any, Any]], answer: Any) -> float | None:
    """A metric over rows that are answered by a function."""
    return task.metrics[name].reduce([task.observe(row.response, answer(row)) for row in rows])


@pytest.mark.parametrize("answer", ["names", "numbers"])
def test_a_model_that_answers_as_it_is_taught_gets_every_row_right(examples: Examples, answer: str) -> None:
    task = make_task(answer=answer)
    for row in examples["train"] + examples["test"]:
        (target,) = task.targets(row.request, row.response)
        assert target is not None
        assert task.read(row.request, [Completion(write_answer(target))]) == row.response


def test_perfect_answers_get_the_best_value_of_every_metric(task: Task[Any, Any], examples: Examples) -> None:
    best = {name: figure(task, name, examples["test"], lambda row: row.response) for name in task.metrics}
    assert best.pop("distinct_2") > 0.2  # type: ignore[operator]
    assert best == {name: float(task.metrics[name].higher_is_better) for name in best}


def test_junk_scores_no_better_than_always_doing_nothing(task: Task[Any, Any], examples: Examples) -> None:
    rows = examples["test"]
    nothing = figure(task, "action_accuracy", rows, lambda row: task.read(row.request, [Completion(written())]))
    for junk in ("", "no", "{}", written("dance: alone"), '{"action":'):
        score = figure(task, "action_accuracy", rows, lambda row, junk=junk: task.read(row.request, [Completion(junk)]))
        assert score == 0 < nothing  # type: ignore[operator]


def test_the_model_can_write_only_the_actions_of_this_state(task: Task[Any, Any]) -> None:
    (prompt,) = task.prompts(task.request_type.model_validate(scene()))
    schema = answer_schema(prompt.answer)
    assert schema is not None
    assert list(schema["properties"]) == ["action", "refused", "line"]
    assert schema["properties"]["action"]["enum"] == ["none", "sell: lamp", "sell: rope", "flee"]


def test_actions_may_be_named_by_their_number() -> None:
    task = make_task(answer="numbers")
    request = task.request_type.model_validate(scene())
    (prompt,) = task.prompts(request)
    assert prompt.messages[1].text.endswith("Actions: none [0]; sell: lamp [1], rope [2]; flee [3]")
    assert task.read(request, [Completion(written("2"))]).action.target == "rope"
    assert task.read(request, [Completion(written("4"))]).faults == ("invalid_action",)


def test_a_row_that_breaks_the_rules_cannot_be_learned_from(task: Task[Any, Any]) -> None:
    request = task.request_type.model_validate(scene())
    wrong = {"action": {"name": "sel", "target": "lamp"}, "line": "Oslin  did it.", "fallback": True}
    with pytest.raises(InputError) as caught:
        task.targets(request, task.response_type.model_validate(wrong))
    text = str(caught.value)
    assert all(word in text for word in ("leak", "no fallback", "single spaces", "'sel' on 'lamp'", "sell"))


def test_the_sheet_can_be_left_out_and_the_bounds_still_hold() -> None:
    task = make_task(sheet=False)
    request = task.request_type.model_validate(scene())
    (prompt,) = task.prompts(request)
    assert prompt.messages[0].text == module("task").INSTRUCTION
    assert task.read(request, [Completion(written("none", "It was Oslin."))]).faults == ("leak",)


def test_only_the_last_turns_are_read() -> None:
    turns = [{"speaker": "npc" if n % 2 else "player", "text": f"turn {n}"} for n in range(6)]
    for count in (0, 2, 12):
        task = make_task(turns=count)
        (prompt,) = task.prompts(task.request_type.model_validate(scene(dialogue=turns)))
        assert re.findall(r"turn \d", prompt.messages[1].text) == [f"turn {n}" for n in range(6)][6 - min(count, 6) :]


@pytest.mark.parametrize(("option", "value"), [("turns", 13), ("answer_tokens", 1), ("answer", "letters")])
def test_an_option_out_of_range_is_named(option: str, value: Any) -> None:
    with pytest.raises((InputError, ValidationError), match=option):
        make_task(**{option: value})


def test_each_fault_counts_in_its_own_metric(task: Task[Any, Any]) -> None:
    kind = task.response_type
    good = kind.model_validate({"action": {"name": "none"}, "line": "No.", "refused": True})
    perfect = task.observe(good, good)
    fields = {
        "leak": "leak", "modern_word": "in_character", "breaks_character": "in_character",
        "speaks_for_player": "in_character", "invalid_action": "valid", "unreadable": "valid",
    }  # fmt: skip
    for fault, field in fields.items():
        record = task.observe(good, good.model_copy(update={"faults": (fault,)}))
        assert record[field] != perfect[field], fault
    acted = kind.model_validate({"action": {"name": "flee"}, "line": "No."})
    record = task.observe(good, acted)
    assert (record["over_acted"], record["right"], record["refusal_found"]) == (1.0, 0.0, 0.0)
    assert "over_acted" not in task.observe(acted, good)


def test_distinct_pairs_are_lower_for_lines_that_repeat(task: Task[Any, Any]) -> None:
    kind = task.response_type
    same = [kind.model_validate({"action": {"name": "none"}, "line": "one two three"}) for _ in range(4)]
    reduce = task.metrics["distinct_2"].reduce
    assert reduce([task.observe(each, each) for each in same]) == 0.25
    assert reduce([]) is None


def test_the_baseline_answers_within_the_state_and_beats_doing_nothing(
    task: Task[Any, Any], examples: Examples
) -> None:
    assert isinstance(task, ClassicalBaseline)
    predict = task.fit_baseline(examples["train"])
    for row in examples["test"]:
        action = predict(row.request).action
        targets = {each.name: each.targets or (None,) for each in row.request.state.valid_actions}
        assert action.target in {**targets, "none": (None,)}[action.name]
    nothing = figure(
        task, "action_accuracy", examples["test"], lambda row: task.read(row.request, [Completion(written())])
    )
    score = figure(task, "action_accuracy", examples["test"], lambda row: predict(row.request))
    assert score > nothing  # type: ignore[operator]


def test_labels_tell_the_three_kinds_of_turns(task: Task[Any, Any], examples: Examples) -> None:
    assert isinstance(task, Labelled)
    for rows in examples.values():
        assert {label for row in rows for label in task.labels(row.response)} == {"act", "none", "refuse"}
