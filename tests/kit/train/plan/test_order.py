"""Grouped order: the rows of a step come from few groups, and every row is trained once."""

from __future__ import annotations

from collections import Counter

from kit.data.rows import Row
from kit.train.plan.plan import StepPlan, make_plan
from tests.kit.train.forests import contract_rows
from tests.kit.train.parts import section


def grouped(rows: list[Row], **settings: object) -> StepPlan:
    return make_plan(rows, section(order="grouped", group_rows=4, batch_rows=8, **settings))


def groups(plan: StepPlan) -> list[Counter[str]]:
    """How many rows of each group every step takes."""
    return [Counter(plan.rows[index].group for index in step.rows) for step in plan.steps]


def test_grouped_steps_take_several_rows_of_few_groups() -> None:
    rows = contract_rows(8, 12)
    found = groups(grouped(rows))
    assert all(most <= 4 for step in found for most in step.values())
    assert max(map(len, found)) <= 4
    exact = groups(make_plan(rows, section(batch_rows=8)))
    assert sum(map(len, found)) < 0.6 * sum(map(len, exact))


def test_grouped_epochs_train_every_row_once_and_differ() -> None:
    plan = grouped(contract_rows(4, 8), epochs=2)
    first, second = ([row for step in steps for row in step.rows] for steps in (plan.steps[:4], plan.steps[4:]))
    assert sorted(first) == sorted(second) == list(range(32))
    assert [set(step.rows) for step in plan.steps[:4]] != [set(step.rows) for step in plan.steps[4:]]


def test_an_epoch_that_ends_within_a_step_leaves_the_next_its_room() -> None:
    found = groups(grouped(contract_rows(5, 4), epochs=2))
    assert [sum(step.values()) for step in found] == [8, 8, 8, 8, 8]


def test_one_group_alone_fills_the_steps_that_are_left() -> None:
    found = groups(grouped([*contract_rows(1, 24), *contract_rows(3, 2)[2:]]))
    assert [sum(step.values()) for step in found] == [8, 8, 8, 4]


def test_grouped_order_is_a_function_of_the_seed() -> None:
    rows = contract_rows(6, 6)
    assert grouped(rows).digest == grouped(rows).digest != grouped(rows, seed=1).digest
