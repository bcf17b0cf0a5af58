"""Attestations: results about a bundle, stored next to it. Each carries the digest of its own text.

The digest is a checksum, not a signature. It shows that a file was damaged or edited; it cannot show who wrote it:
anyone who can write to a project's folder can write an attestation with any result.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from kit.bundle.manifest import canonical_json
from kit.errors import InputError

Status = Literal["verified", "preview", "unproved"]
EVALUATION = "evaluation"
VERIFIED_MEANS = (
    "the service runs exactly the model that was measured, with its gates passed; "
    "how often it is right is what the scores say."
)


@dataclass(frozen=True)
class Attestation:
    """One result about one bundle.

    `sequence` counts the bundle's attestations from 1; `at` is UTC in ISO 8601; `digest` is the SHA-256 of everything
    else. `fault` says why it does not count; empty if it counts.
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
        """The name of its file."""
        return f"{self.kind}-{self.digest[:16]}.json"


def make_attestation(kind: str, bundle: str, sequence: int, at: str, payload: Mapping[str, Any]) -> Attestation:
    """Return an attestation that carries its own digest.

    Raises InputError if the kind is not a plain word or the payload cannot be written as JSON.
    """
    if not re.fullmatch(r"[a-z]+", kind):
        raise InputError(f"'{kind}' is not a kind of attestation: use one lower-case word.")
    try:
        plain = json.loads(json.dumps(dict(payload), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"The attestation '{kind}' cannot be written as JSON: {error}.") from None
    return Attestation(kind, bundle, sequence, at, plain, _digest(kind, bundle, sequence, at, plain))


def read_attestation(file: Path, bundle: str) -> Attestation:
    """Read an attestation; one that was altered, renamed or moved has a fault."""
    kind = file.stem.rsplit("-", 1)[0]
    try:
        found = Attestation(**json.loads(file.read_bytes()))
        valid = found == make_attestation(found.kind, found.bundle, found.sequence, found.at, found.payload)
        valid = valid and found.file_name == file.name
    except (ValueError, TypeError, InputError):
        valid = False
    if not valid:
        return _invalid(kind, bundle, f"{file} was altered after it was written, so it does not count.")
    if found.bundle != bundle:
        return _invalid(kind, bundle, f"{file} is about another bundle, so it does not count.")
    return found


def _invalid(kind: str, bundle: str, fault: str) -> Attestation:
    return Attestation(kind, bundle, 0, "", {}, "", fault)


def attestation_json(attestation: Attestation) -> str:
    """The text of an attestation's file."""
    fields = {key: value for key, value in asdict(attestation).items() if key != "fault"}
    return canonical_json(fields).decode()


def status_of(attestations: Sequence[Attestation]) -> Status:
    """Return "verified" if the latest evaluation declared gates and all of them held; else "preview".

    An altered evaluation might have been the latest one, so its file keeps the bundle from being verified.
    """
    return "preview" if shortfalls(attestations) else "verified"


def shortfalls(attestations: Sequence[Attestation]) -> tuple[str, ...]:
    """Return why a bundle is not verified, one sentence each, failed gates first; empty if it is verified."""
    why, gates = _latest(attestations)
    return (why,) if why else tuple(gate_sentence(gate) for gate in _not_held(gates))


def status_sentence(attestations: Sequence[Attestation]) -> str:
    """Return a bundle's status with its reason: "Status: preview (accuracy 0.163, 0.8 required)."."""
    why, gates = _latest(attestations)
    short = [why[:1].lower() + why[1:]] if why else [_in_brackets(gate) for gate in _not_held(gates)]
    if short:
        return f"Status: preview ({'; '.join(reason.removesuffix('.') for reason in short)})."
    return f"Status: verified ({len(gates)} {'gates' if len(gates) > 1 else 'gate'} held)."


def was_measured(attestations: Sequence[Attestation]) -> bool:
    """Whether there is an evaluation that counts."""
    return any(each.kind == EVALUATION and not each.fault for each in attestations)


def gate_sentence(gate: Mapping[str, Any]) -> str:
    """Return the outcome of an attested gate as a sentence: "Gate accuracy failed: 0.163, 0.8 required."."""
    outcome = gate.get("outcome")
    words = outcome if outcome in ("held", "failed") else "could not be measured"
    reason = gate.get("reason")
    return f"Gate {_name(gate)} {words}{f': {reason}' if reason else '.'}"


def _latest(attestations: Sequence[Attestation]) -> tuple[str, list[dict[str, Any]]]:
    """Return the gates of the latest evaluation, or why there are none.

    If the bundle has one task, the names of the gates leave it out.
    """
    evaluations = [attestation for attestation in attestations if attestation.kind == EVALUATION]
    if not evaluations:
        return "It was not measured yet.", []
    if faults := [evaluation.fault for evaluation in evaluations if evaluation.fault]:
        return faults[0], []
    payload = max(evaluations, key=lambda evaluation: evaluation.sequence).payload
    if not payload.get("gates"):
        return "Its evaluation declared no gates.", []
    tasks = [task.get("task") for task in payload.get("tasks") or []]
    task = f"{tasks[0]}: " if len(tasks) == 1 else ""
    return "", [{**gate, "name": str(gate.get("name")).removeprefix(task)} for gate in payload["gates"]]


def _not_held(gates: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The gates that failed, and then those that could not be measured."""
    short = [gate for gate in gates if gate.get("outcome") != "held"]
    return sorted(short, key=lambda gate: gate.get("outcome") != "failed")


def _in_brackets(gate: Mapping[str, Any]) -> str:
    reason = gate.get("reason") or gate.get("outcome")
    separator = "" if reason == "failed" or str(reason).partition(",")[0].replace(".", "").isdigit() else ":"
    return f"{_name(gate)}{separator} {reason}"


def _name(gate: Mapping[str, Any]) -> str:
    """Quote a name of several words, so that its end is visible in a sentence."""
    name = str(gate.get("name"))
    return f"'{name}'" if " " in name.rpartition(": ")[2] else name


def _digest(kind: str, bundle: str, sequence: int, at: str, payload: Mapping[str, Any]) -> str:
    words = json.dumps([kind, bundle, sequence, at, payload], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()
