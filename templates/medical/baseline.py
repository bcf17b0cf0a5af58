"""A classical baseline without a language model: it finds the passage most like the question, and sorts the pair.

Passages are ranked by BM25 (Robertson et al. 1995); a logistic regression over words of both gives the verdict.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from kit.text.sentences import sentences

from .passages import passages
from .schema import MedicalQuestion

_WORD = re.compile(r"\w+")
_K, _B = 1.2, 0.75
_PASSES, _RATE, _DECAY = 12, 0.5, 1e-5

Features = dict[str, float]


def terms(text: str) -> list[str]:
    """Words in lower case, digits as one sign."""
    return ["0" if word.isdigit() else word for word in _WORD.findall(text.casefold())]


def rank(question: str, texts: Sequence[str]) -> list[float]:
    """Return the BM25 score of each text for a question, within these texts."""
    documents = [Counter(terms(text)) for text in texts]
    lengths = [sum(document.values()) for document in documents]
    mean = sum(lengths) / len(lengths) if lengths else 1.0
    scores = [0.0] * len(texts)
    for term in set(terms(question)):
        holders = sum(term in document for document in documents)
        weight = math.log(1 + (len(texts) - holders + 0.5) / (holders + 0.5))
        for index, document in enumerate(documents):
            count = document[term]
            scores[index] += weight * count * (_K + 1) / (count + _K * (1 - _B + _B * lengths[index] / (mean or 1.0)))
    return scores


class PassageClassifier:
    """Learns verdicts from questions with passages; `verdicts` gives the probability of each."""

    def __init__(self, rows: Sequence[tuple[MedicalQuestion, str]], seed: int = 0) -> None:
        raw = [(_counts(request), verdict) for request, verdict in rows]
        held = Counter(term for counts, _ in raw for term in counts)
        self._idf = {term: math.log(1 + len(raw) / count) for term, count in held.items() if count > 1}
        self.labels = sorted({verdict for _, verdict in raw})
        self._weights: dict[str, dict[str, float]] = {label: {} for label in self.labels}
        self._learn([(self._scaled(counts), verdict) for counts, verdict in raw], random.Random(seed))

    def verdicts(self, request: MedicalQuestion) -> dict[str, float]:
        """Return the probability of each verdict."""
        return self._odds(self._scaled(_counts(request)))

    def _scaled(self, counts: Counter[str]) -> Features:
        weights = {term: (1 + math.log(count)) * self._idf[term] for term, count in counts.items() if term in self._idf}
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {term: weight / length for term, weight in weights.items()}

    def _odds(self, features: Features) -> dict[str, float]:
        scores = {
            label: sum(value * weights.get(term, 0.0) for term, value in features.items())
            for label, weights in self._weights.items()
        }
        top = max(scores.values())
        powers = {label: math.exp(score - top) for label, score in scores.items()}
        whole = sum(powers.values())
        return {label: power / whole for label, power in powers.items()}

    def _learn(self, rows: list[tuple[Features, str]], order: random.Random) -> None:
        for number in range(_PASSES):
            order.shuffle(rows)
            rate = _RATE * 4 / (1 + number / 4)
            for features, verdict in rows:
                for label, odds in self._odds(features).items():
                    weights, step = self._weights[label], rate * (float(label == verdict) - odds)
                    for term, value in features.items():
                        old = weights.get(term, 0.0)
                        weights[term] = old * (1 - rate * _DECAY) + step * value


def best_passage(request: MedicalQuestion) -> tuple[str, str]:
    """Return the id of the passage most like the question, and its sentence most like it; empty without passages."""
    known = passages(request)
    if not known:
        return "", ""
    scores = rank(request.question, [each.text for each in known])
    chosen = known[max(range(len(known)), key=lambda index: (scores[index], -index))]
    parts = [chosen.text[span.start : span.end] for span in sentences(chosen.text)] or [chosen.text]
    values = rank(request.question, parts)
    return chosen.id, parts[max(range(len(parts)), key=lambda index: (values[index], -index))]


def _counts(request: MedicalQuestion) -> Counter[str]:
    """Words of the question, words and pairs of the best sentence, and how much of the question the passage has."""
    asked = terms(request.question)
    name, sentence = best_passage(request)
    whole = next((each.text for each in passages(request) if each.id == name), "")
    said = terms(sentence)
    found = Counter({f"q:{word}": 1 for word in asked[:3]})
    found.update(f"p:{word}" for word in said)
    found.update(f"p:{left} {right}" for left, right in pairwise(said))
    found.update(f"w:{word}" for word in set(terms(whole)))
    shared = len(set(asked) & set(terms(whole))) / (len(set(asked)) or 1)
    found[f"shared:{int(shared * 8)}"] = 3
    long_words = {word for word in asked if len(word) > 4}
    missing = len(long_words - set(terms(whole)))
    found[f"missing:{min(missing, 4)}"] = 3
    found[f"asked:{asked[0] if asked else ''}"] = 2
    return found
