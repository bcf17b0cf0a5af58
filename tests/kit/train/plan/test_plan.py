"""The plan of a run: its steps, micro-batches and evaluations, and the rows that it refuses."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from kit.data.rows import Row
from kit.errors import InputError
from kit.train.job import RunBroke
from kit.train.plan.packing import MICRO_BATCH_COST, make_micro_batches
from kit.train.plan.plan import make_plan
from tests.kit.train.parts import copy_rows, section

ROOT = Path(__file__).parents[4]


def test_every_epoch_trains_every_row_once_in_an_order_of_its_own() -> None:
    plan = make_plan(copy_rows(10), section(epochs=2, batch_rows=5))
    first, second = ([row for step in steps for row in step.rows] for steps in (plan.steps[:2], plan.steps[2:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert [set(step.rows) for step in plan.steps[:2]] != [set(step.rows) for step in plan.steps[2:]]


def test_the_plan_is_a_function_of_rows_and_settings_alone() -> None:
    plan = make_plan(copy_rows(10), section())
    assert plan.digest == make_plan(copy_rows(10), section()).digest
    assert plan.digest != make_plan(copy_rows(10), section(seed=1)).digest
    assert plan.digest != make_plan(copy_rows(10, weight=2.0), section()).digest
    assert plan.digest != make_plan(copy_rows(10, seed=5), section()).digest
    assert plan.digest != plan.first(2).digest


def test_steps_take_batch_rows_each_and_only_the_last_takes_fewer() -> None:
    plan = make_plan(copy_rows(7), section(epochs=1.5, batch_rows=4))
    assert [len(step.rows) for step in plan.steps] == [4, 4, 2]


def test_no_micro_batch_is_over_the_budget_with_its_padding() -> None:
    rows = copy_rows(64, shortest=5, longest=60)
    plan = make_plan(rows, section(batch_rows=32, batch_tokens=128))
    for step in plan.steps:
        assert all(len(micro) * max(len(rows[index].ids) for index in micro) <= 128 for micro in step.micros)
    assert plan.computed >= plan.tokens == sum(len(row.ids) for row in rows)


def test_the_split_into_micro_batches_costs_the_least_of_all() -> None:
    lengths = [200, 190, 120, 60, 58, 10]

    def cost(micros: list[list[int]]) -> float:
        sizes = [len(micro) * max(micro) for micro in micros]
        return math.inf if max(sizes) > 400 else sum(sizes) + len(micros) * MICRO_BATCH_COST

    splits = [
        [lengths[start:end] for start, end in zip((0, *cuts), (*cuts, 6), strict=True)]
        for count in range(6)
        for cuts in combinations(range(1, 6), count)
    ]
    found = make_micro_batches(range(6), lengths, 400)
    assert cost([[lengths[index] for index in micro] for micro in found]) == min(map(cost, splits))


def test_evaluations_are_spread_evenly_and_the_last_is_the_end() -> None:
    plan = make_plan(copy_rows(40), section(evaluations=4))
    assert plan.evaluations == (3, 5, 8, 10)
    assert plan.first(3).evaluations == (1, 2, 3)


def test_rows_of_weight_zero_are_left_out() -> None:
    plan = make_plan([*copy_rows(4), *copy_rows(3, seed=9, weight=0.0)], section())
    assert [row.example for row in plan.rows] == [f"row-0-{number}" for number in range(4)]


def test_the_summary_counts_what_will_be_done() -> None:
    rows = copy_rows(8)
    summary = make_plan(rows, section(epochs=2)).summary()
    assert (summary["rows"], summary["steps"], summary["evaluations"]) == (8, 4, 2)
    assert summary["tokens"] == 2 * sum(len(row.ids) for row in rows)
    assert summary["supervised_tokens"] == 2 * 8 * 4


def test_all_rows_that_cannot_be_trained_are_refused_by_name_at_once() -> None:
    bad = [
        Row("masked", "g", (5, 6, 7), 3),
        Row("unpredictable", "g", (5, 6, 7), 0),
        Row("heavy", "g", (5, 6, 7), 1, math.inf),
        Row("long", "g", tuple(range(100)), 50),
    ]
    with pytest.raises(RunBroke) as error:
        make_plan([*copy_rows(4), *bad], section(batch_tokens=64))
    assert len(error.value.problems) == 4
    for row, problem in zip(bad, error.value.problems, strict=True):
        assert f"'{row.example}'" in problem.what


def test_a_row_that_is_larger_than_a_micro_batch_is_an_error_of_the_recipe() -> None:
    with pytest.raises(InputError, match=r"makes a row of 100 tokens; a micro-batch may hold 64.*train\.batch_tokens"):
        make_plan([*copy_rows(4), Row("long", "g", tuple(range(100)), 50)], section(batch_tokens=64))


def test_a_run_without_rows_is_refused() -> None:
    with pytest.raises(RunBroke, match="no row to train on"):
        make_plan(copy_rows(3, weight=0.0), section())


def test_planning_and_listing_runs_load_nothing_heavy() -> None:
    wanted = "import sys, kit.project.runs, kit.train.events, kit.train.job, kit.train.plan.plan"
    code = f"{wanted}; print({{'torch', 'transformers', 'peft', 'numpy'}} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


@pytest.mark.parametrize("value", ["auto", "off"])
def test_recipes_that_leave_compiling_off_still_plan(value: str) -> None:
    assert make_plan(copy_rows(4), section(compile=value)).steps


def test_a_recipe_that_asks_for_compiled_layers_is_refused() -> None:
    with pytest.raises(InputError, match=r"no longer compiles layers.*Remove the setting"):
        make_plan(copy_rows(4), section(compile="on"))
