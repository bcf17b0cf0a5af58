"""The store after a killed process, behind links, on disks that cannot be written to, and with damaged files."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kit.bundle.manifest import file_problems
from kit.bundle.store import Bundle, Store
from kit.errors import InputError

# --- leftovers of a killed process -------------------------------------------------------------------------------

BUILDER = """
import sys, time
from pathlib import Path
from kit.bundle.store import Store
with Store(Path(sys.argv[1])).staging() as folder:
    (folder / "weights").write_bytes(b"half")
    print(folder, flush=True)
    time.sleep(60)
"""


@contextmanager
def building(root: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process in the middle of a build, and its scratch folder."""
    words = [sys.executable, "-c", BUILDER, str(root)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.kill()
        process.communicate()


def test_the_next_build_removes_files_of_a_killed_one_but_not_of_a_running_one(
    store: Store, add: Callable[[str], Bundle]
) -> None:
    with building(store.root) as (process, folder):
        add("while it builds")
        assert (folder / "weights").is_file()
        process.kill()
        process.wait()
        assert (folder / "weights").is_file()
        add("after it was killed")
        assert not folder.exists()


# --- its place and its files ---------------------------------------------------------------------------


def test_a_bundle_is_staged_where_the_bundles_are_even_behind_a_link(
    store: Store, add: Callable[[str], Bundle], tmp_path: Path
) -> None:
    elsewhere = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else tmp_path))
    try:
        store.root.mkdir()
        (store.root / "bundles").symlink_to(elsewhere)
        store.refuse_unwritable()
        with store.staging() as folder:
            assert folder.resolve().is_relative_to(elsewhere)
        bundle = add("one")
        assert store.get("latest").digest == bundle.digest
        assert (elsewhere / "sha256" / bundle.digest / "seal.json").is_file()
        assert [path.name for path in (elsewhere / "sha256").iterdir()] == [bundle.digest]
    finally:
        shutil.rmtree(elsewhere)


@pytest.mark.parametrize("name", ["bundles", "aliases", "attestations"])
def test_a_store_without_write_access_is_refused_before_training(store: Store, name: str) -> None:
    store.root.mkdir()
    (store.root / name).write_text("a file where a folder has to be")
    with pytest.raises(InputError, match="The store of bundles cannot be written to"):
        store.refuse_unwritable()


def test_the_write_check_of_the_store_leaves_no_file(store: Store) -> None:
    store.refuse_unwritable()
    assert [path.name for path in store.root.iterdir()] == []


def test_files_of_a_desktop_are_neither_bundles_nor_damage(store: Store, add: Callable[[str], Bundle]) -> None:
    bundle = add("one")
    for folder in (bundle.folder, bundle.folder.parent, store.root / "aliases", store.root):
        (folder / ".DS_Store").write_bytes(b"Bud1")
    assert [each.digest for each in store.list()] == [bundle.digest]
    assert store.damaged() == []
    assert file_problems(bundle.folder) == []
    assert store.get("latest").digest == bundle.digest


def test_a_damaged_bundle_is_named_and_hides_no_other(store: Store, add: Callable[[str], Bundle]) -> None:
    bad, good = add("one"), add("two")
    (bad.folder / "seal.json").write_text("{")
    assert [each.digest for each in store.list()] == [good.digest]
    (problem,) = store.damaged()
    assert bad.digest in problem.where
    assert store.get(good.digest).digest == good.digest


def test_a_damaged_line_of_an_alias_counts_only_where_it_is_the_last(
    store: Store, add: Callable[[str], Bundle]
) -> None:
    first, second = add("one"), add("two")
    file = store.root / "aliases" / "latest.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(["{broken", *lines]) + "\n")
    assert store.get("latest").digest == second.digest
    assert [move.digest for move in store.history("latest")] == [first.digest, second.digest]
    file.write_text("\n".join([*lines, "{broken"]) + "\n")
    with pytest.raises(InputError, match=r"latest\.jsonl:3: The alias cannot be read"):
        store.get("latest")
    assert [each.digest for each in store.list()] == [first.digest, second.digest]
    assert store.get(first.digest).digest == first.digest
