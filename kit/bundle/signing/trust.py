"""Who is trusted to sign. It comes from the operator; nothing that lies beside a bundle is ever trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.errors import InputError
from kit.recipe import Section

_ADVICE = "Give the signer's public key, or the certificate of the authority that signed its certificate, as PEM."


class Identity(Section):
    """A signer of Sigstore: the address or workflow in its certificate, and the issuer that confirmed it."""

    identity: str
    issuer: str


@dataclass(frozen=True)
class Trust:
    """Files of public keys, files of root certificates, and identities of Sigstore."""

    keys: tuple[Path, ...] = ()
    roots: tuple[Path, ...] = ()
    identities: tuple[Identity, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.keys or self.roots or self.identities)


def read_trust(files: Iterable[str | Path], identities: Sequence[Identity] = ()) -> Trust:
    """Sort PEM files into keys and certificates. Raises InputError for a file that is neither."""
    keys: list[Path] = []
    roots: list[Path] = []
    for file in map(Path, files):
        (roots if _is_certificate(file) else keys).append(file)
    return Trust(tuple(keys), tuple(roots), tuple(identities))


def _is_certificate(file: Path) -> bool:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"The signer's file cannot be read: {error.strerror}.", str(file), _ADVICE) from None
    if b"PRIVATE KEY-----" in content:
        raise InputError("This is a private key, which only the signer should have.", str(file), _ADVICE)
    if b"-----BEGIN CERTIFICATE-----" in content:
        return True
    if b"-----BEGIN PUBLIC KEY-----" in content:
        return False
    raise InputError("This is neither a public key nor a certificate.", str(file), _ADVICE)
