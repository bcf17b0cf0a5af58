"""A lock has one exclusive holder or several shared ones, on a file and on a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.system.locks import is_locked, try_lock, wait_for_lock


@pytest.fixture(params=["file", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path if request.param == "folder" else tmp_path / ".lock"


def test_an_exclusive_lock_has_one_holder_until_it_is_released(place: Path) -> None:
    assert not is_locked(place)
    with wait_for_lock(place):
        assert is_locked(place)
        assert try_lock(place) is None
        assert try_lock(place, shared=True) is None
    assert not is_locked(place)
    again = try_lock(place)
    assert again is not None
    again.release()


def test_a_shared_lock_has_several_holders_and_keeps_an_exclusive_one_away(place: Path) -> None:
    with wait_for_lock(place, shared=True):
        second = try_lock(place, shared=True)
        assert second is not None
        second.release()
        assert not is_locked(place)
        assert try_lock(place) is None


def test_looking_at_a_lock_creates_no_file(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / ".lock")
    assert list(tmp_path.iterdir()) == []
