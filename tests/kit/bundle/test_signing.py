"""A signature binds a bundle and its attestations to the operator's key; nothing else in the folder counts."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kit.bundle.attestation import status_of
from kit.bundle.manifest import MANIFEST_FILE
from kit.bundle.signing.check import Vouched, vouched
from kit.bundle.signing.library import Means, WithCertificate, WithKey
from kit.bundle.signing.sign import sign_bundle
from kit.bundle.signing.trust import read_trust
from kit.bundle.store import Bundle, Store
from kit.errors import InputError, Refused
from tests.kit.bundle.signers import FAILED, HELD, Keys, make_certificate, make_keys, measure

Add = Callable[[str], Bundle]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return make_keys(tmp_path)


def sign(store: Store, bundle: Bundle, means: Means) -> Path:
    folder = store.attestations_folder(bundle.digest)
    return sign_bundle(bundle, store.attestations(bundle.digest), folder, means)[0]


def counting(store: Store, bundle: Bundle, *trusted: Path) -> Vouched:
    """What counts where these files are trusted."""
    folder = store.attestations_folder(bundle.digest)
    return vouched(bundle, store.attestations(bundle.digest), folder, read_trust(trusted))


def refusal(store: Store, bundle: Bundle, *trusted: Path) -> str:
    with pytest.raises(Refused) as refused:
        counting(store, bundle, *trusted)
    return str(refused.value)


def rewritten(file: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Change the signed statement inside a signature file, and leave the signature itself."""
    content = json.loads(file.read_text())
    statement = json.loads(base64.b64decode(content["dsseEnvelope"]["payload"]))
    change(statement)
    content["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    file.write_text(json.dumps(content))


# --- who signed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_what_the_trusted_key_signed_counts(store: Store, add: Add, tmp_path: Path, curve: ec.EllipticCurve) -> None:
    bundle, keys = add("one"), make_keys(tmp_path, "mine", curve=curve)
    measure(store, bundle, HELD)
    sign(store, bundle, WithKey(keys.private))
    found = counting(store, bundle, keys.public)
    assert (status_of(found.attestations), found.left_out) == ("verified", ())
    (signer,) = found.signers
    assert signer.startswith("the key ")


def test_an_unsigned_bundle_has_no_signer_and_no_attestation_that_counts(store: Store, add: Add, keys: Keys) -> None:
    bundle = add("one")
    file = measure(store, bundle, HELD)
    assert counting(store, bundle, keys.public) == Vouched((), (), (file.name,))


def test_another_key_is_refused_even_if_it_lies_beside_the_bundle(
    store: Store, add: Add, keys: Keys, tmp_path: Path
) -> None:
    bundle, other = add("one"), make_keys(tmp_path, "other")
    measure(store, bundle, HELD)
    sign(store, bundle, WithKey(other.private))
    shutil.copy(other.public, store.attestations_folder(bundle.digest) / "signing.pub")
    assert "was signed by the key " in refusal(store, bundle, keys.public)
    assert "which is not trusted here" in refusal(store, bundle, keys.public)
    assert counting(store, bundle, other.public).signers


def test_a_new_key_signs_beside_the_old_one_and_either_may_be_trusted(store: Store, add: Add, tmp_path: Path) -> None:
    bundle = add("one")
    measure(store, bundle, HELD)
    old, new = make_keys(tmp_path, "old"), make_keys(tmp_path, "new")
    files = {sign(store, bundle, WithKey(each.private)) for each in (old, new)}
    assert len(files) == 2
    for each in (old, new):
        assert len(counting(store, bundle, each.public).signers) == 1
    assert len(counting(store, bundle, old.public, new.public).signers) == 2


def test_a_certificate_is_trusted_through_its_root_alone(store: Store, add: Add, tmp_path: Path) -> None:
    bundle, ours, theirs = add("one"), make_certificate(tmp_path, "ours"), make_certificate(tmp_path, "theirs")
    measure(store, bundle, HELD)
    sign(store, bundle, WithCertificate(ours.private, ours.certificate))
    (signer,) = counting(store, bundle, ours.root).signers
    assert signer.startswith("the certificate ")
    assert counting(store, bundle, theirs.root, ours.root).signers
    assert "which is not trusted here" in refusal(store, bundle, theirs.root)


def test_an_altered_statement_is_refused_under_a_certificate_too(store: Store, add: Add, tmp_path: Path) -> None:
    bundle, ours = add("one"), make_certificate(tmp_path)
    measure(store, bundle, HELD)
    file = sign(store, bundle, WithCertificate(ours.private, ours.certificate))
    rewritten(file, lambda statement: statement.update(more=1))
    assert "The signature was altered" in refusal(store, bundle, ours.root)


# --- what was signed -----------------------------------------------------------------------------------------------


def test_a_forged_evaluation_does_not_count(store: Store, add: Add, keys: Keys) -> None:
    bundle = add("one")
    measure(store, bundle, FAILED)
    sign(store, bundle, WithKey(keys.private))
    forged = measure(store, bundle, HELD)
    assert status_of(store.attestations(bundle.digest)) == "verified"  # so it passes where no signature is required
    found = counting(store, bundle, keys.public)
    assert (status_of(found.attestations), found.left_out) == ("preview", (forged.name,))


def test_a_forged_evaluation_is_not_signed_by_naming_it_in_the_statement(store: Store, add: Add, keys: Keys) -> None:
    bundle = add("one")
    signature = sign(store, bundle, WithKey(keys.private))
    forged = measure(store, bundle, HELD)
    other = make_keys(forged.parents[2], "other")
    rewritten(signature, lambda statement: None)
    more = json.loads(sign(store, bundle, WithKey(other.private)).read_text())["dsseEnvelope"]["payload"]
    content = json.loads(signature.read_text())
    content["dsseEnvelope"]["payload"] = more
    signature.write_text(json.dumps(content))
    assert "The signature was altered" in refusal(store, bundle, keys.public)


def test_a_swapped_attestation_is_refused(store: Store, add: Add, keys: Keys) -> None:
    bundle = add("one")
    signed = measure(store, bundle, FAILED)
    sign(store, bundle, WithKey(keys.private))
    text = signed.read_text()
    signed.write_text(text.replace('"failed"', '"held"'))
    assert f"{signed.name} is missing, or was altered" in refusal(store, bundle, keys.public)
    signed.unlink()
    assert f"{signed.name} is missing, or was altered" in refusal(store, bundle, keys.public)
    signed.write_text(text)
    assert counting(store, bundle, keys.public).signers


def test_a_signature_of_another_bundle_is_refused(store: Store, add: Add, keys: Keys) -> None:
    bundle, other = add("one"), add("two")
    file = sign(store, other, WithKey(keys.private))
    folder = store.attestations_folder(bundle.digest)
    folder.mkdir(parents=True)
    shutil.copy(file, folder)
    assert f"the signature of another bundle, {other.digest[:12]}" in refusal(store, bundle, keys.public)


def test_an_evaluation_after_the_signature_counts_once_it_is_signed_too(store: Store, add: Add, keys: Keys) -> None:
    bundle = add("one")
    measure(store, bundle, FAILED)
    sign(store, bundle, WithKey(keys.private))
    later = measure(store, bundle, HELD)
    assert counting(store, bundle, keys.public).left_out == (later.name,)
    sign(store, bundle, WithKey(keys.private))
    found = counting(store, bundle, keys.public)
    assert (status_of(found.attestations), found.left_out, len(found.signers)) == ("verified", (), 1)


@pytest.mark.parametrize("content", ["", "{}", "[1]", "null", '{"verificationMaterial": {}}', "\x00" * 50])
def test_a_file_that_is_no_signature_is_refused(store: Store, add: Add, keys: Keys, content: str) -> None:
    bundle = add("one")
    measure(store, bundle, HELD)
    sign(store, bundle, WithKey(keys.private)).with_name("another.sig").write_text(content)
    assert "another.sig: The signature cannot be read" in refusal(store, bundle, keys.public)


@pytest.mark.parametrize("name", ["../outside.json", "attestations/../evaluation-0123456789abcdef.json", "/etc/passwd"])
def test_a_statement_about_files_elsewhere_is_refused(store: Store, add: Add, keys: Keys, name: str) -> None:
    bundle = add("one")
    file = sign(store, bundle, WithKey(keys.private))

    def add_resource(statement: dict[str, object]) -> None:
        predicate = statement["predicate"]
        assert isinstance(predicate, dict)
        predicate["resources"].append({"name": name, "algorithm": "sha256", "digest": "0" * 64})

    rewritten(file, add_resource)
    assert "not of a bundle and its attestations" in refusal(store, bundle, keys.public)


def test_an_altered_attestation_is_not_signed(store: Store, add: Add, keys: Keys) -> None:
    bundle = add("one")
    file = measure(store, bundle, FAILED)
    file.write_text(file.read_text().replace('"failed"', '"held"'))
    with pytest.raises(Refused, match="was altered after it was written"):
        sign(store, bundle, WithKey(keys.private))


def test_the_librarys_own_command_line_can_verify_the_signature(
    store: Store, add: Add, keys: Keys, tmp_path: Path
) -> None:
    import model_signing

    bundle = add("one")
    file = sign(store, bundle, WithKey(keys.private))
    attested = measure(store, bundle, HELD)
    file = sign(store, bundle, WithKey(keys.private))
    plain = tmp_path / "plain"
    (plain / "attestations").mkdir(parents=True)
    shutil.copy(bundle.folder / MANIFEST_FILE, plain)
    shutil.copy(attested, plain / "attestations")
    config = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=keys.public)
    config.verify(plain, file)
    (plain / MANIFEST_FILE).write_text("[]")
    with pytest.raises(ValueError):
        config.verify(plain, file)


