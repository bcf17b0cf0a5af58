"""Prefix trees: the rows of a pack as a forest that holds each shared prefix once. Pure.

It uses token ids only, and works for rows of any kind and trees of any depth. A row that shares nothing is a tree of
its own.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

SPLIT_SAVES = 32
"""Fewest tokens that a branching must save; with fewer, its calls of attention cost more than it saves."""


@dataclass(frozen=True)
class Node:
    """A node of `length` tokens, at `start` in the pack, with `depth` tokens before it on the path from the root.

    `parent` is the index of the parent node, -1 at a root. A subtree is contiguous and ends at `end`. `source` is a row
    that holds the node's tokens, at position `depth`.
    """

    start: int
    length: int
    depth: int
    parent: int
    end: int
    source: int

    @property
    def stop(self) -> int:
        """End of the node's own tokens in the pack."""
        return self.start + self.length


@dataclass(frozen=True)
class Forest:
    """Nodes in depth-first order, and the last node of each row.

    `order` lists the rows in sorted order; `shared` counts for each of them the tokens that it shares with the row
    before it.
    """

    nodes: tuple[Node, ...]
    leaves: tuple[int, ...]
    order: tuple[int, ...]
    shared: tuple[int, ...]

    @cached_property
    def tokens(self) -> int:
        """Tokens that are computed."""
        return sum(node.length for node in self.nodes)

    @cached_property
    def calls(self) -> int:
        """Calls of attention: one for each node, and one more for each node with descendants."""
        return sum(1 + (node.end > node.stop) for node in self.nodes)

    def path(self, row: int) -> Iterator[Node]:
        """Yield the nodes of a row, from its last one to its root."""
        index = self.leaves[row]
        while index >= 0:
            yield self.nodes[index]
            index = self.nodes[index].parent

    def indices(self, row: int) -> list[int]:
        """Return the position in the pack of each token of a row."""
        nodes = reversed(list(self.path(row)))
        return [index for node in nodes for index in range(node.start, node.stop)]


def encoded(ids: Sequence[int]) -> bytes:
    """Return token ids as bytes that sort and compare as the ids do."""
    words = array("I", ids)
    if sys.byteorder == "little":
        words.byteswap()
    return words.tobytes()


_WORD = array("I").itemsize


def build_forest(keys: Sequence[bytes], saves: int = SPLIT_SAVES) -> Forest:
    """Return the forest of rows that are given as `encoded` ids.

    A branching saves its node's tokens once for every branch after the first. If that is less than `saves` tokens,
    every branch gets a copy instead. Equal rows always share their path. A row that others continue ends with an inner
    node.
    """
    order = sorted(range(len(keys)), key=lambda row: (keys[row], row))
    return _Builder([keys[row] for row in order], saves).forest(order)


class _Builder:
    """Builds the nodes in depth-first order from sorted rows and the length of the prefixes that neighbours share."""

    def __init__(self, keys: Sequence[bytes], saves: int) -> None:
        self.lengths = [len(key) // _WORD for key in keys]
        self.common = [0, *(_common(one, other) for one, other in pairwise(keys))]
        self.saves = saves
        self.shared = [0] * len(keys)
        self.leaves = [-1] * len(keys)
        self.nodes: list[tuple[int, int, int, int]] = []  # length, depth, parent, source

    def forest(self, order: Sequence[int]) -> Forest:
        stack = [(0, len(order), 0, -1)] if order else []
        while stack:
            stack.extend(reversed(self._grow(*stack.pop())))
        leaves = [leaf for _, leaf in sorted(zip(order, self.leaves, strict=True))]
        return Forest(tuple(self._placed(order)), tuple(leaves), tuple(order), tuple(self.shared))

    def _grow(self, first: int, last: int, depth: int, parent: int) -> list[tuple[int, int, int, int]]:
        """Make the node of the rows `first` to `last` (exclusive); return the parts still to build, in order."""
        common = min(self.common[first + 1 : last], default=self.lengths[first])
        if self.lengths[last - 1] == common:  # one row, or equal ones: sorted, the last is the longest
            self.shared[first + 1 : last] = [common] * (last - first - 1)
            self.leaves[first:last] = [self._add(common - depth, depth, parent, first)] * (last - first)
            return []
        cuts = [first, *self._cuts(first, last, common), last]
        if (common - depth) * (len(cuts) - 2) >= self.saves:
            parent, depth = self._add(common - depth, depth, parent, first), common
        for cut in cuts[1:-1]:
            self.shared[cut] = depth
        return [(start, stop, depth, parent) for start, stop in pairwise(cuts)]

    def _cuts(self, first: int, last: int, common: int) -> list[int]:
        """Return where a new branch starts; equal rows that end at the branching are one empty branch."""
        return [row for row in range(first + 1, last) if self.common[row] == common != self.lengths[row]]

    def _add(self, length: int, depth: int, parent: int, source: int) -> int:
        if not length:
            return parent
        self.nodes.append((length, depth, parent, source))
        return len(self.nodes) - 1

    def _placed(self, order: Sequence[int]) -> Iterator[Node]:
        starts, total = [], 0
        for length, *_ in self.nodes:
            starts.append(total)
            total += length
        ends = [start + node[0] for start, node in zip(starts, self.nodes, strict=True)]
        for index in range(len(self.nodes) - 1, -1, -1):
            parent = self.nodes[index][2]
            if parent >= 0:
                ends[parent] = max(ends[parent], ends[index])
        for start, end, (length, depth, parent, source) in zip(starts, ends, self.nodes, strict=True):
            yield Node(start, length, depth, parent, end, order[source])


def _common(one: bytes, other: bytes) -> int:
    """Return the length of the prefix that two encoded rows share, in tokens. Bisection over fast slice comparisons."""
    low, high = 0, min(len(one), len(other)) // _WORD
    if one[: high * _WORD] == other[: high * _WORD]:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if one[low * _WORD : middle * _WORD] == other[low * _WORD : middle * _WORD]:
            low = middle
        else:
            high = middle - 1
    return low
