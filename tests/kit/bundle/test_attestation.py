"""A bundle's status names its reason: which gate failed, with which figures, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.bundle.attestation import (
    EVALUATION,
    VERIFIED_MEANS,
    Attestation,
    make_attestation,
    shortfalls,
    status_of,
    status_sentence,
)
from kit.bundle.card import write_card
from kit.bundle.seal import read_seal
from kit.errors import Refused
from serving.models.catalogue import Deployed, check_exposure
from serving.settings import Settings
from tests.serving.bundles import weightless_bundle

ROOT = Path(__file__).parents[3]
AT = "2026-01-01T00:00:00+00:00"
HELD = {"name": "toy: stop_rate", "outcome": "held", "reason": "1.000 (1.000–1.000), 0.9 required."}
FAILED = {"name": "toy: accuracy", "outcome": "failed", "reason": "0.163, 0.8 required."}
UNSURE = {"name": "toy: recall", "outcome": "unmeasured", "reason": "9 groups of examples are too few."}


def evaluation(*gates: dict[str, Any], tasks: tuple[str, ...] = ("toy",), sequence: int = 1) -> Attestation:
    payload = {"tasks": [{"task": task} for task in tasks], "gates": list(gates)}
    return make_attestation(EVALUATION, "ab" * 32, sequence, AT, payload)


@pytest.mark.parametrize(
    ("attested", "status"),
    [
        ([], "Status: preview (it was not measured yet)."),
        ([evaluation()], "Status: preview (its evaluation declared no gates)."),
        ([evaluation(HELD)], "Status: verified (1 gate held)."),
        ([evaluation(HELD, FAILED)], "Status: preview (accuracy 0.163, 0.8 required)."),
        (
            [evaluation(UNSURE, HELD, FAILED)],
            "Status: preview (accuracy 0.163, 0.8 required; recall: 9 groups of examples are too few).",
        ),
        ([evaluation(FAILED), evaluation(HELD, sequence=2)], "Status: verified (1 gate held)."),
        ([evaluation(FAILED, tasks=("toy", "other"))], "Status: preview (toy: accuracy 0.163, 0.8 required)."),
        ([evaluation({"name": "old", "outcome": "failed"})], "Status: preview (old failed)."),
        (
            [evaluation(FAILED | {"name": "data.leaks", "reason": "2 of 9 test rows were trained on."})],
            "Status: preview (data.leaks: 2 of 9 test rows were trained on).",
        ),
        (
            [evaluation(FAILED | {"name": "recall not worse than base", "reason": "0.100 against 0.900: worse."})],
            "Status: preview ('recall not worse than base': 0.100 against 0.900: worse).",
        ),
    ],
)
def test_the_status_says_why(attested: list[Attestation], status: str) -> None:
    assert status_sentence(attested) == status
    assert status.startswith(f"Status: {status_of(attested)} ")


def test_each_shortfall_is_a_sentence_and_failed_gates_come_first() -> None:
    assert shortfalls([evaluation(UNSURE, HELD, FAILED)]) == (
        "Gate accuracy failed: 0.163, 0.8 required.",
        "Gate recall could not be measured: 9 groups of examples are too few.",
    )
    assert shortfalls([evaluation(HELD)]) == ()


def refusal(place: Path, *attested: Attestation) -> str:
    deployed = Deployed(weightless_bundle(place), status_of(attested), attested)
    with pytest.raises(Refused) as refused:
        check_exposure(Settings(host="0.0.0.0"), [deployed])
    return str(refused.value)


def test_a_bundle_with_a_failed_gate_is_refused_without_advice_to_measure_again(tmp_path: Path) -> None:
    message = refusal(tmp_path, evaluation(HELD, FAILED))
    assert "is a preview. Gate accuracy failed: 0.163, 0.8 required." in message
    assert "kit eval" not in message
    assert "127.0.0.1, not 0.0.0.0" in message


def test_a_bundle_that_was_not_measured_is_refused_with_the_way_to_measure_it(tmp_path: Path) -> None:
    message = refusal(tmp_path)
    assert "It was not measured yet. Measure it with: kit eval " in message


def test_one_sentence_says_everywhere_what_verified_means(tmp_path: Path) -> None:
    card = write_card(read_seal(weightless_bundle(tmp_path).folder), "", {})
    pages = [ROOT / "README.md", ROOT / "docs" / "guides" / "report.md"]
    for text in (card, *(page.read_text(encoding="utf-8") for page in pages)):
        assert f"`verified` means: {VERIFIED_MEANS}" in " ".join(text.split())


def test_a_checksum_is_never_called_a_signature(tmp_path: Path) -> None:
    card = write_card(read_seal(weightless_bundle(tmp_path).folder), "", {})
    pages = [ROOT / "SECURITY.md", ROOT / "docs" / "guides" / "report.md"]
    for text in (card, *(page.read_text(encoding="utf-8") for page in pages)):
        assert "no signature" in " ".join(text.split())
