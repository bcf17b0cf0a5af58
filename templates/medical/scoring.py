"""Scores one answer, and reduces many: calibration (ECE) and the risk-coverage curve.

A verdict is yes, no or maybe, `text` for an answer in words, `none` for an abstention, or `emergency`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from kit.metrics.matching import matches
from kit.metrics.reductions import total
from kit.metrics.rouge import rouge_l
from kit.task import Metric, Record

from .schema import MedicalAnswer

BINS = 10
SLICES = ("decision", "text", "none")


def verdict_of(response: MedicalAnswer) -> str:
    """Return the verdict of a response; an answer that could not be read has one of its own, which is never right."""
    if response.status == "emergency":
        return "emergency"
    if response.status == "answered":
        return response.decision or "text"
    return "unreadable" if response.reason == "unreadable" else "none"


def compare(expected: MedicalAnswer, actual: MedicalAnswer) -> Record:
    """Return what one example adds to the metrics."""
    wanted, given = verdict_of(expected), verdict_of(actual)
    right = _is_right(expected, actual)
    record: dict[str, float] = {"right": float(wanted == given), "asked": 1.0}
    record |= _verdict_counts(wanted, given)
    if wanted == "emergency":
        return record | {"emergencies": 1.0, "emergencies_found": float(given == "emergency")}
    record |= {"ordinary": 1.0, "false_alarms": float(given == "emergency")}
    if wanted == "none":
        record |= {"unanswerable": 1.0, "answered_anyway": float(actual.status == "answered")}
    else:
        found = matches([("id", each) for each in expected.evidence], [("id", each) for each in actual.evidence])
        record |= {f"evidence_{kind}": found[kind] for kind in ("tp", "fp", "fn")}
        record["overlap"] = rouge_l(expected.answer, actual.answer) if actual.status == "answered" else 0.0
    record |= {"answered": float(actual.status == "answered"), "flagged": float(bool(actual.flags))}
    record["wrong"] = float(actual.status == "answered" and not right)
    if actual.confidence is not None:
        record |= {"confidence": actual.confidence, "correct": float(right), f"is_{_slice(given)}": 1.0}
    return record


def _is_right(expected: MedicalAnswer, actual: MedicalAnswer) -> bool:
    """Same verdict; an answer in words must also rest on a passage that was expected."""
    if verdict_of(expected) != verdict_of(actual):
        return False
    return verdict_of(actual) != "text" or bool(set(expected.evidence) & set(actual.evidence))


def _verdict_counts(wanted: str, given: str) -> Record:
    """Hits, false alarms and misses by verdict. Emergencies are counted apart: rules find them, not the model."""
    counts = {f"tp:{wanted}": 1.0} if wanted == given else {f"fn:{wanted}": 1.0, f"fp:{given}": 1.0}
    return {name: count for name, count in counts.items() if not name.endswith(":emergency")}


def _slice(verdict: str) -> str:
    return verdict if verdict in {"text", "none"} else "decision"


# --- calibration ------------------------------------------------------------------------------------------------------


def calibration(records: Iterable[Record], slice_name: str = "") -> list[tuple[float, float, int]]:
    """Return the reliability table: mean confidence, share that was right, and count, of each bin with rows."""
    bins: dict[int, list[tuple[float, float]]] = {}
    for record in records:
        if "confidence" in record and (not slice_name or record.get(f"is_{slice_name}")):
            place = min(BINS - 1, int(record["confidence"] * BINS))
            bins.setdefault(place, []).append((record["confidence"], record["correct"]))
    return [
        (sum(each for each, _ in rows) / len(rows), sum(each for _, each in rows) / len(rows), len(rows))
        for _, rows in sorted(bins.items())
    ]


def ece_over(slice_name: str = "", description: str = "") -> Metric:
    """Expected calibration error (Naeini et al. 2015): mean gap between confidence and share right over ten bins."""

    def reduce(records: Sequence[Record]) -> float | None:
        table = calibration(records, slice_name)
        count = sum(rows for _, _, rows in table)
        return sum(rows * abs(mean - share) for mean, share, rows in table) / count if count else None

    return Metric(reduce, higher_is_better=False, description=description)


# --- risk and coverage ------------------------------------------------------------------------------------------------


def risk_coverage(records: Iterable[Record]) -> list[tuple[float, float]]:
    """Return (coverage, risk) as answers are added from the most to the least confident.

    Coverage is a share of all ordinary questions, risk the share of wrong answers among those given. Equal confidence
    shares its errors, so the order of the rows does not matter.
    """
    rows = [record for record in records if record.get("ordinary")]
    given = [
        (record["confidence"], record["wrong"]) for record in rows if record["answered"] and "confidence" in record
    ]
    curve: list[tuple[float, float]] = []
    wrong = 0.0
    for _, tied in groupby(sorted(given, reverse=True), key=lambda pair: pair[0]):
        errors = [error for _, error in tied]
        for _ in errors:
            wrong += sum(errors) / len(errors)
            curve.append(((len(curve) + 1) / len(rows), wrong / (len(curve) + 1)))
    return curve


def _area(records: Sequence[Record]) -> float | None:
    curve = risk_coverage(records)
    return sum(risk for _, risk in curve) / len(curve) if curve else None


AURC = Metric(_area, higher_is_better=False, description="Area under the risk-coverage curve, over the answers given")


def _risk(records: Sequence[Record]) -> float | None:
    answered = total(records, "answered")
    return total(records, "wrong") / answered if answered else None


RISK = Metric(_risk, higher_is_better=False, description="Share of wrong answers among the answers given")
