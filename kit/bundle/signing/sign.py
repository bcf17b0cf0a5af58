"""Signs a bundle: its manifest and every attestation about it. The signature lies beside the attestations."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from kit.bundle.attestation import Attestation
from kit.bundle.manifest import MANIFEST_FILE
from kit.bundle.signing.library import Means, make_signature
from kit.bundle.signing.statement import Statement, read_statement, signed_files
from kit.bundle.store import Bundle
from kit.errors import Problem, Refused
from kit.system.disk import sync_folder
from kit.system.files import write_atomically
from kit.system.locks import wait_for_lock


def sign_bundle(
    bundle: Bundle, attestations: Sequence[Attestation], folder: Path, means: Means
) -> tuple[Path, Statement]:
    """Sign a bundle whose files were verified, and write the signature into the folder of its attestations.

    Earlier signatures stay. Raises Refused if an attestation was altered.
    """
    if faults := [Problem(each.fault) for each in attestations if each.fault]:
        raise Refused(faults)
    files = signed_files((bundle.folder / MANIFEST_FILE).read_bytes(), attestations)
    content = make_signature(bundle.digest, files, means)
    file = folder / f"signature-{hashlib.sha256(content).hexdigest()[:16]}.sig"
    folder.mkdir(parents=True, exist_ok=True)
    with wait_for_lock(folder):
        write_atomically(file, content)
        sync_folder(folder)
    return file, read_statement(content)
