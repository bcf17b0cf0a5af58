"""Keys and certificates to sign with, and a project with one measured bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from kit.bundle.store import Bundle, Store
from tests.serving.bundles import weightless_bundle

HELD = {"name": "toy: accuracy", "outcome": "held", "reason": "0.912, 0.8 required."}
FAILED = {"name": "toy: accuracy", "outcome": "failed", "reason": "0.163, 0.8 required."}
_DAYS = timedelta(days=3)


@dataclass(frozen=True)
class Keys:
    """The files of a private key and of its public key."""

    private: Path
    public: Path


@dataclass(frozen=True)
class Certified:
    """The files of a private key, of its certificate, and of the root that signed the certificate."""

    private: Path
    certificate: Path
    root: Path


def make_keys(folder: Path, name: str = "signing", password: str = "", curve: ec.EllipticCurve | None = None) -> Keys:
    key = ec.generate_private_key(curve or ec.SECP256R1())
    public = folder / f"{name}.pub"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return Keys(_written(folder / f"{name}.pem", key, password), public)


def make_certificate(folder: Path, name: str = "signer") -> Certified:
    """A root, and the certificate of a signer that it signed."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate(f"{name}'s root", root_key, f"{name}'s root", root_key, authority=True)
    leaf = _certificate(name, key, f"{name}'s root", root_key, authority=False)
    for made, file in ((root, f"{name}-root.pem"), (leaf, f"{name}-certificate.pem")):
        (folder / file).write_bytes(made.public_bytes(Encoding.PEM))
    private = _written(folder / f"{name}-key.pem", key, "")
    return Certified(private, folder / f"{name}-certificate.pem", folder / f"{name}-root.pem")


def _written(file: Path, key: ec.EllipticCurvePrivateKey, password: str) -> Path:
    secret: KeySerializationEncryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
    return file


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey, authority: bool
) -> x509.Certificate:
    usage = x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)
    identifier = x509.SubjectKeyIdentifier.from_public_key(signer.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - _DAYS)
        .not_valid_after(datetime.now(UTC) + _DAYS)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(signer, hashes.SHA256())
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def measured_project(
    place: Path, gates: Sequence[dict[str, Any]] = (HELD,), form: str = "merged"
) -> tuple[Store, Bundle]:
    """A project whose one bundle has an evaluation with these gates."""
    store = Store(place / "project")
    bundle = store.publish(weightless_bundle(place / "made", form=form, weights=form == "merged"))
    recipe = "name: shelf\nbase: {model: nano}\ntasks: [{use: 'task.py:Counter'}]\n"
    (store.root / "recipe.yaml").write_text(recipe)
    measure(store, bundle, *gates)
    return store, bundle


def measure(store: Store, bundle: Bundle, *gates: dict[str, Any]) -> Path:
    """Attest an evaluation with these gates, and return its file."""
    payload = {"tasks": [{"task": "toy"}], "gates": list(gates)}
    attested = store.attest(bundle.digest, "evaluation", payload)
    return store.attestations_folder(bundle.digest) / attested.file_name
