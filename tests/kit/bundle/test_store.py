"""The store: content addresses, references, aliases with history, and attestations that show every change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kit.bundle.attestation import status_of
from kit.bundle.manifest import canonical_json, write_manifest
from kit.bundle.store import Bundle, Store
from kit.errors import InputError, Refused
from tests.kit.bundle.small_store import files_in, small_seal

HELD = {"gates": [{"name": "f1", "outcome": "held"}, {"name": "stops", "outcome": "held"}]}
FAILED = {"gates": [{"name": "f1", "outcome": "held"}, {"name": "stops", "outcome": "failed"}]}
UNMEASURED = {"gates": [{"name": "f1", "outcome": "unmeasured"}]}


# --- bundles ----------------------------------------------------------------------------------------------------


def test_a_bundle_is_stored_under_its_digest_without_leftovers(store: Store, add: Callable[[str], Bundle]) -> None:
    bundle = add("first")
    place = f"bundles/sha256/{bundle.digest}"
    assert files_in(store) == ["aliases/latest.jsonl", f"{place}/manifest.json", f"{place}/seal.json"]
    assert bundle.seal.name == "first"
    assert [path.name for path in store.root.iterdir() if path.name.startswith(".")] == []


def test_the_same_digest_twice_is_the_same_bundle(store: Store, add: Callable[[str], Bundle]) -> None:
    assert add("one") == add("one")
    assert len(store.list()) == 1


def test_a_folder_that_changed_after_its_manifest_is_not_added(store: Store) -> None:
    with store.staging() as folder:
        (folder / "seal.json").write_bytes(canonical_json(small_seal("x").model_dump(mode="json")))
        write_manifest(folder)
        (folder / "late.txt").write_text("?")
        with pytest.raises(Refused, match="not in the manifest"):
            store.add(folder)
    assert files_in(store) == []
    assert store.list() == []


def test_a_damaged_copy_in_the_store_is_refused_when_the_bundle_is_added_again(
    store: Store, add: Callable[[str], Bundle]
) -> None:
    (add("one").folder / "seal.json").write_text("{}")
    with pytest.raises(Refused, match=r"seal\.json: This file has"):
        add("one")


def test_an_interrupt_while_staging_leaves_nothing(store: Store) -> None:
    def interrupted() -> None:
        with store.staging() as folder:
            (folder / "half.bin").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(store.root.iterdir()) == []


def test_bundles_are_listed_in_the_order_they_were_added(store: Store, add: Callable[[str], Bundle]) -> None:
    for name in ("c", "a", "b"):
        add(name)
    assert [bundle.seal.name for bundle in store.list()] == ["c", "a", "b"]


def test_a_bundle_without_a_seal_is_refused(store: Store, add: Callable[[str], Bundle]) -> None:
    bundle = add("one")
    (bundle.folder / "seal.json").unlink()
    with pytest.raises(Refused, match="no seal"):
        store.get("latest")


# --- references -------------------------------------------------------------------------------------------------


def test_a_bundle_is_found_by_digest_prefix_alias_and_latest(store: Store, add: Callable[[str], Bundle]) -> None:
    first, second = add("first"), add("second")
    store.alias("production", first.digest)
    assert store.get(first.digest) == store.get(first.digest[:6]) == store.get("production") == first
    assert store.get("latest") == second


def test_latest_follows_a_bundle_that_is_built_again(store: Store, add: Callable[[str], Bundle]) -> None:
    first = add("first")
    add("second")
    add("first")
    assert store.get("latest") == first


@pytest.mark.parametrize("ref", ["producton", "latst"])
def test_an_unknown_name_is_answered_with_the_nearest(store: Store, add: Callable[[str], Bundle], ref: str) -> None:
    store.alias("production", add("one").digest)
    with pytest.raises(InputError, match=rf"There is no bundle '{ref}'. Did you mean '(production|latest)'\?"):
        store.get(ref)


def test_a_mistyped_digest_is_answered_with_the_nearest(store: Store, add: Callable[[str], Bundle]) -> None:
    digest = add("one").digest
    typed = digest[:10] + ("0" if digest[10] != "0" else "1")
    with pytest.raises(InputError, match=f"Did you mean '{digest[:11]}'"):
        store.get(typed)


@pytest.mark.parametrize("length", [4, 6, 12])
def test_a_prefix_that_only_one_bundle_has_is_enough(store: Store, add: Callable[[str], Bundle], length: int) -> None:
    bundle = add("one")
    add("two")
    assert store.get(bundle.digest[:length]) == bundle


def test_a_prefix_of_three_is_refused_with_the_least_length(store: Store, add: Callable[[str], Bundle]) -> None:
    ref = add("one").digest[:3]
    with pytest.raises(InputError, match=f"There is no bundle '{ref}'. Give at least 4 characters of a digest."):
        store.get(ref)


def test_an_unknown_name_is_answered_with_the_known_names(store: Store, add: Callable[[str], Bundle]) -> None:
    bundle = add("one")
    store.alias("production", bundle.digest)
    with pytest.raises(InputError, match=f"Known: latest, production, {bundle.digest[:12]}."):
        store.get("champion")


def test_a_prefix_of_two_bundles_names_both(store: Store, add: Callable[[str], Bundle]) -> None:
    bundle = add("one")
    twin = bundle.digest[:8] + "0" * 56
    shutil.copytree(bundle.folder, bundle.folder.parent / twin)
    with pytest.raises(InputError, match=f"several bundles: .*{twin[:16]}"):
        store.get(bundle.digest[:8])


def test_an_empty_store_says_how_to_fill_it(store: Store) -> None:
    with pytest.raises(InputError, match="kit train"):
        store.get("latest")


@pytest.mark.parametrize("ref", ["../../etc", "a/b", "", "*"])
def test_an_invalid_reference_is_reported_as_not_found(store: Store, add: Callable[[str], Bundle], ref: str) -> None:
    add("one")
    with pytest.raises(InputError, match="There is no bundle"):
        store.get(ref)


# --- aliases ----------------------------------------------------------------------------------------------------


def test_an_alias_moves_and_keeps_its_history(store: Store, add: Callable[[str], Bundle]) -> None:
    first, second = add("first"), add("second")
    for bundle in (first, second, first):
        store.alias("production", bundle.digest)
    assert [move.digest for move in store.history("production")] == [first.digest, second.digest, first.digest]
    assert store.get("production") == first


@pytest.mark.parametrize("name", ["latest", "deadbeef", "beef", "", "../up", "a b", "9lives"])
def test_a_reserved_or_ambiguous_name_cannot_be_an_alias(store: Store, add: Callable[[str], Bundle], name: str) -> None:
    digest = add("one").digest
    with pytest.raises(InputError, match="cannot be the name of an alias"):
        store.alias(name, digest)


def test_an_alias_cannot_point_to_nothing(store: Store, add: Callable[[str], Bundle]) -> None:
    add("one")
    with pytest.raises(InputError, match="There is no bundle"):
        store.alias("production", "0" * 64)
    assert store.history("production") == []


def test_a_line_that_a_crash_left_unfinished_is_ignored(store: Store, add: Callable[[str], Bundle]) -> None:
    first, second = add("first"), add("second")
    store.alias("production", first.digest)
    with (store.root / "aliases" / "production.jsonl").open("a") as stream:
        stream.write('{"digest": "' + second.digest[:20])
    assert store.get("production") == first
    store.alias("production", second.digest)
    assert [move.digest for move in store.history("production")] == [first.digest, second.digest]


def test_two_writers_at_once_lose_no_move(store: Store, add: Callable[[str], Bundle]) -> None:
    digest = add("one").digest
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Store(store.root).alias("production", digest), range(40)))
    assert len(store.history("production")) == 40


# --- attestations -----------------------------------------------------------------------------------------------


def test_attestations_are_added_and_never_replaced(store: Store, add: Callable[[str], Bundle]) -> None:
    digest = add("one").digest
    written = [store.attest(digest, "evaluation", HELD), store.attest(digest, "parity", {"mean": 0.1})]
    written.append(store.attest(digest, "evaluation", HELD))
    assert store.attestations(digest) == written
    assert [(found.kind, found.bundle, found.sequence) for found in written] == [
        ("evaluation", digest, 1),
        ("parity", digest, 2),
        ("evaluation", digest, 3),
    ]
    assert len({found.digest for found in written}) == 3


def test_many_writers_number_their_attestations_without_a_gap(store: Store, add: Callable[[str], Bundle]) -> None:
    digest = add("one").digest
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda index: Store(store.root).attest(digest, "parity", {"n": index}), range(20)))
    assert [found.sequence for found in store.attestations(digest)] == list(range(1, 21))


@pytest.mark.parametrize("payload", [{"x": float("nan")}, {"x": object()}])
def test_a_payload_that_is_not_json_cannot_be_attested(
    store: Store, add: Callable[[str], Bundle], payload: dict[str, object]
) -> None:
    digest = add("one").digest
    with pytest.raises(InputError, match="cannot be written as JSON"):
        store.attest(digest, "evaluation", payload)
    assert store.attestations(digest) == []


def test_a_missing_bundle_cannot_be_attested(store: Store) -> None:
    with pytest.raises(InputError, match="There is no bundle"):
        store.attest("0" * 64, "evaluation", HELD)


@pytest.mark.parametrize(
    ("payloads", "expected"),
    [
        ([], "preview"),
        ([HELD], "verified"),
        ([FAILED], "preview"),
        ([UNMEASURED], "preview"),
        ([{"gates": []}], "preview"),
        ([{}], "preview"),
        ([FAILED, HELD], "verified"),
        ([HELD, FAILED], "preview"),
    ],
)
def test_only_the_latest_evaluation_verifies_a_bundle(
    store: Store, add: Callable[[str], Bundle], payloads: list[dict[str, object]], expected: str
) -> None:
    digest = add("one").digest
    for payload in payloads:
        store.attest(digest, "evaluation", payload)
    store.attest(digest, "parity", {"gates": [{"name": "other", "outcome": "failed"}]})
    assert status_of(store.attestations(digest)) == expected


def only_file(store: Store, digest: str) -> Path:
    return next((store.root / "attestations" / digest).glob("*.json"))


def change_outcome(file: Path) -> None:
    file.write_text(file.read_text().replace("failed", "held"))


def change_payload_and_number(file: Path) -> None:
    raw = json.loads(file.read_text())
    file.write_text(json.dumps({**raw, "payload": HELD, "sequence": "9"}))


def rename(file: Path) -> None:
    file.rename(file.with_name("evaluation-0123456789abcdef.json"))


def empty(file: Path) -> None:
    file.write_text("")


@pytest.mark.parametrize("tamper", [change_outcome, change_payload_and_number, rename, empty])
def test_an_attestation_that_was_altered_does_not_count_and_says_so(
    store: Store, add: Callable[[str], Bundle], tamper: Callable[[Path], None]
) -> None:
    digest = add("one").digest
    store.attest(digest, "evaluation", FAILED)
    tamper(only_file(store, digest))
    (found,) = store.attestations(digest)
    assert "altered after it was written, so it does not count" in found.fault
    assert status_of([found]) == "preview"
    store.attest(digest, "evaluation", HELD)
    assert status_of(store.attestations(digest)) == "preview"


def test_an_attestation_about_another_bundle_does_not_count(store: Store, add: Callable[[str], Bundle]) -> None:
    good, other = add("good").digest, add("other").digest
    store.attest(good, "evaluation", HELD)
    folder = store.root / "attestations" / other
    folder.mkdir(parents=True)
    shutil.copy(only_file(store, good), folder)
    (found,) = store.attestations(other)
    assert "about another bundle" in found.fault
    assert status_of([found]) == "preview"
