"""The main metric on parts of the test examples: those that share a tag, such as the hard cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kit.evals.compare import Figure, figure_of
from kit.evals.run import Evaluation
from kit.metrics.intervals import draw_groups, sample
from kit.task import Metric

LEAST = 5  # examples with a tag; an interval over fewer says nothing


@dataclass(frozen=True)
class Slice:
    """The main metric on the examples with a tag, for each measured column."""

    tag: str
    examples: int
    tuned: Figure
    base: Figure | None = None
    baseline: Figure | None = None
    few_shot: Figure | None = None


def slices(
    name: str,
    metric: Metric,
    tags: Mapping[str, Sequence[str]],
    tuned: Evaluation,
    base: Evaluation | None = None,
    baseline: Evaluation | None = None,
    resamples: int = 1000,
    few_shot: Evaluation | None = None,
) -> tuple[Slice, ...]:
    """Return a slice for each tag that at least `LEAST` examples have, and not all: the worst for the tuned one first.

    `tags` maps an example's id to its tags. Intervals resample the groups of the slice.
    """
    counts = Counter(tag for row in tuned.rows for tag in set(tags.get(row.id, ())))
    chosen = [tag for tag, count in counts.items() if LEAST <= count < len(tuned.rows)]

    def figure(evaluation: Evaluation | None, tag: str) -> Figure | None:
        if evaluation is None:
            return None
        kept = [index for index, row in enumerate(evaluation.rows) if tag in tags.get(row.id, ())]
        groups = [evaluation.rows[index].group for index in kept]
        every = evaluation.records(name)
        return figure_of(sample(metric, groups, [every[index] for index in kept], draw_groups(groups, resamples)))

    found = []
    for tag in chosen:
        own = figure(tuned, tag)
        assert own is not None
        found.append(Slice(tag, counts[tag], own, *(figure(each, tag) for each in (base, baseline, few_shot))))
    return tuple(sorted(found, key=lambda each: _badness(each, metric.higher_is_better)))


def _badness(each: Slice, higher_is_better: bool) -> tuple[float, str]:
    value = each.tuned.value or 0.0
    return (value if higher_is_better else -value), each.tag
