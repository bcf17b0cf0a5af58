"""The largest micro-batch is tried before a run begins; where it does not fit, the size that fits is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kit.base import Base
from tests.kit.train.forks import Nursery, tiny_base

MIB = 1024**2


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return tiny_base(tmp_path_factory.mktemp("base"))


def test_what_a_batch_takes_is_predicted_within_a_factor_of_two(forks: Nursery, base: Base, tmp_path: Path) -> None:
    run = forks.start(folder=str(tmp_path / "run"), base=str(base.folder), limit=8192 * MIB)
    probed = run.says("probed")
    assert run.code() == 0
    assert probed["tokens"] == 65536
    assert probed["predicted"] / 2 < probed["added"] < probed["predicted"] * 2


def test_a_batch_that_does_not_fit_is_told_with_the_size_that_does(forks: Nursery, base: Base, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = forks.start(folder=str(folder), base=str(base.folder), limit=160 * MIB)
    told = run.says("told")
    assert run.code() == 1
    assert "A micro-batch of 65536 tokens does not fit the memory." in told
    fits = re.search(r"train\.batch_tokens: (\d+) fits", told)
    assert fits
    assert 256 <= int(fits[1]) < 65536
    assert not (folder / "metrics.jsonl").exists()
