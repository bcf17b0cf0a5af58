"""Hashes of large files are remembered while the files do not change, and only then."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kit.system.files import file_digest
from kit.system.hashes import RememberedHashes

LARGE = 3 << 20


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"x" * LARGE)
    _age(path)
    return path


def _age(path: Path) -> None:
    """Set the time of change to an hour ago: a file that changed just now is not trusted."""
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))


def started(tmp_path: Path, reread: bool = False) -> RememberedHashes:
    return RememberedHashes(tmp_path / "cache" / "hashes.json", reread)


def test_each_byte_of_a_large_file_is_read_once_in_a_start(tmp_path: Path, large: Path) -> None:
    hashes = started(tmp_path)
    assert hashes(large) == hashes(large) == file_digest(large)
    assert (hashes.bytes_read, hashes.reused, hashes.oldest) == (LARGE, 0, None)


def test_a_second_start_reads_nothing_and_knows_since_when(tmp_path: Path, large: Path) -> None:
    first = started(tmp_path)
    first(large)
    first.save()
    second = started(tmp_path)
    assert second(large) == second(large) == file_digest(large)
    assert (second.bytes_read, second.reused) == (0, 1)
    assert second.oldest == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize("change", ["time", "size", "place"])
def test_a_changed_byte_is_found(tmp_path: Path, large: Path, change: str) -> None:
    first = started(tmp_path)
    first(large)
    first.save()
    before = large.stat()
    if change == "place":
        other = large.with_name("other")
        other.write_bytes(b"y" + b"x" * (LARGE - 1))
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(large)
    else:
        large.write_bytes(b"y" + b"x" * (LARGE - 1 + (change == "size")))
        _age(large)
    for hashes in (first, started(tmp_path)):
        assert hashes(large) == file_digest(large)


def test_reading_again_finds_what_no_time_shows(tmp_path: Path, large: Path) -> None:
    first = started(tmp_path)
    first(large)
    first.save()
    before = large.stat()
    with large.open("r+b") as stream:
        stream.write(b"y")
    os.utime(large, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert started(tmp_path, reread=True)(large) == file_digest(large)


def test_small_and_fresh_files_are_always_read(tmp_path: Path) -> None:
    small, fresh = tmp_path / "task.py", tmp_path / "fresh"
    small.write_text("x")
    _age(small)
    fresh.write_bytes(b"x" * LARGE)
    first = started(tmp_path)
    first(small), first(fresh)
    first.save()
    second = started(tmp_path)
    second(small), second(fresh)
    assert second.bytes_read == 1 + LARGE


@pytest.mark.parametrize("damage", ["not json", "[]", '{"a": 1}'])
def test_a_damaged_file_of_hashes_is_no_error(tmp_path: Path, large: Path, damage: str) -> None:
    first = started(tmp_path)
    first.file.parent.mkdir()
    first.file.write_text(damage)
    second = started(tmp_path)
    assert second(large) == file_digest(large)
    second.save()
    assert started(tmp_path)(large) == file_digest(large)


def test_a_file_that_others_can_write_is_not_trusted(tmp_path: Path, large: Path) -> None:
    first = started(tmp_path)
    first(large)
    first.save()
    first.file.chmod(0o666)
    second = started(tmp_path)
    second(large)
    assert second.bytes_read == LARGE
