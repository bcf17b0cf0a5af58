"""Metrics of answers that come with a confidence: average precision, and precision at a recall.

A record counts answers by confidence in `BINS` equal steps, so that records add up: `scored:BIN:hit` and
`scored:BIN:alarm`. What was missed is counted in the record's `fn`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from kit.metrics.reductions import total
from kit.task import Metric, Record

BINS = 100
_FIELD = "scored"


def scored(answers: Iterable[tuple[float, bool]]) -> Record:
    """Return the counts of answers, each with its confidence (0 to 1) and whether it is right."""
    counts: Counter[str] = Counter()
    for confidence, right in answers:
        place = min(int(confidence * BINS), BINS - 1)
        counts[f"{_FIELD}:{place}:{'hit' if right else 'alarm'}"] += 1
    return {name: float(count) for name, count in counts.items()}


def average_precision(hits: str = "tp", missed: str = "fn", description: str = "") -> Metric:
    """Area under the precision–recall curve, as steps: the sum of (R_n - R_n-1) P_n over falling confidence.

    What no answer found lowers the recall that is reached. None if no answer has a confidence.
    """

    def reduce(records: Sequence[Record]) -> float | None:
        points = list(_curve(records, hits, missed))
        if not points:
            return None
        before = [0.0, *(recall for _, recall in points)]
        return sum((recall - last) * precision for (precision, recall), last in zip(points, before, strict=False))

    return Metric(reduce, description=description)


def precision_at_recall(least: float, hits: str = "tp", missed: str = "fn", description: str = "") -> Metric:
    """The best precision where recall is at least `least`; 0 where that recall is not reached.

    None if no answer has a confidence.
    """

    def reduce(records: Sequence[Record]) -> float | None:
        points = list(_curve(records, hits, missed))
        reached = [precision for precision, recall in points if recall >= least]
        return max(reached, default=0.0) if points else None

    return Metric(reduce, description=description)


def _curve(records: Sequence[Record], hits: str, missed: str) -> Iterator[tuple[float, float]]:
    """Yield precision and recall for each confidence, from the highest down."""
    expected = total(records, hits) + total(records, missed)
    counts: Counter[tuple[int, str]] = Counter()
    for record in records:
        for name, value in record.items():
            field, _, rest = name.partition(":")
            if field == _FIELD:
                step, _, kind = rest.partition(":")
                counts[int(step), kind] += int(value)
    right = given = 0
    for place in sorted({place for place, _ in counts}, reverse=True):
        right += counts[place, "hit"]
        given += counts[place, "hit"] + counts[place, "alarm"]
        yield right / given, right / expected if expected else 0.0
