"""A linear text classifier: the baseline for labelling, and the source of shortlists of likely labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Names = tuple[str, ...]
FOLDS = 5


def linear_classifier() -> Any:
    """Return an unfitted pipeline: TF-IDF over words and word pairs, then a linear support vector machine."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC())


def shortlists(texts: Sequence[str], labels: Sequence[str], others: Sequence[str], count: int) -> list[Names]:
    """Return the `count` most likely labels of other texts, best first, by a classifier fitted on `texts`."""
    model = linear_classifier().fit(texts, labels)
    return _likeliest(model.classes_, model.decision_function(others), count)


def own_shortlists(texts: Sequence[str], labels: Sequence[str], groups: Sequence[str], count: int) -> list[Names]:
    """Return the same for the texts themselves, each by a classifier fitted without the text's group.

    Otherwise the shortlists of training texts would be better than those of new texts.
    """
    from sklearn.model_selection import GroupKFold, cross_val_predict

    scores = cross_val_predict(
        linear_classifier(), texts, labels, groups=groups, cv=GroupKFold(FOLDS), method="decision_function"
    )
    return _likeliest(sorted(set(labels)), scores, count)


def _likeliest(names: Sequence[str], scores: Any, count: int) -> list[Names]:
    """Return the best names for each text. Scores are [texts, labels]; there must be at least three labels."""
    return [tuple(str(names[column]) for column in row[:count]) for row in (-scores).argsort(axis=1)]
