"""Sign bundles, and verify where a bundle and its measurements come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from kit.checks import Check
    from kit.errors import Exit


@dataclass(frozen=True)
class Signed:
    """A signature that was made: its file, the bundle, the attestations that it covers, its signer and the status.

    `status` is that of the bundle: a signature says who vouches for a measurement, not that it was a good one.
    """

    bundle: str
    file: Path
    signer: str
    attestations: tuple[str, ...]
    status: str


@dataclass(frozen=True)
class FoundSignature:
    """A signature beside a bundle: by a trusted signer, by another one, or not of this bundle (`reason` says why)."""

    file: Path
    state: Literal["trusted", "unknown", "invalid"]
    signer: str
    attestations: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Verification:
    """What was verified about a bundle: every check, the worst first, and every signature."""

    bundle: str
    name: str
    checks: tuple[Check, ...]
    signatures: tuple[FoundSignature, ...]

    @property
    def exit_code(self) -> Exit:
        """OK if every check held, GATE_FAILED if one failed, else UNMEASURED."""
        from kit.errors import Exit

        states = {check.state for check in self.checks}
        if "failed" in states:
            return Exit.GATE_FAILED
        return Exit.UNMEASURED if "unmeasured" in states else Exit.OK


def sign(
    bundle: str = "latest",
    *,
    key: str | Path | None = None,
    password: str | None = None,
    certificate: str | Path | None = None,
    chain: Sequence[str | Path] = (),
    sigstore: bool = False,
    project: str | Path = ".",
    attestations: str | Path | None = None,
) -> Signed:
    """Sign a bundle and every attestation about it, after its files are verified.

    `key` is a private key (PEM), `password` that of the key if it is encrypted. With `certificate`, and `chain` up to
    the root, the certificate names the signer. `sigstore` signs with an identity, over the network, without a key. The
    signature lies beside the attestations; `attestations` is their folder if it is not where a store has it.

    Raises InputError for a key that cannot sign, Refused if the bundle or an attestation was altered.
    """
    from kit.workflows.steps.signing import means_of, signed

    means = means_of(key, password, certificate, chain, sigstore)
    return signed(Path(project), bundle, attestations, means)


def verify(
    bundle: str = "latest",
    *,
    public_keys: Sequence[str | Path] = (),
    identity: str | None = None,
    issuer: str | None = None,
    project: str | Path = ".",
    attestations: str | Path | None = None,
) -> Verification:
    """Verify a bundle without an engine: its files, its renders, its attestations, its standing and who signed.

    `public_keys` are files of public keys or root certificates (PEM) that you trust; `identity` and `issuer` name a
    trusted signer of Sigstore. With any of them, only what the trusted signed counts for the standing. Raises
    InputError if there is no such bundle or a file is no key.
    """
    from kit.workflows.steps.signing import trust_of, verified

    return verified(Path(project), bundle, attestations, trust_of(public_keys, identity, issuer))
