"""The measured quality of a served bundle, from its latest evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from kit.bundle.attestation import EVALUATION, Status
from kit.checks import Outcome
from serving.models.catalogue import Deployed

PATH = "/scores"
_ALTERED = "An evaluation was altered after it was written, so it does not count."
_UNSIGNED = "An attestation is not signed by a trusted signer, so it does not count."
_MEANING: Mapping[Status, str] = {
    "verified": (
        "This is the model that was measured, and every gate that was declared held. "
        "It does not mean that an answer is right: the scores say how often answers were."
    ),
    "preview": (
        "This is the model that was trained, but not every gate was declared, measured and held. "
        "Do not rely on its answers."
    ),
    "unproved": (
        "Another server answers and renders for itself. Nothing shows that it runs the model that was measured. "
        "Do not rely on its answers."
    ),
}


class GateScore(BaseModel):
    """One gate and its outcome."""

    name: str
    outcome: Outcome
    value: float | None = None
    threshold: float | None = None
    reason: str = ""


class Scores(BaseModel):
    """A bundle's status, the meaning of that status, and its latest evaluation; `evaluated_at` is null without one.

    `faults` says why an evaluation does not count. `tasks` has the attested metrics of each task.
    """

    bundle: str
    name: str
    status: Status
    meaning: str
    evaluated_at: str | None
    gates: list[GateScore]
    tasks: list[dict[str, Any]]
    faults: list[str]


def scores_of(deployed: Deployed) -> Scores:
    """Return the scores of a bundle; they are empty if it was never evaluated."""
    evaluations = [each for each in deployed.attestations if each.kind == EVALUATION]
    sound = [each for each in evaluations if not each.fault]
    latest = max(sound, key=lambda each: each.sequence, default=None)
    payload = latest.payload if latest else {}
    return Scores(
        bundle=deployed.bundle.digest,
        name=deployed.bundle.seal.name,
        status=deployed.status,
        meaning=_MEANING[deployed.status],
        evaluated_at=latest.at if latest else None,
        gates=[GateScore.model_validate(gate) for gate in payload.get("gates", [])],
        tasks=[dict(task) for task in payload.get("tasks", [])],
        faults=[*([_ALTERED] if sound != evaluations else []), *([_UNSIGNED] if deployed.left_out else [])],
    )
