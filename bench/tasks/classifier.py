"""A linear classifier of texts: the baseline that labelling is compared with, and what shortlists come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Names = tuple[str, ...]
FOLDS = 5


def linear_classifier() -> Any:
    """Return TF-IDF over words and pairs of words, and a linear support vector machine; not yet fitted."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC())


def shortlists(texts: Sequence[str], labels: Sequence[str], others: Sequence[str], count: int) -> list[Names]:
    """Return the `count` likeliest labels of other texts, best first, by a classifier of the first ones."""
    model = linear_classifier().fit(texts, labels)
    return _likeliest(model.classes_, model.decision_function(others), count)


def own_shortlists(texts: Sequence[str], labels: Sequence[str], groups: Sequence[str], count: int) -> list[Names]:
    """Return the same of the texts themselves, each by a classifier that learned from no text of its group.

    Else the shortlists of what was learned from would be better than any that come later.
    """
    from sklearn.model_selection import GroupKFold, cross_val_predict

    scores = cross_val_predict(
        linear_classifier(), texts, labels, groups=groups, cv=GroupKFold(FOLDS), method="decision_function"
    )
    return _likeliest(sorted(set(labels)), scores, count)


def _likeliest(names: Sequence[str], scores: Any, count: int) -> list[Names]:
    """Scores are [texts, labels], with a column for each name: three and more, since two have a single score."""
    return [tuple(str(names[column]) for column in row[:count]) for row in (-scores).argsort(axis=1)]
