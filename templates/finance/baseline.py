"""A classical method for sentiment: word lists and naive Bayes over the words and word pairs near the name."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from .mentions import around
from .schema import LABELS

LISTS = {
    "UP": "rose rise rises grew grow growth climbed increased gained advanced improved higher up beat",
    "DOWN": "fell fall falls dropped drop declined decline shrank decreased slid lower down missed",
    "GOOD": "profit record won wins award strong upgraded raised approval dividend order contract",
    "BAD": "loss losses warned fine recall lawsuit layoffs weak cut default downgraded strike delay",
    "TURN": "not no never without neither nor avoided despite",
}
_LISTED = {kind: frozenset(words.split()) for kind, words in LISTS.items()}


class LexiconBayes:
    """Multinomial naive Bayes with add-one smoothing. Its features are words, pairs of words, and hits of the lists."""

    def __init__(self, rows: Sequence[tuple[str, str | None, str]]) -> None:
        self._counts: dict[str, Counter[str]] = {label: Counter() for label in LABELS}
        self._rows: Counter[str] = Counter(LABELS)
        for text, name, label in rows:
            self._rows[label] += 1
            self._counts[label].update(_features(text, name))
        self._known = len(set().union(*self._counts.values())) + 1
        self._totals = {label: sum(counts.values()) + self._known for label, counts in self._counts.items()}

    def probabilities(self, text: str, name: str | None) -> dict[str, float]:
        """Return the probability of each label."""
        features, rows = _features(text, name), sum(self._rows.values())
        logs = {
            label: math.log(self._rows[label] / rows)
            + sum(math.log((self._counts[label][each] + 1) / self._totals[label]) for each in features)
            for label in LABELS
        }
        most = max(logs.values())
        weights = {label: math.exp(value - most) for label, value in logs.items()}
        return {label: weight / sum(weights.values()) for label, weight in weights.items()}


def _features(text: str, name: str | None) -> list[str]:
    words = re.findall(r"[^\W\d_]+", around(text, name).casefold())
    if name is not None:
        own = set(name.casefold().split())
        words = [word for word in words if word not in own]
    hits = [f"LIST:{kind}" for word in words for kind, listed in _LISTED.items() if word in listed]
    return words + [f"{left} {right}" for left, right in pairwise(words)] + hits
