"""`kit serve --dry-run` refuses whatever the start would refuse, and loads no engine."""

from __future__ import annotations

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.cli.conftest import Run
from tests.serving.bundles import weightless_bundle

DRY = ("serve", "--engine", "local", "--dry-run", "--port", "0", "--json")


@dataclass(frozen=True)
class Shelf:
    """A project that holds two bundles of one base."""

    root: Path
    merged: str
    adapter: str


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    place = tmp_path_factory.mktemp("shelf")
    root = place / "project"
    digests = []
    for form in ("merged", "adapter"):
        bundle = weightless_bundle(place / form, form=form, weights=form == "merged")
        shutil.copytree(bundle.folder, root / "bundles" / "sha256" / bundle.digest)
        digests.append(bundle.digest)
    (root / "recipe.yaml").write_text("name: shelf\nbase: {model: nano}\ntasks: [{use: 'task.py:Counter'}]\n")
    return Shelf(root, *digests)


def test_a_bundle_that_could_start_is_named(shelf: Shelf, run: Run) -> None:
    done = run(*DRY, shelf.merged, cwd=shelf.root)
    assert (done.code, done.json["bundles"], done.json["engine"]) == (0, [shelf.merged], "local")
    (status,) = done.json["status"]
    assert f"{shelf.merged[:12]}: Status: preview (" in status


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("{merged}", "--host", "0.0.0.0"), 4, "is a preview"),
        (("{merged}", "{merged}"), 2, "named twice"),
        (("{merged}", "--base", "/nowhere"), 2, "A merged bundle is served without its base."),
        (("{merged}", "--host", "192.0.2.7", "--expose-preview"), 2, "Without a key the service"),
        (
            ("{merged}", "--host", "192.0.2.7", "--expose-preview", "--expose-without-keys"),
            2,
            "Cannot listen on 192.0.2.7",
        ),
    ],
)
def test_what_a_start_would_refuse_is_refused(
    shelf: Shelf, run: Run, words: tuple[str, ...], code: int, says: str
) -> None:
    named = [word.format(merged=shelf.merged, adapter=shelf.adapter) for word in words]
    done = run(*DRY, *named, cwd=shelf.root)
    assert (done.code, says in done.out) == (code, True), done.out


def test_two_merged_bundles_each_get_an_engine_of_their_own(shelf: Shelf, run: Run) -> None:
    done = run(*DRY, shelf.merged, shelf.adapter, cwd=shelf.root)
    assert (done.code, done.json["bundles"], done.json["engine"]) == (0, [shelf.merged, shelf.adapter], "local"), done


def test_a_setting_that_is_both_a_value_and_a_group_is_refused(shelf: Shelf, run: Run) -> None:
    done = run(*DRY, "--set", "vllm=1", "--set", "vllm.max_num_seqs=2", cwd=shelf.root)
    assert (done.code, "'vllm' has a value already" in done.out) == (2, True), done.out


def test_a_port_in_use_is_refused(shelf: Shelf, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", shelf.merged, "--engine", "local", "--dry-run", "--port", port, "--json", cwd=shelf.root)
    assert (done.code, f"Port {port}" in done.out) == (2, True), done.out


def test_a_bundle_with_a_file_missing_is_refused(shelf: Shelf, run: Run, tmp_path: Path) -> None:
    root = Path(shutil.copytree(shelf.root, tmp_path / "copy"))
    (root / "bundles" / "sha256" / shelf.merged / "model" / "config.json").unlink()
    done = run(*DRY, shelf.merged, cwd=root)
    assert (done.code, "config.json" in done.out) == (4, True), done.out


def test_a_key_in_the_project_or_in_a_named_file_lets_the_service_listen_beyond_loopback(
    shelf: Shelf, run: Run, tmp_path: Path
) -> None:
    """The address belongs to another machine, so that a start which may listen there says that it cannot."""
    words = (*DRY, shelf.merged, "--host", "192.0.2.7", "--expose-preview")
    root = Path(shutil.copytree(shelf.root, tmp_path / "copy"))
    assert "Without a key the service listens on this machine only" in run(*words, cwd=root).out
    assert run("keys", "new", "acme", cwd=root).code == 0
    assert "Cannot listen on 192.0.2.7" in run(*words, cwd=root).out
    named = run(*words, "--keys", root / "keys.json", cwd=shelf.root)
    assert "Cannot listen on 192.0.2.7" in named.out
    assert run("keys", "revoke", "acme", cwd=root).code == 0
    assert "has no key in use" in run(*words, cwd=root).out
