"""Checks the signatures of a bundle, and says which attestations count where signatures are required."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kit.bundle.attestation import Attestation
from kit.bundle.manifest import MANIFEST_FILE
from kit.bundle.signing.library import Unfounded, holds, key_fingerprint
from kit.bundle.signing.statement import Statement, read_statement, signed_files
from kit.bundle.signing.trust import Identity, Trust
from kit.bundle.store import Bundle
from kit.errors import Problem, Refused

PATTERN = "*.sig"
_SHORT = 12
SignatureState = Literal["trusted", "unknown", "invalid"]
"""A signature by a trusted signer; one by anybody else; one that does not fit the bundle or its attestations."""


@dataclass(frozen=True)
class Signature:
    """One signature file about a bundle: its state and why, its signer, and the attestations that it covers."""

    file: Path
    state: SignatureState
    signer: str
    covers: frozenset[str]
    reason: str = ""


@dataclass(frozen=True)
class Vouched:
    """What trusted signers vouch for: the attestations that count, and the files of those that do not.

    Without `signers` the bundle is unsigned, and no attestation counts.
    """

    signers: tuple[str, ...]
    attestations: tuple[Attestation, ...]
    left_out: tuple[str, ...]


def vouched(bundle: Bundle, attestations: Sequence[Attestation], folder: Path, trust: Trust) -> Vouched:
    """Return what trusted signers vouch for; `folder` holds the attestations and the signatures.

    Raises Refused if a signature is not of this bundle and its attestations, or if others than the trusted signed it.
    """
    found = read_signatures(bundle, attestations, folder, trust)
    trusted = [each for each in found if each.state == "trusted"]
    bad = [each for each in found if each.state == "invalid"] or ([] if trusted else found)
    if bad:
        raise Refused([Problem(each.reason, str(each.file), "Get it again from its signer.") for each in bad])
    covered = frozenset().union(*(each.covers for each in trusted))
    counting = tuple(each for each in attestations if not each.fault and each.file_name in covered)
    others = tuple(each.file_name for each in attestations if each not in counting)
    return Vouched(tuple(dict.fromkeys(each.signer for each in trusted)), counting, others)


def read_signatures(
    bundle: Bundle, attestations: Sequence[Attestation], folder: Path, trust: Trust
) -> tuple[Signature, ...]:
    """Return every signature in a folder with its state, in the order of their names."""
    files = sorted(folder.glob(PATTERN))
    if not files:
        return ()
    present = signed_files(_manifest(bundle), [each for each in attestations if not each.fault])
    keys = {key_fingerprint(file): file for file in trust.keys}
    return tuple(_checked(file, bundle.digest, present, trust, keys) for file in files)


def _manifest(bundle: Bundle) -> bytes:
    content = (bundle.folder / MANIFEST_FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != bundle.digest:
        raise Refused("The manifest does not have the digest that the bundle is named after.", str(bundle.folder))
    return content


def _checked(
    file: Path, digest: str, present: Mapping[str, bytes], trust: Trust, keys: Mapping[str, Path]
) -> Signature:
    try:
        content = file.read_bytes()
        statement = read_statement(content)
    except (OSError, ValueError) as error:
        return Signature(file, "invalid", "", frozenset(), str(error))
    signer, covers = str(statement.signer), frozenset(statement.attestations)
    if reason := _misfit(statement, digest, present):
        return Signature(file, "invalid", signer, covers, reason)
    signed = {name: text for name, text in present.items() if name == MANIFEST_FILE or Path(name).name in covers}
    state, reason = _state(content, statement, signed, trust, keys)
    return Signature(file, state, signer, covers, reason)


def _misfit(statement: Statement, digest: str, present: Mapping[str, bytes]) -> str:
    """Return why a statement is not about this bundle and these attestations; empty if it is."""
    if statement.bundle != digest:
        return f"This is the signature of another bundle, {statement.bundle[:_SHORT]}."
    now = {Path(name).name: hashlib.sha256(text).hexdigest() for name, text in present.items()}
    lost = sorted(name for name, sha256 in statement.attestations.items() if now.get(name) != sha256)
    return f"The signed attestation {lost[0]} is missing, or was altered after it was signed." if lost else ""


def _state(
    content: bytes, statement: Statement, files: Mapping[str, bytes], trust: Trust, keys: Mapping[str, Path]
) -> tuple[SignatureState, str]:
    """Verify with each trusted signer of the same kind; return the state, and the reason if it is not trusted."""
    signer = statement.signer
    candidates: dict[str, Sequence[Path | Identity]] = {
        "key": [keys[signer.fingerprint]] if signer.fingerprint in keys else [],
        "certificate": trust.roots,
        "identity": trust.identities,
    }
    for trusted in candidates[signer.kind]:
        try:
            right = holds(content, statement.bundle, files, trusted, signer.kind)
        except Unfounded:
            continue
        if right:
            return "trusted", ""
        return "invalid", f"The signature was altered: {signer} did not make it."
    return "unknown", f"This was signed by {signer}, which is not trusted here."
