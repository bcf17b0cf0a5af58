"""Finds the option `calibration` from answers that `kit eval` saved: how often clauses of a confidence are right.

`python calibrate.py evaluations/BUNDLE/TIME/answers.jsonl`

Isotonic regression (pool adjacent violators, Ayer et al. 1955) over steps of at least LEAST clauses: a more certain
clause never gets a lower probability. A share is (right + 1) / (clauses + 2), so that few clauses never say 0 or 1.
Between two points the probability is on a straight line. One half of the groups is for fitting; the other half shows
the expected calibration error (Naeini et al. 2015) before and after. Measure without the option before you fit it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.metrics.ranking import BINS

LEAST = 20
_BINS = 10  # of the calibration error
_PLACES = 4  # of a number in the option

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Found:
    """One clause that the model found: its document's group, its confidence, and whether it is right."""

    group: str
    confidence: float
    right: bool


@dataclass(frozen=True)
class _Step:
    """Clauses of neighbouring confidences."""

    clauses: int
    right: int
    confidences: float

    @property
    def share(self) -> float:
        return (self.right + 1) / (self.clauses + 2)

    def __add__(self, other: _Step) -> _Step:
        return _Step(self.clauses + other.clauses, self.right + other.right, self.confidences + other.confidences)


def calibrated(confidence: float, points: Points) -> float:
    """Return the probability that a clause of this confidence is right.

    It is on the line between two points; below the first point and above the last, it is theirs.
    """
    place = bisect_right([x for x, _ in points], confidence)
    if place in (0, len(points)):
        return points[min(place, len(points) - 1)][1]
    (x0, y0), (x1, y1) = points[place - 1], points[place]
    return y0 + (y1 - y0) * (confidence - x0) / (x1 - x0)


def fit(found: Sequence[Found], least: int = LEAST) -> list[tuple[float, float]]:
    """Return the points of the calibration, both coordinates rising; none if there are fewer clauses than `least`."""
    pooled: list[_Step] = []
    for step in _steps(found, least):
        pooled.append(step)
        while len(pooled) > 1 and pooled[-2].share >= pooled[-1].share:
            last = pooled.pop()
            pooled[-1] += last
    return [(round(step.confidences / step.clauses, _PLACES), round(step.share, _PLACES)) for step in pooled]


def _steps(found: Sequence[Found], least: int) -> list[_Step]:
    """Return steps of at least `least` clauses in rising confidence; equal confidences are in one step."""
    by_confidence: dict[float, _Step] = {}
    for each in found:
        confidence = round(each.confidence, _PLACES)
        one = _Step(1, int(each.right), confidence)
        by_confidence[confidence] = by_confidence.get(confidence, _Step(0, 0, 0.0)) + one
    steps: list[_Step] = []
    for _, step in sorted(by_confidence.items()):
        if steps and steps[-1].clauses < least:
            steps[-1] += step
        else:
            steps.append(step)
    if len(steps) > 1 and steps[-1].clauses < least:
        last = steps.pop()
        steps[-1] += last
    return steps if steps and steps[0].clauses >= least else []


def calibration_error(pairs: Sequence[tuple[float, bool]]) -> float:
    """Return the mean distance between confidence and share of right clauses, over ten bins, weighted by clauses."""
    gaps = [0.0] * _BINS
    for confidence, right in pairs:
        gaps[min(int(confidence * _BINS), _BINS - 1)] += confidence - right
    return sum(map(abs, gaps)) / len(pairs)


def halves(found: Sequence[Found]) -> tuple[list[Found], list[Found]]:
    """Divide clauses by a hash of their group, so that no group is in both halves."""
    first = {each.group for each in found if hashlib.sha256(each.group.encode()).digest()[0] % 2 == 0}
    return [each for each in found if each.group in first], [each for each in found if each.group not in first]


def pairs_of(record: Mapping[str, float]) -> list[tuple[float, bool]]:
    """Return confidence and rightness of each clause that a document's record counts, in steps of a hundredth."""
    pairs = []
    for name, count in record.items():
        field, _, rest = name.partition(":")
        if field == "scored":
            step, _, outcome = rest.partition(":")
            pairs += [((int(step) + 0.5) / BINS, outcome == "hit")] * int(count)
    return pairs


def load(path: Path, who: str = "tuned") -> list[Found]:
    """Read the clauses of one column from answers.jsonl. A row without a record was not scored, and is left out."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Found(row["group"], confidence, right)
        for row in rows
        if row["who"] == who
        for confidence, right in pairs_of(row["record"] or {})
    ]


def main(words: Sequence[str] | None = None) -> int:
    """Fit the calibration, and print what it does on the other half."""
    parser = argparse.ArgumentParser(description="Find the option calibration from saved answers.")
    parser.add_argument("answers", type=Path, help="answers.jsonl of an evaluation")
    fitting, checking = halves(load(parser.parse_args(words).answers))
    points = fit(fitting)
    if not points or not checking:
        said = f"{len(fitting)} clauses to fit and {len(checking)} to check are too few; each half needs {LEAST}."
        print(f"{said} Evaluate more documents.", file=sys.stderr)
        return 3
    before = calibration_error([(each.confidence, each.right) for each in checking])
    after = calibration_error([(calibrated(each.confidence, points), each.right) for each in checking])
    print(f"calibration: {json.dumps(points)}")
    print(f"fitted on {len(fitting)} clauses; expected calibration error on {len(checking)} others:")
    print(f"before {before:.3f}, after {after:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
