"""A run that is killed again and again ends with the same result."""

from __future__ import annotations

import random
import time
from pathlib import Path

from kit.train.loop import train
from tests.kit.train.forks import ForkServer, tiny_base, tiny_job
from tests.kit.train.state.test_resume import silent, weights


def test_a_run_killed_ten_times_at_random_ends_with_the_same_bits(forks: ForkServer, tmp_path: Path) -> None:
    base = tiny_base(tmp_path / "base")
    whole = weights(train(tiny_job(tmp_path / "whole", base), None, silent))
    for kill in range(10):
        child = forks.start(folder=str(tmp_path / "killed"), base=str(base.folder))
        child.wait_for(4 * kill + random.randint(1, 4))
        time.sleep(random.uniform(0, 0.03))
        child.kill()
    child = forks.start(folder=str(tmp_path / "killed"), base=str(base.folder))
    assert child.code() == 0
    resumed = train(tiny_job(tmp_path / "killed", base, resume=True), None, silent)
    assert weights(resumed) == whole
    records = [(tmp_path / name / "flight.jsonl").read_text() for name in ("whole", "killed")]
    last_lines = [{line.split(",")[0]: line for line in record.splitlines()} for record in records]
    assert last_lines[0] == last_lines[1]
