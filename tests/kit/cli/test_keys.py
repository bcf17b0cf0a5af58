"""`kit keys`: tokens that are shown once, and keys that end."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kit.cli.conftest import Run


def test_a_token_is_shown_once_and_its_key_is_listed_without_it(toy: Path, run: Run) -> None:
    made = run("keys", "new", "acme", "--route", "/v1/counter", "--bundle", "toy", "--expires", "90d", cwd=toy)
    assert made.code == 0, made.err
    token, sentence = made.out.splitlines()
    assert token.startswith("dk-")
    assert "acme" in sentence
    assert token not in (toy / "keys.json").read_text()
    listed = run("keys", "list", cwd=toy)
    assert token not in listed.out
    assert all(word in listed.out for word in ("acme", "in use", "toy, /v1/counter"))


def test_a_key_is_rotated_and_revoked_by_its_name(toy: Path, run: Run) -> None:
    made = run("keys", "new", "acme", "--admin", "--json", cwd=toy).json
    assert made["token"].startswith("dk-")
    rotated = run("keys", "rotate", "acme", "--keep-old", "0s", "--json", cwd=toy).json
    assert rotated["id"] == made["id"]
    assert rotated["token"] != made["token"]
    assert run("keys", "revoke", "acme", "--json", cwd=toy).json["state"] == "was revoked"
    (key,) = run("keys", "list", "--json", cwd=toy).json["keys"]
    assert (key["id"], key["state"], key["admin"]) == (made["id"], "was revoked", True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("new", "acme"), "There is a key 'acme' already."),
        (("new", " "), "A key needs a name"),
        (("new", "b", "--expires", "soon"), "'soon' is no time."),
        (("new", "b", "--expires", "1999-12-31"), "'1999-12-31' is past."),
        (("new", "b", "--expires", "999999999d"), "is no time."),
        (("new", "b", "--route", "v1"), "'v1' is no path."),
        (("revoke", "acmee"), "Did you mean 'acme'?"),
        (("list", "--file", "no/keys.json"), "The keys cannot be read"),
        (("new", "b", "--file", "no/keys.json"), "The folder of this file does not exist."),
    ],
)
def test_a_mistake_is_a_sentence(toy: Path, run: Run, words: tuple[str, ...], says: str) -> None:
    assert run("keys", "new", "acme", cwd=toy).code == 0
    done = run("keys", *words, cwd=toy)
    assert (done.code, says in done.err) == (2, True), done.err


def test_outside_a_project_the_file_must_be_named(tmp_path: Path, run: Run) -> None:
    done = run("keys", "new", "acme", cwd=tmp_path)
    assert (done.code, "Give --file FILE" in done.err) == (2, True)
    assert run("keys", "new", "acme", "--file", "keys.json", cwd=tmp_path).code == 0


def test_keys_that_are_made_at_the_same_time_are_all_kept(toy: Path, run: Run) -> None:
    names = [f"name{each}" for each in range(4)]
    with ThreadPoolExecutor() as pool:
        assert {each.code for each in pool.map(lambda name: run("keys", "new", name, cwd=toy), names)} == {0}
    kept = json.loads((toy / "keys.json").read_text())["keys"]
    assert sorted(key["name"] for key in kept) == names
