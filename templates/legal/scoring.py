"""Computes what one document adds to the metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from kit.metrics.similarity import jaccard, words_of
from kit.task import Record

from .schema import Clause, Extraction

_SAME = 0.5  # two texts are the same clause from this Jaccard similarity of their words


def compare(expected: Extraction, actual: Extraction) -> Record:
    """Count hits, false alarms and misses, over all labels and as `tp:LABEL`, `fp:LABEL`, `fn:LABEL`.

    Clauses of one label are paired one to one, most similar first. A pair is a hit if its similarity is at least one
    half. Texts are compared, not places, because data sets give only the first place of a repeated text.
    """
    record: dict[str, float] = defaultdict(float)
    truth, answer = _by_label(expected.clauses), _by_label(actual.clauses)
    asked = {*truth, *answer, *actual.not_present}
    for label in sorted(asked):
        similarities = _pairs(truth.get(label, []), answer.get(label, []))
        hits = sum(similarity >= _SAME for similarity in similarities)
        counts = {"tp": hits, "fp": len(answer.get(label, [])) - hits, "fn": len(truth.get(label, [])) - hits}
        for kind, count in counts.items():
            record[kind] += count
            record[f"{kind}:{label}"] = count
        record["jaccard"] += sum(similarities)
        record["presence_right"] += (label in truth) == (label in answer)
        record["false_alarms"] += len(answer[label]) if label in answer and label not in truth else 0
    counted = {"expected": len(expected.clauses), "presence_asked": len(asked), "documents": 1}
    return {**record, **counted, "unlocated": len(actual.unlocated), "coverage": actual.coverage}


def _by_label(clauses: Iterable[Clause]) -> dict[str, list[frozenset[str]]]:
    words: dict[str, list[frozenset[str]]] = {}
    for clause in clauses:
        words.setdefault(clause.label, []).append(words_of(clause.exact))
    return words


def _pairs(truth: list[frozenset[str]], answer: list[frozenset[str]]) -> list[float]:
    """Return the similarity of each pair, greedily, one to one."""
    ranked = sorted(
        ((jaccard(left, right), -i, -j) for i, left in enumerate(truth) for j, right in enumerate(answer)), reverse=True
    )
    used_left: set[int] = set()
    used_right: set[int] = set()
    similarities: list[float] = []
    for similarity, i, j in ranked:
        if similarity > 0 and i not in used_left and j not in used_right:
            used_left.add(i)
            used_right.add(j)
            similarities.append(similarity)
    return similarities
