"""The audit log: what is in it, and that a change of it is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kit.errors import KitError
from serving.ledger import audit
from tests.kit.cli.conftest import run_kit
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import eventually
from tests.serving.ledger.full_disk import largest_file
from tests.serving.moving import Moving

Change = Callable[[list[str]], list[str]]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    for number in range(5):
        audit.record(tmp_path, "promote", alias="production", bundle=str(number) * 64)
    return tmp_path


def test_a_whole_log_holds_and_names_its_last_hash(log: Path, tmp_path: Path) -> None:
    done = run_kit("audit", "verify", "--state", log, cwd=tmp_path)
    last = json.loads((log / audit.FILE).read_text().splitlines()[-1])["hash"]
    assert (done.code, done.out) == (0, f"All 5 entries hold. Last hash: {last}\n")
    again = run_kit("audit", "verify", "--state", log, "--last", last, "--json", cwd=tmp_path)
    assert json.loads(again.out) == {"entries": 5, "last": last, "faults": []}
    shown = run_kit("audit", "show", "--state", log, cwd=tmp_path)
    assert shown.out.count("promote") == 5


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda lines: [each.replace("3333", "4444") for each in lines], "Line 4 was changed"),
        (lambda lines: [*lines[:1], *lines[2:]], "Line 2 does not follow"),
        (lambda lines: lines[1:], "Line 1 does not follow"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "Line 1 does not follow"),
        (lambda lines: [*lines, lines[-1]], "Line 6 does not follow"),
        (lambda lines: [*lines[:2], "{}", *lines[2:]], "Line 3 does not follow"),
        (lambda lines: [*lines[:2], "no JSON", *lines[3:]], "Line 3 is no entry"),
    ],
)
def test_a_change_of_any_kind_is_found(log: Path, tmp_path: Path, change: Change, found: str) -> None:
    file = log / audit.FILE
    file.write_text("".join(f"{line}\n" for line in change(file.read_text().splitlines())))
    done = run_kit("audit", "verify", "--state", log, cwd=tmp_path)
    assert done.code == 4
    assert found in done.out


def test_an_end_that_was_cut_off_is_found_by_the_hash_that_was_kept(log: Path) -> None:
    last = audit.verify(log).last
    file = log / audit.FILE
    file.write_text("".join(f"{line}\n" for line in file.read_text().splitlines()[:3]))
    assert audit.verify(log).faults == ()
    assert "its end was cut off" in audit.verify(log, last).faults[0]


def test_half_a_line_of_a_crash_is_dropped_by_the_next_entry(log: Path) -> None:
    with (log / audit.FILE).open("a") as file:
        file.write('{"sequence": 6, "at')
    audit.record(log, "rollback", alias="production")
    assert audit.verify(log) == audit.Verified(6, audit.verify(log).last, ())


def test_entries_of_many_writers_make_one_chain(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: audit.record(tmp_path, "key made", key=number), range(60)))
    found = audit.verify(tmp_path)
    assert (found.entries, found.faults) == (60, ())


def test_a_full_disk_leaves_the_log_as_it_was_and_says_so(log: Path) -> None:
    before = (log / audit.FILE).read_bytes()
    with largest_file(len(before) + 40), pytest.raises(KitError, match="What cannot be recorded is not done"):
        audit.record(log, "promote", alias="production")
    assert (log / audit.FILE).read_bytes() == before
    audit.record(log, "promote", alias="production")
    assert audit.verify(log).faults == ()


def test_a_service_records_its_start_its_end_and_its_refusal(serve: Serve, tmp_path: Path) -> None:
    def events() -> list[Any]:
        return [entry["event"] for entry in audit.entries(tmp_path)]

    serve(state=tmp_path)
    assert events() == ["start"]
    engine = ControlledEngine()
    engine.answers_as_base = True
    serve(engine, ready=False, state=tmp_path)
    eventually(lambda: events() == ["start", "start", "refused"], "the refusal is recorded")
    assert "as the base model does" in audit.entries(tmp_path)[-1]["reason"]


def test_a_move_of_an_alias_is_recorded_before_it_is_made(moving: Moving) -> None:
    moving.move(moving.second)
    followed = [each for each in audit.entries(moving.state) if each["event"] == "alias followed"]
    assert [each["bundle"] for each in followed] == [moving.first.digest, moving.second.digest]


def test_an_alias_does_not_move_while_the_move_cannot_be_recorded(moving: Moving) -> None:
    size = (moving.state / audit.FILE).stat().st_size
    with largest_file(size):
        moving.store.alias("production", moving.second.digest)
        eventually(lambda: moving.problems() != {}, "the service says why it did not follow")
        assert "The audit log cannot be written" in moving.problems()["production"]
        assert moving.aliases()["production"] == moving.first.digest
