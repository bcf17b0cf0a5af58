"""Reductions: from the records of many examples to one figure, or None if it cannot be measured."""

from __future__ import annotations

from collections.abc import Sequence

from kit.task import Metric, Record


def total(records: Sequence[Record], field: str) -> float:
    """Sum a field over the records; a record without it adds nothing."""
    return sum(record.get(field, 0.0) for record in records)


def f1_over(tp: str = "tp", fp: str = "fp", fn: str = "fn", description: str = "") -> Metric:
    """F1 from pooled counts: 2 tp / (2 tp + fp + fn). None if nothing was expected and nothing found."""

    def reduce(records: Sequence[Record]) -> float | None:
        return _f1(total(records, tp), total(records, fp), total(records, fn))

    return Metric(reduce, description=description)


def macro_f1_over(
    tp: str = "tp", fp: str = "fp", fn: str = "fn", separator: str = ":", description: str = ""
) -> Metric:
    """Unweighted mean of F1 over labels, from fields such as `tp:LABEL`; labels that never occur are left out."""

    def reduce(records: Sequence[Record]) -> float | None:
        sums: dict[str, dict[str, float]] = {tp: {}, fp: {}, fn: {}}
        for record in records:
            for key, value in record.items():
                kind, found, label = key.partition(separator)
                if found and kind in sums:
                    sums[kind][label] = sums[kind].get(label, 0.0) + value
        labels = {label for counts in sums.values() for label in counts}
        scores = [_f1(*(sums[kind].get(label, 0.0) for kind in (tp, fp, fn))) for label in labels]
        known = sorted(score for score in scores if score is not None)
        return sum(known) / len(known) if known else None

    return Metric(reduce, description=description)


def ratio_of(numerator: str, denominator: str, higher_is_better: bool = True, description: str = "") -> Metric:
    """Ratio of two pooled fields. None if the denominator is zero."""

    def reduce(records: Sequence[Record]) -> float | None:
        below = total(records, denominator)
        return total(records, numerator) / below if below else None

    return Metric(reduce, higher_is_better, description)


def mean_of(field: str, higher_is_better: bool = True, description: str = "") -> Metric:
    """Mean of a field over the records that have it. None if none has it."""

    def reduce(records: Sequence[Record]) -> float | None:
        values = [record[field] for record in records if field in record]
        return sum(values) / len(values) if values else None

    return Metric(reduce, higher_is_better, description)


def _f1(tp: float, fp: float, fn: float) -> float | None:
    below = 2 * tp + fp + fn
    return 2 * tp / below if below else None
