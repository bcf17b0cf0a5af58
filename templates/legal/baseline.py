"""A classical baseline without a language model: it labels each sentence with one kind of clause, or none.

Words and pairs of words, weighted by TF-IDF, feed an averaged multi-class perceptron (Freund and Schapire 1999).
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from kit.text.sentences import sentences
from kit.text.span import Span

from .ranges import Clauses
from .schema import Clause

_WORD = re.compile(r"\w+")
_NONE = ""
_PASSES = 4

Features = dict[str, float]


class SentenceClassifier:
    """Learns from documents with labelled ranges; then labels the sentences of a new one."""

    def __init__(self, documents: Sequence[tuple[str, Sequence[Clause]]], seed: int = 0) -> None:
        rows = [row for text, clauses in documents for row in _rows(text, clauses)]
        counts = Counter(term for text, _ in rows for term in set(_terms(text)))
        self._idf = {term: math.log(len(rows) / count) for term, count in counts.items() if count > 1}
        self._labels = sorted({label for _, label in rows} | {_NONE})
        self._weights = self._learn([(self._features(text), label) for text, label in rows], random.Random(seed))

    def spans(self, text: str) -> list[tuple[str, Span]]:
        """Return the labelled ranges of a document; neighbouring sentences of one label are one range."""
        found: list[tuple[str, Span]] = []
        previous = _NONE
        for span in sentences(text):
            label = self._best(self._weights, self._features(text[span.start : span.end]))
            if label != _NONE and label == previous:
                found[-1] = (label, Span(start=found[-1][1].start, end=span.end))
            elif label != _NONE:
                found.append((label, span))
            previous = label
        return found

    def _features(self, text: str) -> Features:
        counts = Counter(term for term in _terms(text) if term in self._idf)
        weights = {term: (1 + math.log(count)) * self._idf[term] for term, count in counts.items()}
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {term: weight / length for term, weight in weights.items()}

    def _best(self, weights: dict[str, dict[str, float]], features: Features) -> str:
        scores = dict.fromkeys(self._labels, 0.0)
        for term, value in features.items():
            for label, weight in weights.get(term, {}).items():
                scores[label] += value * weight
        return max(self._labels, key=scores.__getitem__)

    def _learn(self, rows: list[tuple[Features, str]], order: random.Random) -> dict[str, dict[str, float]]:
        """Return the perceptron's weights averaged over all its steps, by term and label."""
        weights: dict[str, dict[str, float]] = {}
        drift: dict[str, dict[str, float]] = {}
        step = 1
        for _ in range(_PASSES):
            order.shuffle(rows)
            for features, label in rows:
                guess = self._best(weights, features)
                if guess != label:
                    for term, value in features.items():
                        for name, change in ((label, value), (guess, -value)):
                            _add(weights, term, name, change)
                            _add(drift, term, name, step * change)
                step += 1
        return {
            term: {name: weight - drift[term][name] / step for name, weight in by_label.items()}
            for term, by_label in weights.items()
        }


def _rows(text: str, clauses: Sequence[Clause]) -> Iterator[tuple[str, str]]:
    """Yield each sentence with the label of the clause that holds most of it."""
    placed = Clauses(clauses)
    for span in sentences(text):
        label = _NONE
        for clause in placed.meeting(span.start, span.end):
            shared = min(span.end, clause.end) - max(span.start, clause.start)
            if shared * 2 > span.end - span.start:
                label = clause.label
        yield text[span.start : span.end], label


def _terms(text: str) -> list[str]:
    words = ["0" if word.isdigit() else word for word in _WORD.findall(text.casefold())]
    return words + [f"{left} {right}" for left, right in pairwise(words)]


def _add(table: dict[str, dict[str, float]], term: str, name: str, change: float) -> None:
    row = table.setdefault(term, {})
    row[name] = row.get(name, 0.0) + change
