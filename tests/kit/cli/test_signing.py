"""`kit sign`, `kit verify` and `kit serve --require-signature`: who vouches for a bundle, from the keyboard."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.bundle.store import Bundle, Store
from tests.kit.bundle.signers import FAILED, HELD, Keys, make_certificate, make_keys, measure, measured_project
from tests.kit.cli.conftest import Run

DRY = ("serve", "--engine", "local", "--dry-run", "--port", "0", "--host", "0.0.0.0", "--expose-without-keys")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return make_keys(tmp_path)


@pytest.fixture
def measured(tmp_path: Path) -> tuple[Store, Bundle]:
    return measured_project(tmp_path)


def states(shown: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {check["name"]: check["state"] for check in shown["checks"]}


def test_from_a_key_of_openssl_to_a_service_that_requires_it(
    measured: tuple[Store, Bundle], run: Run, tmp_path: Path
) -> None:
    store, bundle = measured
    for words in (
        ("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "own.pem"),
        ("ec", "-in", "own.pem", "-pubout", "-out", "own.pub"),
    ):
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)
    key, public = tmp_path / "own.pem", tmp_path / "own.pub"
    refused = run(*DRY, "--require-signature", public, cwd=store.root)
    assert (refused.code, "is not signed by a trusted signer" in refused.err) == (4, True), refused
    made = run("sign", "--key", key, cwd=store.root)
    assert made.code == 0, made
    assert f"Signed {bundle.digest[:12]} and 1 attestation, by the key " in made.out
    checked = run("verify", "--public-key", public, cwd=store.root)
    assert (checked.code, "ok  signature: Signed by the key " in checked.out) == (0, True), checked
    served = run(*DRY, "--require-signature", public, cwd=store.root)
    assert (served.code, "Status: verified (1 gate held). Signed by the key " in served.out) == (0, True), served


def test_verify_says_what_could_not_be_measured_without_a_key(
    measured: tuple[Store, Bundle], run: Run, keys: Keys
) -> None:
    store, _ = measured
    unsigned = run("verify", "--json", cwd=store.root)
    assert unsigned.code == unsigned.json["exit_code"] == 3
    assert unsigned.json["checks"][0]["name"] == "signature"  # the worst first
    assert states(unsigned.json) == {
        "signature": "unmeasured",
        "files": "held",
        "renders": "held",
        "attestations": "held",
        "standing": "held",
    }
    run("sign", "--key", keys.private, cwd=store.root)
    signed = run("verify", cwd=store.root)
    assert (signed.code, "signed it, which was not verified" in signed.out) == (3, True), signed


def _damage_weights(store: Store, bundle: Bundle) -> None:
    (bundle.folder / "model" / "config.json").write_text("{}")


def _swap(store: Store, bundle: Bundle) -> None:
    for file in store.attestations_folder(bundle.digest).glob("*.json"):
        file.unlink()
    measure(store, bundle, HELD, HELD)


def _alter(store: Store, bundle: Bundle) -> None:
    for file in store.attestations_folder(bundle.digest).glob("*.json"):
        file.write_text(file.read_text().replace("0.912", "0.999"))


@pytest.mark.parametrize(
    ("damage", "failed", "says"),
    [
        (_damage_weights, {"files"}, "This file has 2 bytes"),
        (_swap, {"signature"}, "is missing, or was altered after it was signed"),
        (_alter, {"attestations", "signature"}, "was altered after it was written"),
    ],
)
def test_what_was_changed_is_told_first_and_ends_with_4(
    measured: tuple[Store, Bundle],
    run: Run,
    keys: Keys,
    damage: Callable[[Store, Bundle], None],
    failed: set[str],
    says: str,
) -> None:
    store, bundle = measured
    run("sign", "--key", keys.private, cwd=store.root)
    damage(store, bundle)
    done = run("verify", "--public-key", keys.public, "--json", cwd=store.root)
    assert done.code == 4
    found = states(done.json)
    assert {name for name, state in found.items() if state == "failed"} == failed
    assert list(found.values()) == sorted(found.values(), key=["failed", "unmeasured", "held"].index)
    assert says in done.out


def test_the_standing_is_that_of_the_signed_evaluations(tmp_path: Path, run: Run, keys: Keys) -> None:
    store, bundle = measured_project(tmp_path, [FAILED])
    run("sign", "--key", keys.private, cwd=store.root)
    measure(store, bundle, HELD)
    assert states(run("verify", "--json", cwd=store.root).json)["standing"] == "held"
    done = run("verify", "--public-key", keys.public, "--json", cwd=store.root)
    assert (done.code, states(done.json)["standing"]) == (4, "failed")
    assert "1 of 2 attestations are not signed and do not count" in done.out
    served = run(*DRY, "--require-signature", keys.public, cwd=store.root)
    assert (served.code, "Gate accuracy failed: 0.163" in served.err) == (4, True), served


def test_another_key_is_refused_by_verify_and_serve(
    measured: tuple[Store, Bundle], run: Run, keys: Keys, tmp_path: Path
) -> None:
    store, _ = measured
    other = make_keys(tmp_path, "other")
    run("sign", "--key", other.private, cwd=store.root)
    for words in (("verify", "--public-key"), (*DRY[:-3], "--require-signature")):
        done = run(*words, keys.public, cwd=store.root)
        assert (done.code, "which is not trusted here" in done.out + done.err) == (4, True), done


def test_a_bundle_outside_a_project_is_signed_and_verified_with_a_certificate(
    measured: tuple[Store, Bundle], run: Run, tmp_path: Path
) -> None:
    store, bundle = measured
    certified, folder = make_certificate(tmp_path), tmp_path / "elsewhere" / bundle.digest
    shutil.copytree(bundle.folder, folder)
    shutil.copytree(store.attestations_folder(bundle.digest), tmp_path / "results")
    beside = (folder, "--attestations", tmp_path / "results")
    words = ("--key", certified.private, "--certificate", certified.certificate, "--json")
    made = run("sign", *beside, *words, cwd=tmp_path)
    assert Path(made.json["file"]).parent == tmp_path / "results"
    done = run("verify", *beside, "--public-key", certified.root, "--json", cwd=tmp_path)
    assert (done.code, done.json["signatures"][0]["state"]) == (0, "trusted"), done


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("sign",), 2, "There is nothing to sign with"),
        (("sign", "--key", "nowhere.pem"), 2, "nowhere.pem: There is no such file"),
        (("sign", "--sigstore", "--key", "a.pem"), 2, "without a key"),
        (("sign", "--key", "recipe.yaml", "--chain", "recipe.yaml"), 2, "A chain belongs to a certificate"),
        (("sign", "--key", "recipe.yaml"), 2, "The key cannot sign"),
        (("sign", "--key", "recipe.yaml", "--password-variable", "NOT_SET_ANYWHERE"), 2, "is not set"),
        (("verify", "--identity", "somebody@example.org"), 2, "needs its issuer"),
        (("verify", "--public-key", "recipe.yaml"), 2, "neither a public key nor a certificate"),
        (("verify", "nothing"), 2, "There is no bundle 'nothing'"),
        (("serve", "--dry-run", "--require-signature", "recipe.yaml"), 2, "neither a public key nor a certificate"),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence(
    measured: tuple[Store, Bundle], run: Run, words: tuple[str, ...], code: int, says: str
) -> None:
    done = run(*words, cwd=measured[0].root)
    assert (done.code, says in done.err) == (code, True), done


def test_an_altered_bundle_is_not_signed(measured: tuple[Store, Bundle], run: Run, keys: Keys) -> None:
    store, bundle = measured
    _damage_weights(store, bundle)
    done = run("sign", "--key", keys.private, cwd=store.root)
    assert (done.code, "config.json" in done.err) == (4, True), done
    assert not list(store.attestations_folder(bundle.digest).glob("*.sig"))


def test_print_config_shows_who_is_trusted(measured: tuple[Store, Bundle], run: Run, keys: Keys) -> None:
    done = run("serve", "--print-config", "--require-signature", keys.public, "--json", cwd=measured[0].root)
    assert json.loads(done.out)["settings"]["require_signature"] == [str(keys.public)]
