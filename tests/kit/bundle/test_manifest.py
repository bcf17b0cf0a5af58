"""The manifest: its entries, its digest, and every way in which files can differ from it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from kit.bundle.manifest import MANIFEST_FILE, file_problems, read_manifest, write_manifest
from kit.errors import Refused


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "made"
    (place / "model").mkdir(parents=True)
    (place / "seal.json").write_text("{}")
    (place / "model" / "weights.bin").write_bytes(b"\x00" * 100)
    (place / "a.txt").write_text("first")
    return place


def test_it_lists_every_file_but_itself_in_order(folder: Path) -> None:
    write_manifest(folder)
    write_manifest(folder)
    entries = read_manifest(folder)
    assert [entry.path for entry in entries] == ["a.txt", "model/weights.bin", "seal.json"]
    assert (entries[1].size, entries[1].sha256) == (100, hashlib.sha256(b"\x00" * 100).hexdigest())
    assert file_problems(folder) == []


def test_the_digest_is_the_hash_of_its_bytes_in_any_folder(folder: Path, tmp_path: Path) -> None:
    digest = write_manifest(folder)
    assert digest == hashlib.sha256((folder / MANIFEST_FILE).read_bytes()).hexdigest()
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert write_manifest(tmp_path / "elsewhere") == digest


def test_one_byte_changes_the_digest(folder: Path) -> None:
    before = write_manifest(folder)
    (folder / "a.txt").write_text("fjrst")
    assert write_manifest(folder) != before


def test_all_differences_are_reported_at_once_by_name(folder: Path) -> None:
    (folder / "gone.txt").write_text("soon")
    write_manifest(folder)
    (folder / "gone.txt").unlink()
    (folder / "extra.txt").write_text("new")
    (folder / "a.txt").write_text("longer than it was")
    (folder / "model" / "weights.bin").write_bytes(b"\x00" * 99 + b"\x01")
    (folder / "link.txt").symlink_to(folder / "a.txt")
    message = [str(problem).removeprefix(f"{folder}/") for problem in file_problems(folder)]
    assert message == [
        "link.txt: This is a link; a bundle holds its own files.",
        "a.txt: This file has 18 bytes; the manifest says 5.",
        "extra.txt: This file is not in the manifest.",
        "gone.txt: This file is in the manifest, but it is missing.",
        "model/weights.bin: This file has changed: the manifest has another SHA-256.",
    ]


def test_a_folder_without_a_manifest_is_refused(folder: Path) -> None:
    with pytest.raises(Refused, match="no manifest"):
        file_problems(folder)


@pytest.mark.parametrize("content", ["", "[1, 2]", '[{"path": "a.txt"}]'])
def test_a_manifest_that_cannot_be_read_is_refused(folder: Path, content: str) -> None:
    (folder / MANIFEST_FILE).write_text(content)
    with pytest.raises(Refused, match="cannot be read"):
        read_manifest(folder)
