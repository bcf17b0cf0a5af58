"""The known text that is most similar to a new one: the simplest baseline for a task with few examples."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

_WORD = re.compile(r"\w+")


class Nearest:
    """An index of texts by TF-IDF: words weighted by how rare they are, compared by the cosine of their weights."""

    def __init__(self, texts: Sequence[str]) -> None:
        if not texts:
            raise ValueError("There is no text to compare with")
        counts = [_terms(text) for text in texts]
        frequency = Counter(term for terms in counts for term in terms)
        self._idf = {term: math.log((1 + len(texts)) / (1 + count)) + 1 for term, count in frequency.items()}
        self._holders: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for index, terms in enumerate(counts):
            for term, weight in self._weights(terms).items():
                self._holders[term].append((index, weight))

    def find(self, text: str) -> int:
        """Return the index of the most similar text; the first text if none shares a word."""
        scores: dict[int, float] = defaultdict(float, {0: 0.0})
        for term, weight in self._weights(_terms(text)).items():
            for index, other in self._holders.get(term, ()):
                scores[index] += weight * other
        return max(scores, key=lambda index: (scores[index], -index))

    def _weights(self, terms: Counter[str]) -> dict[str, float]:
        """Return the weight of each known term, scaled to length 1."""
        weights = {term: count * self._idf[term] for term, count in terms.items() if term in self._idf}
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {term: weight / length for term, weight in weights.items()}


def _terms(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text.casefold()))
