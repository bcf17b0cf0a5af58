"""How far a bundle may be served: its status, from the attestations that count under the service's settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kit.bundle.attestation import Attestation, status_of
from kit.bundle.signing.check import vouched
from kit.bundle.signing.trust import read_trust
from kit.bundle.store import Bundle
from serving.models.catalogue import Deployed, SignatureStatus
from serving.settings import Settings


def judged(
    bundle: Bundle, attestations: Sequence[Attestation], folder: Path, settings: Settings, proves: bool = True
) -> Deployed:
    """Return a bundle with its status; where signatures are required, only what trusted signers signed counts.

    `folder` holds the attestations and the signatures. Without `proves` the engine renders for itself, and nothing is
    proved. Raises Refused if a signature is bad or another signer's.
    """
    if not settings.signatures_required:
        return Deployed(bundle, status_of(attestations) if proves else "unproved", tuple(attestations))
    trust = read_trust(settings.require_signature, settings.require_identity)
    found = vouched(bundle, attestations, folder, trust)
    status = status_of(found.attestations) if proves else "unproved"
    signature: SignatureStatus = "signed" if found.signers else "unsigned"
    return Deployed(bundle, status, found.attestations, signature, found.signers, found.left_out)
