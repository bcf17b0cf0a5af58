"""Computes what one document adds to the metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from kit.metrics.ranking import scored
from kit.metrics.similarity import jaccard, words_of
from kit.task import Metric, Record

from .calibrate import calibration_error, pairs_of
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
    confidence: dict[str, list[float | None]] = defaultdict(list)
    for clause in actual.clauses:
        confidence[clause.label].append(clause.confidence)
    ranked: list[tuple[float, bool]] = []
    for label in sorted(asked):
        pairs = _pairs(truth.get(label, []), answer.get(label, []))
        similarities = [similarity for similarity, _ in pairs]
        right = {index for similarity, index in pairs if similarity >= _SAME}
        hits = len(right)
        ranked += [(sure, index in right) for index, sure in enumerate(confidence.get(label, [])) if sure is not None]
        counts = {"tp": hits, "fp": len(answer.get(label, [])) - hits, "fn": len(truth.get(label, [])) - hits}
        for kind, count in counts.items():
            record[kind] += count
            record[f"{kind}:{label}"] = count
        record["jaccard"] += sum(similarities)
        record["presence_right"] += (label in truth) == (label in answer)
        if label in truth:
            record["present"] += 1
            record[f"present:{label}"] = 1
            record["false_absent"] += label not in answer
            record[f"false_absent:{label}"] = label not in answer
        record["false_alarms"] += len(answer[label]) if label in answer and label not in truth else 0
    counted = {"expected": len(expected.clauses), "presence_asked": len(asked), "documents": 1}
    return {**record, **counted, **scored(ranked), "unlocated": len(actual.unlocated), "coverage": actual.coverage}


def _by_label(clauses: Iterable[Clause]) -> dict[str, list[frozenset[str]]]:
    words: dict[str, list[frozenset[str]]] = {}
    for clause in clauses:
        words.setdefault(clause.label, []).append(words_of(clause.exact))
    return words


def _pairs(truth: list[frozenset[str]], answer: list[frozenset[str]]) -> list[tuple[float, int]]:
    """Return the similarity of each pair and the index of its answer, greedily, one to one."""
    ranked = sorted(
        ((jaccard(left, right), -i, -j) for i, left in enumerate(truth) for j, right in enumerate(answer)), reverse=True
    )
    used_left: set[int] = set()
    used_right: set[int] = set()
    pairs: list[tuple[float, int]] = []
    for similarity, i, j in ranked:
        if similarity > 0 and i not in used_left and j not in used_right:
            used_left.add(i)
            used_right.add(j)
            pairs.append((similarity, -j))
    return pairs


def worst_false_absent() -> Metric:
    """The highest share, over the kinds, of documents with that kind in which the answer says that it is absent."""

    def reduce(records: Sequence[Record]) -> float | None:
        present: dict[str, float] = defaultdict(float)
        absent: dict[str, float] = defaultdict(float)
        for record in records:
            for name, value in record.items():
                field, _, label = name.partition(":")
                if label and field in ("present", "false_absent"):
                    (present if field == "present" else absent)[label] += value
        return max((absent[label] / count for label, count in present.items()), default=None)

    return Metric(reduce, False, "The same for the kind that is missed most")


def confidence_error() -> Metric:
    """The expected calibration error of the clauses' confidences, which are counted in steps of a hundredth."""

    def reduce(records: Sequence[Record]) -> float | None:
        pairs = [pair for record in records for pair in pairs_of(record)]
        return calibration_error(pairs) if pairs else None

    return Metric(reduce, False, "Expected calibration error: distance of confidence from the share of right clauses")