# --- keys ----------------------------------------------------------------------------------------------------------


def test_a_key_with_a_password_needs_it(store: Store, add: Add, tmp_path: Path) -> None:
    bundle, keys = add("one"), make_keys(tmp_path, "locked", "a long secret")
    sign(store, bundle, WithKey(keys.private, "a long secret"))
    assert counting(store, bundle, keys.public).signers
    for wrong in (None, "another"):
        with pytest.raises(InputError, match=r"locked\.pem: The key cannot sign"):
            sign(store, bundle, WithKey(keys.private, wrong))


def test_keys_that_cannot_sign_or_be_trusted_are_refused_with_the_file(
    store: Store, add: Add, keys: Keys, tmp_path: Path
) -> None:
    bundle = add("one")
    rsa_key = tmp_path / "rsa.pem"
    made = rsa.generate_private_key(65537, 2048)
    rsa_key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for file in (rsa_key, keys.public):
        with pytest.raises(InputError, match=f"{file.name}: The key cannot sign"):
            sign(store, bundle, WithKey(file))
    (tmp_path / "text").write_text("my key")
    for file, says in (
        (keys.private, "This is a private key"),
        (tmp_path / "text", "neither a public key nor a certificate"),
        (tmp_path / "nowhere", "cannot be read"),
    ):
        with pytest.raises(InputError, match=f"{file.name}: .*{says}"):
            read_trust([file])
