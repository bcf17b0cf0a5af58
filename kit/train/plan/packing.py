"""Split the rows of a step into micro-batches: padded rows or prefix forests, whichever costs less. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kit.train.plan.trees import build_forest

MICRO_BATCH_COST = 100
"""Fixed cost of a micro-batch, in tokens: 90 to 135 on nano; every base has such a cost."""
CALL_COST = 1
"""Fixed cost of a call of attention in every layer, in tokens: about one on nano, less on larger bases."""
PACKED_COST = 1.1
"""Cost of a token in a forest, in tokens of padded rows: 1.1 on nano, if rows share nothing."""

Keys = Sequence[bytes]


@dataclass(frozen=True)
class Step:
    """One optimiser step: micro-batches of indices into the plan's rows.

    `packs` holds the tokens of each micro-batch if it is computed as a forest; it is empty if rows are padded.
    """

    micros: tuple[tuple[int, ...], ...]
    packs: tuple[int, ...] = ()

    @property
    def rows(self) -> tuple[int, ...]:
        """All rows of the step, in the order in which they are computed."""
        return tuple(index for micro in self.micros for index in micro)

    def part(self, which: slice) -> Step:
        """Return some of the micro-batches, unchanged."""
        return Step(self.micros[which], self.packs[which])

    def computed(self, lengths: Sequence[int]) -> int:
        """Tokens that are computed, padding included."""
        if self.packs:
            return sum(self.packs)
        return sum(len(micro) * max(lengths[index] for index in micro) for micro in self.micros)


def make_step(window: Sequence[int], lengths: Sequence[int], budget: int, keys: Keys | None) -> Step:
    """Return the cheaper of both forms; without `keys` (the encoded ids of the rows), padded rows."""
    padded = Step(make_micro_batches(window, lengths, budget))
    if keys is None:
        return padded
    packed, calls = make_packs(window, lengths, keys, budget)
    cost = PACKED_COST * sum(packed.packs) + CALL_COST * calls + MICRO_BATCH_COST * len(packed.micros)
    least = padded.computed(lengths) + CALL_COST * len(padded.rows) + MICRO_BATCH_COST * len(padded.micros)
    return packed if cost < least else padded


def make_micro_batches(window: Sequence[int], lengths: Sequence[int], budget: int) -> tuple[tuple[int, ...], ...]:
    """Split the rows of a step into micro-batches of similar length at the lowest total cost.

    A micro-batch costs its tokens with padding, at most `budget`, plus MICRO_BATCH_COST. The longest rows come first,
    so that a step that does not fit into the memory fails at once.
    """
    rows = sorted(window, key=lambda index: (-lengths[index], index))
    cuts = _cheapest_cuts(len(rows), lambda start, end: (end - start) * lengths[rows[start]], budget)
    return tuple(tuple(rows[start:end]) for start, end in cuts)


def make_packs(window: Sequence[int], lengths: Sequence[int], keys: Keys, budget: int) -> tuple[Step, int]:
    """Split the rows of a step into forests at the lowest total cost; return the step and its calls of attention.

    A forest costs its tokens, at most `budget`, plus MICRO_BATCH_COST. After a cut through a tree both sides compute
    the shared prefix, so the cheapest cuts run between trees if possible. The largest forests come first.
    """
    whole = build_forest([keys[index] for index in window])
    rows = [window[position] for position in whole.order]
    paid = [0]
    for index, shared in zip(rows, whole.shared, strict=True):
        paid.append(paid[-1] + lengths[index] - shared)
    cuts = _cheapest_cuts(len(rows), lambda start, end: paid[end] - paid[start] + whole.shared[start], budget)
    forests = [pack for start, end in cuts for pack in _fitting(rows[start:end], keys, budget)]
    forests.sort(key=lambda pack: -pack[1])
    micros, packs, calls = zip(*forests, strict=True)
    return Step(micros, packs), sum(calls)


def _fitting(rows: Sequence[int], keys: Keys, budget: int) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """Yield the rows as one forest; halve them while it is over the budget, since fewer rows may share less."""
    forest = build_forest([keys[index] for index in rows])
    if forest.tokens <= budget or len(rows) == 1:
        yield tuple(rows), forest.tokens, forest.calls
        return
    half = len(rows) // 2
    yield from _fitting(rows[:half], keys, budget)
    yield from _fitting(rows[half:], keys, budget)


def _cheapest_cuts(count: int, size: Callable[[int, int], int], budget: int) -> list[tuple[int, int]]:
    """Cut a sequence of `count` items into pieces of at most `budget`; each costs its size plus MICRO_BATCH_COST.

    `size` maps a piece's start and end to its size, and must not fall as a piece grows. Shortest path.
    """
    costs, cuts = [0.0], [0]
    for end in range(1, count + 1):
        costs.append(math.inf)
        cuts.append(0)
        for start in range(end - 1, -1, -1):
            tokens = size(start, end)
            if tokens > budget:
                break
            if costs[start] + tokens + MICRO_BATCH_COST < costs[end]:
                costs[end], cuts[end] = costs[start] + tokens + MICRO_BATCH_COST, start
    pieces: list[tuple[int, int]] = []
    end = count
    while end:
        pieces.append((cuts[end], end))
        end = cuts[end]
    return pieces[::-1]
