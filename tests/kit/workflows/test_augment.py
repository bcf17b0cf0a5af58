"""`augment` as a function: what it returns and reports. What the command prints is tested with the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.errors import InputError
from kit.workflows import Counted, Note, augment, plan_augment
from tests.kit.toy import lines, make_toy, row


def test_it_returns_the_new_examples_reports_progress_and_overwrites_nothing_unasked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    toy = make_toy(tmp_path / "toy")
    rows = [row("train", number, request={"text": f"visit {number}: it is not open now"}) for number in range(10)]
    (toy / "data" / "train.jsonl").write_text(lines(rows))
    plan = plan_augment(toy, method="rules", limit=4)
    assert not plan.target.exists()
    events: list[object] = []
    done = augment(toy, method="rules", limit=4, report=events.append)
    assert done.plan == plan
    assert len(plan.examples) == 4
    assert {each.group for each in done.new} <= {each.group for each in plan.examples}
    assert isinstance(events[0], Note)
    assert events[-1] == Counted("Rewording", 4, 4)
    assert len(plan.target.read_text().splitlines()) == done.kept + len(done.new)
    with pytest.raises(InputError, match="is not overwritten"):
        augment(toy, method="rules")
    with pytest.raises(InputError, match="An endpoint is missing"):
        augment(toy, method="paraphrase", replace=True)
    assert capfd.readouterr() == ("", "")
