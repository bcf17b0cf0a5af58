"""The expected calibration error: how far confidences are from the share of right answers (Naeini et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence

from kit.metrics.reductions import total
from kit.task import Metric, Record

BINS = 10


def calibration_record(confidence: float, right: bool) -> dict[str, float]:
    """Return what one answer adds to the bin of its confidence."""
    number = min(int(confidence * BINS), BINS - 1)
    return {f"bin:{number}": 1.0, f"sure:{number}": confidence, f"good:{number}": float(right)}


def calibration_error() -> Metric:
    """The mean distance between confidence and accuracy, over ten bins, weighted by their answers."""

    def reduce(records: Sequence[Record]) -> float | None:
        answers = sum(total(records, f"bin:{number}") for number in range(BINS))
        if not answers:
            return None
        gaps = [abs(total(records, f"sure:{number}") - total(records, f"good:{number}")) for number in range(BINS)]
        return sum(gaps) / answers

    return Metric(reduce, False, "Expected calibration error: mean distance of confidence from accuracy, ten bins")
