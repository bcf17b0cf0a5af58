"""Signs a bundle, and verifies what can be verified about one without an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from kit.bundle.attestation import Attestation, shortfalls, status_sentence, was_measured
from kit.bundle.signing.check import Signature, read_signatures
from kit.bundle.signing.library import Means, WithCertificate, WithKey, WithSigstore
from kit.bundle.signing.sign import sign_bundle
from kit.bundle.signing.trust import Identity, Trust, read_trust
from kit.bundle.store import Bundle
from kit.bundle.verify import verify_files, verify_renders
from kit.checks import Check
from kit.errors import InputError, Problem, Refused
from kit.workflows.signing import FoundSignature, Signed, Verification
from kit.workflows.steps.bundles import FoundBundle, find_bundle

_SHORT = 12
_WORST_FIRST = ("failed", "unmeasured", "held")


def means_of(
    key: str | Path | None,
    password: str | None,
    certificate: str | Path | None,
    chain: Sequence[str | Path],
    sigstore: bool,
) -> Means:
    """Return how to sign. Raises InputError for arguments that do not go together."""
    if sigstore:
        if key or certificate or chain:
            raise InputError("Sigstore signs with an identity, without a key or a certificate.", "--sigstore")
        return WithSigstore()
    if key is None:
        advice = "Give a private key: --key FILE. OpenSSL makes one: openssl ecparam -name prime256v1 -genkey -noout"
        raise InputError("There is nothing to sign with.", "--key", advice)
    for file in (key, certificate, *chain):
        if file is not None and not Path(file).is_file():
            raise InputError("There is no such file.", str(file))
    if certificate is None:
        if chain:
            raise InputError("A chain belongs to a certificate.", "--chain", "Give it too: --certificate FILE")
        return WithKey(Path(key), password)
    if password is not None:
        raise InputError("The key of a certificate cannot have a password here.", "--password-variable")
    return WithCertificate(Path(key), Path(certificate), tuple(map(Path, chain)))


def signed(project: Path, ref: str, attestations: str | Path | None, means: Means) -> Signed:
    """Verify a bundle's files, and sign it."""
    found = find_bundle(project, ref, attestations)
    verify_files(found.bundle)
    file, statement = sign_bundle(found.bundle, found.attestations, found.folder, means)
    status = status_sentence(found.attestations)
    return Signed(found.bundle.digest, file, str(statement.signer), tuple(sorted(statement.attestations)), status)


def trust_of(public_keys: Sequence[str | Path], identity: str | None, issuer: str | None) -> Trust:
    """Return who is trusted. Raises InputError for an identity without its issuer."""
    if (identity is None) != (issuer is None):
        raise InputError("An identity of Sigstore needs its issuer, and the other way round.", "--identity, --issuer")
    identities = [Identity(identity=identity, issuer=issuer)] if identity and issuer else []
    return read_trust(public_keys, identities)


def verified(project: Path, ref: str, attestations: str | Path | None, trust: Trust) -> Verification:
    """Make every check; one that fails stops no other."""
    found = find_bundle(project, ref, attestations)
    bundle = found.bundle
    files = _checked("files", "Every file is as the manifest and the seal say.", lambda: verify_files(bundle))
    signatures: tuple[Signature, ...] = ()
    if files.state == "held":
        signatures = read_signatures(bundle, found.attestations, found.folder, trust)
    checks = [
        files,
        _renders(bundle, files),
        _unaltered(found.attestations),
        _standing(bundle, _counting(found, signatures, trust), bool(trust)),
        _origin(found, signatures, trust, files),
    ]
    checks.sort(key=lambda check: _WORST_FIRST.index(check.state))
    shown = tuple(FoundSignature(s.file, s.state, s.signer, tuple(sorted(s.covers)), s.reason) for s in signatures)
    return Verification(bundle.digest, bundle.seal.name, tuple(checks), shown)


def _checked(name: str, right: str, verify: Callable[[], None]) -> Check:
    try:
        verify()
    except Refused as error:
        return Check.failed(name, error)
    return Check(name, "held", right)


def _renders(bundle: Bundle, files: Check) -> Check:
    if files.state != "held":
        return Check("renders", "unmeasured", "Not measured: its files are not what was sealed.", waits_for="files")
    right = f"All {len(bundle.seal.golden)} golden dialogues render as sealed."
    return _checked("renders", right, lambda: verify_renders(bundle, bundle.renderer()))


def _unaltered(attestations: Sequence[Attestation]) -> Check:
    if not attestations:
        return Check("attestations", "unmeasured", "There is none.")
    faults = [Problem(each.fault) for each in attestations if each.fault]
    count = f"{len(attestations)} attestation{'s' if len(attestations) > 1 else ''}"
    return Check.listed("attestations", faults, f"The checksum of {count} is right; it does not say who wrote them.")


def _counting(found: FoundBundle, signatures: Sequence[Signature], trust: Trust) -> tuple[Attestation, ...]:
    """Return the attestations that count: all, or where somebody is trusted those that the trusted signed."""
    if not trust:
        return found.attestations
    covered = {name for each in signatures if each.state == "trusted" for name in each.covers}
    return tuple(each for each in found.attestations if not each.fault and each.file_name in covered)


def _standing(bundle: Bundle, attestations: Sequence[Attestation], signed_only: bool) -> Check:
    sentence = status_sentence(attestations)
    if signed_only and not was_measured(attestations):
        return Check("standing", "unmeasured", "No evaluation is signed by a trusted signer.")
    if not was_measured(attestations) and not any(each.fault for each in attestations):
        problem = Problem(sentence, next=f"Measure it with: kit eval {bundle.digest[:_SHORT]}")
        return Check("standing", "unmeasured", sentence, (problem,))
    short = [Problem(reason) for reason in shortfalls(attestations)]
    return Check("standing", "failed" if short else "held", sentence, tuple(short))


def _origin(found: FoundBundle, signatures: Sequence[Signature], trust: Trust, files: Check) -> Check:
    """Who signed, as far as it can be known."""
    if files.state != "held":
        return Check("signature", "unmeasured", "Not measured: its files are not what was sealed.", waits_for="files")
    if invalid := [Problem(each.reason, str(each.file)) for each in signatures if each.state == "invalid"]:
        return Check.listed("signature", invalid, "")
    trusted = {each.signer for each in signatures if each.state == "trusted"}
    if trusted:
        covered = {name for each in signatures if each.state == "trusted" for name in each.covers}
        later = sum(each.file_name not in covered for each in found.attestations)
        rest = f" {later} of {len(found.attestations)} attestations are not signed and do not count." if later else ""
        return Check("signature", "held", f"Signed by {' and '.join(sorted(trusted))}.{rest}")
    if trust:
        others = [Problem(each.reason, str(each.file)) for each in signatures]
        unsigned = Problem("It is not signed.", str(found.folder), "Ask its maker for a signature.")
        return Check.listed("signature", others or [unsigned], "")
    if signatures:
        names = " and ".join(sorted({each.signer for each in signatures}))
        advice = "Give the public key of the signer that you trust: --public-key FILE"
        what = f"It says that {names} signed it, which was not verified."
        return Check("signature", "unmeasured", what, (Problem(what, next=advice),))
    what = "It is not signed: who wrote it and its attestations cannot be known."
    return Check("signature", "unmeasured", what, (Problem(what, next="Sign it with: kit sign"),))
