"""The mixture on disk, and the order in which training reads it: a pure function of seed and position."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOKENS, ENDS, FACTS = "tokens.bin", "ends.bin", "mixture.json"


def write_stream(pieces: Iterable[tuple[str, tuple[int, ...]]], folder: Path) -> dict[str, int]:
    """Write the token ids of named pieces as 16-bit numbers; return the number of tokens per name."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens: Counter[str] = Counter()
    ends: list[int] = []
    end = 0
    with (folder / TOKENS).open("wb") as stream:
        for name, ids in pieces:
            stream.write(np.asarray(ids, dtype="<u2").tobytes())
            tokens[name] += len(ids)
            end += len(ids)
            ends.append(end)
    (folder / ENDS).write_bytes(np.asarray(ends, dtype="<i8").tobytes())
    return dict(tokens)


@dataclass(frozen=True)
class Order:
    """One epoch: the pieces in shuffled order, and the start of each in the epoch."""

    pieces: NDArray[np.int64]
    starts: NDArray[np.int64]


class Stream:
    """Reads the mixture epoch after epoch; the pieces of each are shuffled by seed and epoch."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._tokens = np.memmap(folder / TOKENS, dtype="<u2", mode="r")
        self._ends = np.fromfile(folder / ENDS, dtype="<i8")
        self._seed = seed
        self._order: tuple[int, Order] | None = None

    @property
    def length(self) -> int:
        """Number of tokens in one epoch."""
        return int(self._ends[-1])

    def read(self, at: int, count: int) -> NDArray[np.int64]:
        """Return `count` tokens from a position, counted over all epochs."""
        parts = []
        while count:
            epoch, inside = divmod(at, self.length)
            part = self._within(epoch, inside, count)
            parts.append(part)
            at, count = at + len(part), count - len(part)
        return np.concatenate(parts)

    def _within(self, epoch: int, inside: int, count: int) -> NDArray[np.int64]:
        """Return up to the wanted number of tokens from one piece of an epoch."""
        order = self._epoch(epoch)
        index = int(np.searchsorted(order.starts, inside, side="right")) - 1
        piece = int(order.pieces[index])
        begin = int(self._ends[piece - 1]) if piece else 0
        start = begin + inside - int(order.starts[index])
        return self._tokens[start : min(start + count, int(self._ends[piece]))].astype(np.int64)

    def _epoch(self, number: int) -> Order:
        if self._order is None or self._order[0] != number:
            pieces = np.random.default_rng([self._seed, number]).permutation(len(self._ends))
            lengths = np.diff(self._ends, prepend=0)[pieces]
            self._order = number, Order(pieces, np.cumsum(lengths) - lengths)
        return self._order[1]


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Write the facts of the mixture. This file is written last, so a folder that has it is complete."""
    (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def read_facts(folder: Path) -> dict[str, Any] | None:
    """Return the facts of the mixture; None if it is missing or incomplete."""
    file = folder / FACTS
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None
