"""Prefix trees: the rows of a pack as a forest in which a beginning that several rows share stands once. Pure.

From the token ids alone, for rows of any kind and trees of any depth. A row that shares nothing is a tree of its own.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

SPLIT_SAVES = 32
"""Fewest tokens that a branching must save: below it, the calls of attention that it needs cost more than they save."""


@dataclass(frozen=True)
class Node:
    """`length` tokens from `start` on in the pack, after `depth` tokens on the path from the root.

    `parent` is the index of the node that they continue, -1 at a root; `end` is where the last descendant ends: a
    subtree is contiguous. `source` is a row that holds the tokens, at `depth`.
    """

    start: int
    length: int
    depth: int
    parent: int
    end: int
    source: int

    @property
    def stop(self) -> int:
        """Where the node's own tokens end."""
        return self.start + self.length


@dataclass(frozen=True)
class Forest:
    """Nodes in depth-first order, and for each row the node with which it ends.

    `order` is the rows' sorted order, and `shared` for each of them the tokens that the row before it has paid for.
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
        """Calls of attention: each node to itself, and where it has descendants they to it."""
        return sum(1 + (node.end > node.stop) for node in self.nodes)

    def path(self, row: int) -> Iterator[Node]:
        """The nodes of a row, from its end to its root."""
        index = self.leaves[row]
        while index >= 0:
            yield self.nodes[index]
            index = self.nodes[index].parent

    def indices(self, row: int) -> list[int]:
        """Where in the pack each token of a row stands."""
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

    A branching is kept where its node's tokens times the branches but one are at least `saves`; else every branch gets
    a copy. Equal rows always share their path. A row that others continue ends with an inner node.
    """
    order = sorted(range(len(keys)), key=lambda row: (keys[row], row))
    return _Builder([keys[row] for row in order], saves).forest(order)


class _Builder:
    """Grows the nodes in depth-first order from sorted rows and the tokens that neighbours have in common."""

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
        """Make the node of the rows from `first` to before `last`; return what is left to grow, in order."""
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
        """Where a new branch begins: equal rows that end at the branching are one branch, an empty one."""
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
    """Tokens that two encoded rows begin with alike. Bisection: slices are compared at the speed of memory."""
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
