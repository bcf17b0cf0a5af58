"""The library that makes and verifies signatures, OpenSSF's `model-signing`. It is imported when it is needed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.bundle.signing.trust import Identity
from kit.errors import InputError, KitError, MissingExtra


@dataclass(frozen=True)
class WithKey:
    """Sign with a private key (PEM, on a NIST curve); `password` if it is encrypted."""

    key: Path
    password: str | None = None


@dataclass(frozen=True)
class WithCertificate:
    """Sign with a private key and its certificate; `chain` are the certificates between it and the root."""

    key: Path
    certificate: Path
    chain: tuple[Path, ...] = ()


@dataclass(frozen=True)
class WithSigstore:
    """Sign with a short-lived certificate from Sigstore; needs a network and an identity."""


_CURVES = "Use a key in PEM on the curve P-256, P-384 or P-521."
Means = WithKey | WithCertificate | WithSigstore


class Unfounded(Exception):
    """The signature does not lead to the trusted root or identity; another signer made it."""


def make_signature(name: str, files: Mapping[str, bytes], means: Means) -> bytes:
    """Sign files, and return the content of the signature file. Raises InputError if the key cannot be used."""
    signing = _library("signing")
    if not isinstance(means, WithSigstore):
        _refuse_other_keys(means.key, means.password if isinstance(means, WithKey) else None)
    with _folder(name, files) as (folder, file):
        try:
            _configured(signing.Config(), means).sign(folder, file)
        except ValueError as error:
            raise InputError(f"The key cannot sign: {_sentence(error)}", _place(means)) from None
        return file.read_bytes()


def holds(signature: bytes, name: str, files: Mapping[str, bytes], trusted: Path | Identity, kind: str) -> bool:
    """Whether a signature is of exactly these files, and the trusted key, root or identity made it.

    Raises Unfounded if a certificate leads to no trusted root, or a signature of Sigstore is not the identity's.
    """
    config = _trusting(trusted, kind)
    with _folder(name, files) as (folder, file):
        file.write_bytes(signature)
        try:
            config.verify(folder, file)
        except Exception as error:  # each kind of signature has its own errors
            if isinstance(trusted, Identity) or type(error).__name__ == "X509StoreContextError":
                raise Unfounded(_sentence(error)) from None
            return False
    return True


def key_fingerprint(file: Path) -> str:
    """Return the SHA-256 of a public key as a signature names it. Raises InputError if it is no public key."""
    _library("verifying")
    import hashlib

    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    try:
        key = load_pem_public_key(file.read_bytes())
    except ValueError as error:
        raise InputError(f"The public key cannot be read: {_sentence(error)}", str(file)) from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise InputError("This public key is not on an elliptic curve.", str(file), _CURVES)
    return hashlib.sha256(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _refuse_other_keys(file: Path, password: str | None) -> None:
    """Raise InputError for what is no private key on an elliptic curve, or does not open with this password."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(file.read_bytes(), None if password is None else password.encode())
    except (ValueError, TypeError) as error:  # the library's way to say that a password lacks, or is too much
        raise InputError(f"The key cannot sign: {_sentence(error)}", str(file), _CURVES) from None
    except OSError as error:
        raise InputError(f"The key cannot be read: {error.strerror}.", str(file)) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InputError("The key cannot sign: it is not on an elliptic curve.", str(file), _CURVES)


def _configured(config: Any, means: Means) -> Any:
    if isinstance(means, WithKey):
        password = means.password.encode() if means.password is not None else None
        return config.use_elliptic_key_signer(private_key=means.key, password=password)
    if isinstance(means, WithCertificate):
        chain = means.chain or (means.certificate,)  # the library reads no empty chain
        return config.use_certificate_signer(
            private_key=means.key, signing_certificate=means.certificate, certificate_chain=chain
        )
    try:
        return config.use_sigstore_signer(use_ambient_credentials=True)
    except Exception as error:
        raise KitError(f"Sigstore cannot be reached: {_sentence(error)}") from None


def _trusting(trusted: Path | Identity, kind: str) -> Any:
    config = _library("verifying").Config()
    try:
        if isinstance(trusted, Identity):
            return config.use_sigstore_verifier(identity=trusted.identity, oidc_issuer=trusted.issuer)
        if kind == "key":
            return config.use_elliptic_key_verifier(public_key=trusted)
        return config.use_certificate_verifier(certificate_chain=[trusted])
    except ValueError as error:
        raise InputError(f"This signer cannot be trusted: {_sentence(error)}", str(trusted)) from None
    except Exception as error:
        raise KitError(f"Sigstore's root of trust cannot be read: {_sentence(error)}") from None


def _library(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"model_signing.{module}")
    except ModuleNotFoundError:
        raise MissingExtra("model-signing", "sign") from None


@contextmanager
def _folder(name: str, files: Mapping[str, bytes]) -> Iterator[tuple[Path, Path]]:
    """Give a folder that holds exactly these files, under this name, and a path for the signature outside it."""
    with tempfile.TemporaryDirectory(prefix="kit-sign-") as place:
        folder = Path(place) / name
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        yield folder, Path(place) / "signature"


def _place(means: Means) -> str:
    return "" if isinstance(means, WithSigstore) else str(means.key)


def _sentence(error: Exception) -> str:
    return f"{str(error).strip().rstrip('.') or type(error).__name__}."
