"""Distinguishes a tuned model from its base by gaps of per-token log-probability, and sets the tolerance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kit.bundle.seal import Fingerprint, Noise

_LEAST_TOLERANCE = 0.05
_NOISE_FACTOR = 8.0
_MOST_OF_SHIFT = 1 / 3
LEAST_NOISE_FACTOR = 4.0


def tolerance(noise: Noise, fingerprints: Sequence[Fingerprint]) -> float:
    """Largest mean gap at which an engine still counts as the tuned model.

    It is many times the measured noise, so that the right model passes. It is at most a third of the gap between the
    tuned model and the base: by the triangle inequality, a model that passes is at least twice as far from the base as
    from the tuned model.
    """
    slack = max(_LEAST_TOLERANCE, _NOISE_FACTOR * noise.mean)
    return min(slack, _MOST_OF_SHIFT * shift(fingerprints))


def shift(fingerprints: Sequence[Fingerprint]) -> float:
    """Mean absolute gap between base and tuned model over all positions."""
    return mean_gap([item.base for item in fingerprints], [item.tuned for item in fingerprints])


def mean_gap(left: Sequence[Sequence[float]], right: Sequence[Sequence[float]]) -> float:
    """Mean absolute difference over all positions of two equally shaped lists; not a number if one value is not."""
    gaps = [abs(a - b) for ours, theirs in zip(left, right, strict=True) for a, b in zip(ours, theirs, strict=True)]
    return math.fsum(gaps) / len(gaps)
