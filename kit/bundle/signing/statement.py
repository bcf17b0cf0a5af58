"""What a signature file says, before anything is verified: the bundle, the attestations, and the signer that it names.

The file is a Sigstore bundle in JSON. Its payload, an in-toto statement, lists the signed files with their SHA-256: the
bundle's manifest, whose SHA-256 is the bundle's digest, and its attestations. Nothing here loads a heavy package.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kit.bundle.attestation import Attestation, attestation_json
from kit.bundle.manifest import MANIFEST_FILE

SignerKind = Literal["key", "certificate", "identity"]
_FOLDER = "attestations"
_ATTESTATION = re.compile(rf"{_FOLDER}/(?P<name>[a-z]+-[0-9a-f]{{16}}\.json)")
_HEX = re.compile(r"[0-9a-f]{64}")
_SHORT = 12


@dataclass(frozen=True)
class Signer:
    """Who a signature file says has signed: its kind, and the SHA-256 of the public key or of the certificate."""

    kind: SignerKind
    fingerprint: str

    def __str__(self) -> str:
        kind = "certificate of the identity" if self.kind == "identity" else self.kind
        return f"the {kind} {self.fingerprint[:_SHORT]}"


@dataclass(frozen=True)
class Statement:
    """A bundle's digest, the SHA-256 of each signed attestation by file name, and the signer."""

    bundle: str
    attestations: Mapping[str, str]
    signer: Signer


def signed_files(manifest: bytes, attestations: Iterable[Attestation]) -> dict[str, bytes]:
    """Return the files that a signature covers, by their name in the statement."""
    texts = {f"{_FOLDER}/{each.file_name}": attestation_json(each).encode() for each in attestations}
    return {MANIFEST_FILE: manifest, **texts}


def read_statement(content: bytes) -> Statement:
    """Read a signature file. Raises ValueError, with a sentence, if it is none for a bundle."""
    try:
        signature = json.loads(content)
        signer = _signer(signature["verificationMaterial"])
        payload = json.loads(base64.b64decode(signature["dsseEnvelope"]["payload"], validate=True))
        digests = {str(each["name"]): str(each["digest"]) for each in payload["predicate"]["resources"]}
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        raise ValueError("The signature cannot be read.") from None
    bundle = digests.pop(MANIFEST_FILE, "")
    names = {name: _ATTESTATION.fullmatch(name) for name in digests}
    if not all(names.values()) or not all(_HEX.fullmatch(digest) for digest in (bundle, *digests.values())):
        raise ValueError("This is a signature, but not of a bundle and its attestations.")
    return Statement(bundle, {match["name"]: digests[name] for name, match in names.items() if match}, signer)


def _signer(material: Mapping[str, Any]) -> Signer:
    """Return the signer that a signature names; raises KeyError or ValueError if it names none."""
    if "publicKey" in material:
        return Signer("key", str(material["publicKey"]["hint"]))
    if "x509CertificateChain" in material:
        return Signer("certificate", _fingerprint(material["x509CertificateChain"]["certificates"][0]))
    return Signer("identity", _fingerprint(material["certificate"]))


def _fingerprint(certificate: Mapping[str, Any]) -> str:
    return hashlib.sha256(base64.b64decode(certificate["rawBytes"], validate=True)).hexdigest()
