"""Arguments that have no meaning are refused by every workflow, all at once, before anything is read or started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.errors import InputError
from kit.workflows import (
    ask,
    augment,
    check,
    plan_augment,
    plan_demo,
    plan_search,
    plan_serve,
    plan_train,
    serve,
    train,
)

FEW = "This must be 1 or more."
ENGINE = "This must be 'auto', 'vllm' or 'local'."
SERVING = "This must be 'auto', 'vllm', 'local' or 'upstream'."
CASES: list[tuple[Callable[..., object], dict[str, Any], dict[str, str]]] = [
    (check, {"peak_tflops": -1, "price_per_hour": float("nan")}, {}),
    (plan_train, {"profile": 3, "peak_tflops": "fast"}, {}),
    (train, {"threads": 0}, {"threads": FEW}),
    (ask, {"request": {}, "engine": "lokal", "threads": -3}, {"engine": ENGINE, "threads": FEW}),
    (plan_serve, {"engine": "gpu"}, {"engine": SERVING}),
    (serve, {"engine": "gpu", "threads": 2.5}, {"engine": SERVING}),
    (plan_search, {"trials": 0, "workers": 65}, {"trials": FEW}),
    (plan_augment, {"method": "magic", "limit": 0}, {"limit": FEW}),
    (augment, {"method": "rules", "copies": 0, "temperature": 3, "concurrency": 0}, {"copies": FEW}),
]


@pytest.mark.parametrize(("workflow", "given", "sentences"), CASES, ids=[case[0].__name__ for case in CASES])
def test_every_wrong_argument_is_named(
    tmp_path: Path, workflow: Callable[..., object], given: dict[str, Any], sentences: dict[str, str]
) -> None:
    with pytest.raises(InputError) as refused:
        workflow(tmp_path, **given)
    found = {problem.where: problem.what for problem in refused.value.problems}
    assert set(found) == {name for name in given if (name, given[name]) not in (("request", {}), ("method", "rules"))}
    assert found.items() >= sentences.items()


def test_the_engine_of_a_demo_is_one_that_exists() -> None:
    with pytest.raises(InputError, match=ENGINE):
        plan_demo(engine="gpu")  # type: ignore[arg-type]
