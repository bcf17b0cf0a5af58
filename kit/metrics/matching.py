"""Counts hits, false alarms and misses between two sets of labelled things, for F1 over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from kit.task import Record


def matches(expected: Collection[tuple[str, Any]], actual: Collection[tuple[str, Any]]) -> Record:
    """Return the fields that `f1_over` and `macro_f1_over` read: `tp`, `fp`, `fn`, and each as `tp:LABEL`.

    An item is a label and a key that identifies it, such as its place. Equal items count once.
    """
    true, given = set(expected), set(actual)
    record: Counter[str] = Counter(tp=0, fp=0, fn=0)
    for kind, items in (("tp", true & given), ("fp", given - true), ("fn", true - given)):
        for label, _ in items:
            record[kind] += 1
            record[f"{kind}:{label}"] += 1
    return {name: float(count) for name, count in record.items()}
