"""Finds the option `abstain_below` from answers that `kit eval` saved. It keeps the share of wrong answers under ALPHA.

`python threshold.py evaluations/BUNDLE/TIME/answers.jsonl --alpha 0.1`

Conformal risk control (Angelopoulos et al. 2022): of the rows, take the smallest threshold λ with
n/(n+1) · risk(λ) + 1/(n+1) ≤ α, where risk(λ) is the share of all n questions with a wrong answer that is at least as
confident as λ. For new questions of the same kind, the expected share of wrong answers is then at most α. One half of
the groups is for fitting; the other half shows what the threshold does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CURVE = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Answered:
    """One ordinary question: how confident its answer is (None without an answer), and whether it is wrong."""

    group: str
    confidence: float | None
    wrong: bool


def fit(rows: Sequence[Answered], alpha: float) -> float | None:
    """Return the smallest threshold that keeps the bound at or under alpha; None if none does, as with too few rows."""
    count = len(rows)
    candidates = [0.0, *sorted({_above(row.confidence) for row in rows if row.wrong and row.confidence is not None})]
    for threshold in candidates:
        if (count * risk(rows, threshold) + 1) / (count + 1) <= alpha:
            return threshold
    return None


def risk(rows: Sequence[Answered], threshold: float) -> float:
    """Return the share of all questions with a wrong answer at this threshold."""
    wrong = sum(row.wrong and row.confidence is not None and row.confidence >= threshold for row in rows)
    return wrong / len(rows) if rows else 0.0


def coverage(rows: Sequence[Answered], threshold: float) -> float:
    """Return the share of all questions with an answer at this threshold."""
    return sum(row.confidence is not None and row.confidence >= threshold for row in rows) / len(rows) if rows else 0.0


def halves(rows: Sequence[Answered]) -> tuple[list[Answered], list[Answered]]:
    """Divide rows by a hash of their group, so that no group is in both halves."""
    first = [row for row in rows if hashlib.sha256(row.group.encode()).digest()[0] % 2 == 0]
    return first, [row for row in rows if hashlib.sha256(row.group.encode()).digest()[0] % 2]


def load(path: Path, who: str = "tuned") -> list[Answered]:
    """Read the answers of one column from answers.jsonl. A row without a record was not scored, and is left out."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        facts = json.loads(line)
        record = facts.get("record")
        if facts.get("who") == who and record and record.get("ordinary"):
            confidence = record.get("confidence") if record.get("answered") else None
            found.append(Answered(facts["group"], confidence, bool(record.get("wrong"))))
    return found


def _above(confidence: float) -> float:
    """Round up to four places, strictly above the confidence, so that the value can be copied into a recipe."""
    return (int(confidence * 10_000) + 1) / 10_000


def main(words: Sequence[str] | None = None) -> int:
    """Fit the threshold, and print what it does on the other half."""
    parser = argparse.ArgumentParser(description="Find abstain_below from saved answers.")
    parser.add_argument("answers", type=Path, help="answers.jsonl of an evaluation")
    parser.add_argument("--alpha", type=float, default=0.1, help="most wrong answers, as a share of all questions")
    given = parser.parse_args(words)
    if not 0 < given.alpha < 1:
        parser.error("--alpha is between 0 and 1")
    rows = load(given.answers)
    fitting, checking = halves(rows)
    threshold = fit(fitting, given.alpha)
    if threshold is None:
        least = math.ceil(1 / given.alpha) - 1
        said = (
            f"No threshold keeps the bound under {given.alpha} with {len(fitting)} questions; needs at least {least}."
        )
        print(f"{said} Give more questions, or a larger --alpha.", file=sys.stderr)
        return 3
    print(f"abstain_below: {threshold}")
    for name, part in (("fitted on", fitting), ("other half", checking)):
        answered, wrong = coverage(part, threshold), risk(part, threshold)
        print(f"{name}: {len(part)} questions, answered {answered:.3f}, wrong {wrong:.3f}")
    print("\nThe curve of all questions: threshold, answered, wrong")
    for step in CURVE:
        print(f"{step:9.2f}  {coverage(rows, step):8.3f}  {risk(rows, step):5.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
