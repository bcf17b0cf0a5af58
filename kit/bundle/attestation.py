"""Attestations: results about a bundle, written after it and beside it. Each carries the digest of its own words."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from kit.errors import InputError

Standing = Literal["verified", "preview"]
EVALUATION = "evaluation"


@dataclass(frozen=True)
class Attestation:
    """One result about one bundle.

    `sequence` counts the bundle's attestations from 1; `at` is UTC in ISO 8601; `digest` is the SHA-256 of everything
    else. `fault` says why it does not count, and is empty where it does.
    """

    kind: str
    bundle: str
    sequence: int
    at: str
    payload: Mapping[str, Any]
    digest: str
    fault: str = ""

    @property
    def file_name(self) -> str:
        """The name that it is stored under."""
        return f"{self.kind}-{self.digest[:16]}.json"


def make_attestation(kind: str, bundle: str, sequence: int, at: str, payload: Mapping[str, Any]) -> Attestation:
    """Return an attestation that carries its own digest.

    Raises InputError where the kind is not a plain word or the payload cannot be written as JSON.
    """
    if not re.fullmatch(r"[a-z]+", kind):
        raise InputError(f"'{kind}' is not a kind of attestation: use one lower-case word.")
    try:
        plain = json.loads(json.dumps(dict(payload), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"The attestation '{kind}' cannot be written as JSON: {error}.") from None
    return Attestation(kind, bundle, sequence, at, plain, _digest(kind, bundle, sequence, at, plain))


def read_attestation(file: Path, bundle: str) -> Attestation:
    """Read an attestation; one that was altered, renamed or moved comes back with its fault."""
    kind = file.stem.rsplit("-", 1)[0]
    try:
        found = Attestation(**json.loads(file.read_bytes()))
        honest = found == make_attestation(found.kind, found.bundle, found.sequence, found.at, found.payload)
        honest = honest and found.file_name == file.name
    except (ValueError, TypeError, InputError):
        honest = False
    if not honest:
        return _void(kind, bundle, f"{file} was altered after it was written, so it does not count.")
    if found.bundle != bundle:
        return _void(kind, bundle, f"{file} is about another bundle, so it does not count.")
    return found


def _void(kind: str, bundle: str, fault: str) -> Attestation:
    return Attestation(kind, bundle, 0, "", {}, "", fault)


def attestation_json(attestation: Attestation) -> str:
    """The text of an attestation's file."""
    fields = {key: value for key, value in asdict(attestation).items() if key != "fault"}
    return json.dumps(fields, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def standing(attestations: Sequence[Attestation]) -> Standing:
    """Return "verified" where the latest evaluation declared gates and every one of them held; else "preview".

    An evaluation that was altered might have been the latest one, so nothing is verified while it lies there.
    """
    evaluations = [attestation for attestation in attestations if attestation.kind == EVALUATION]
    if not evaluations or any(evaluation.fault for evaluation in evaluations):
        return "preview"
    gates = max(evaluations, key=lambda evaluation: evaluation.sequence).payload.get("gates", [])
    return "verified" if gates and all(gate.get("outcome") == "held" for gate in gates) else "preview"


def _digest(kind: str, bundle: str, sequence: int, at: str, payload: Mapping[str, Any]) -> str:
    words = json.dumps([kind, bundle, sequence, at, payload], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()
