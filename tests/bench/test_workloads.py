"""The workloads of the training bench share prefixes as their names say; its peer makes the same steps."""

from __future__ import annotations

from functools import cache

import pytest

from bench.shared.trainers import Run, divisor
from bench.shared.workloads import WORKLOADS, Workload
from kit.base import find_base
from kit.train.plan.plan import make_plan
from kit.train.plan.sharing import sharing


@cache
def workload(name: str) -> Workload:
    """Return a workload; its tokenisation takes seconds, so the tests share it."""
    return WORKLOADS[name]()


def shared(name: str) -> float:
    """Return the share of the rows' tokens that a plan does not compute."""
    work, base = workload(name), find_base("nano")
    plan = make_plan(work.rows, work.section, sharing=sharing(base, work.section, work.rows))
    return plan.saved / plan.tokens


def test_the_rows_of_a_workload_share_the_expected_part() -> None:
    assert shared("shared_context") > 0.85
    assert 0.6 < shared("shared_prompt") < 0.9
    assert shared("nothing_shared") < 0.05


@pytest.mark.parametrize("name", WORKLOADS)
def test_held_out_rows_are_of_other_documents_than_training_rows(name: str) -> None:
    work = workload(name)
    assert work.held_out
    assert not {row.group for row in work.rows} & {row.group for row in work.held_out}


def test_a_run_selects_its_rows_and_settings() -> None:
    work = Run("ours", "nothing_shared", rows=5, settings={"epochs": 3}).selected()
    assert (len(work.rows), work.section.epochs) == (5, 3)


@pytest.mark.parametrize(("whole", "most", "part"), [(20, 3, 2), (20, 20, 20), (16, 5, 4), (7, 6, 1)])
def test_micro_batches_of_the_peer_divide_a_step(whole: int, most: int, part: int) -> None:
    assert divisor(whole, most) == part
