"""Mixes rows of several sources: how many of each an epoch takes, and which. The seed decides everything random.

Shares are proportional to (number of rows)^(1/T), the temperature-scaled mixing of Raffel et al. (2020), section 3.5.2.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from kit.data.rows import Row
from kit.errors import UnfitRows
from kit.recipe import TrainSection


@dataclass(frozen=True)
class Source:
    """The rows of one task, and its sampling weight, by which the share of its rows is multiplied."""

    name: str
    rows: tuple[Row, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Mixture:
    """All rows, source after source, and how many of each source an epoch takes.

    A source is an endless sequence of shuffled passes over its rows. Every epoch takes the next part of it, so that no
    row comes twice before all of them came once.
    """

    rows: tuple[Row, ...]
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    quotas: tuple[int, ...]

    @property
    def epoch_rows(self) -> int:
        """Rows of one epoch."""
        return sum(self.quotas)

    def epoch(self, number: int, seed: int) -> list[int]:
        """Indices of an epoch's rows (counted from 0), source after source."""
        starts = accumulate(self.sizes, initial=0)
        return [
            start + index
            for source, (start, size, quota) in enumerate(zip(starts, self.sizes, self.quotas, strict=False))
            for index in _drawn(size, quota, number, f"{seed}/{source}")
        ]

    def shares(self) -> dict[str, float]:
        """The share of each source in the training rows, by name."""
        return {name: quota / self.epoch_rows for name, quota in zip(self.names, self.quotas, strict=True)}


def mix(
    sources: Sequence[Source], temperature: float = 1.0, replay: Source | None = None, share: float = 0.0
) -> Mixture:
    """Mix sources by temperature into epochs as long as all their rows, and add replayed rows up to their share.

    Rows of weight 0 are left out. At temperature 1 and equal weights, every row comes once per epoch. Raises UnfitRows
    where nothing is left to train on.
    """
    kept = [Source(source.name, tuple(row for row in source.rows if row.weight), source.weight) for source in sources]
    kept = [source for source in kept if source.rows]
    if not kept:
        raise UnfitRows("There is no row to train on.", next="Add examples with a target and a weight above 0.")
    total = sum(len(source.rows) for source in kept)
    wanted = [source.weight * len(source.rows) ** (1 / temperature) for source in kept]
    quotas = _rounded([total * part / sum(wanted) for part in wanted])
    if replay is not None and (again := tuple(row for row in replay.rows if row.weight)):
        kept.append(Source(replay.name, again))
        quotas.append(max(1, round(total * share / (1 - share))))
    return Mixture(
        rows=tuple(row for source in kept for row in source.rows),
        names=tuple(source.name for source in kept),
        sizes=tuple(len(source.rows) for source in kept),
        quotas=tuple(quotas),
    )


def mixed(sources: Sequence[Source], replay: Source | None, section: TrainSection) -> Mixture | None:
    """Mix sources as the recipe says; None if there is only one source; each of its rows then comes once per epoch."""
    if len(sources) == 1 and replay is None:
        return None
    return mix(sources, section.mixing_temperature, replay, section.replay.share if section.replay else 0.0)


def _drawn(size: int, quota: int, epoch: int, seed: str) -> list[int]:
    """The part of the endless sequence of passes that belongs to an epoch."""
    first, last = epoch * quota, (epoch + 1) * quota
    passes = range(first // size, math.ceil(last / size))
    endless = [index for number in passes for index in _shuffled(size, f"{seed}/{number}")]
    offset = first - passes.start * size
    return endless[offset : offset + quota]


def _shuffled(size: int, seed: str) -> list[int]:
    order = list(range(size))
    random.Random(seed).shuffle(order)
    return order


def _rounded(parts: Sequence[float]) -> list[int]:
    """Whole numbers, each at least 1, with the same sum: the largest remainders are rounded up."""
    whole = [max(1, math.floor(part)) for part in parts]
    missing = round(sum(parts)) - sum(whole)
    by_remainder = sorted(range(len(parts)), key=lambda index: (whole[index] - parts[index], index))
    for index in by_remainder[: max(0, missing)]:
        whole[index] += 1
    return whole
