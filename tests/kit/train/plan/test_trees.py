"""Prefix trees hold every row, compute each shared prefix once, and keep to the budget of tokens."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.train.plan.packing import MICRO_BATCH_COST, make_packs, make_step
from kit.train.plan.trees import Forest, Node, build_forest, encoded
from tests.kit.train.forests import token_rows

TREES = st.builds(token_rows, st.integers(0, 10**6), st.integers(1, 5))


def forest_of(rows: list[tuple[int, ...]], saves: int = 1) -> Forest:
    return build_forest([encoded(row) for row in rows], saves)


def text(forest: Forest, rows: list[tuple[int, ...]]) -> list[int]:
    """The token ids of a forest."""
    return [id for node in forest.nodes for id in rows[node.source][node.depth : node.depth + node.length]]


@given(TREES, st.sampled_from([1, 8, 32]))
def test_every_row_reads_its_own_tokens_along_its_path(rows: list[tuple[int, ...]], saves: int) -> None:
    forest = forest_of(rows, saves)
    ids = text(forest, rows)
    assert len(ids) == forest.tokens <= sum(map(len, rows))
    for number, row in enumerate(rows):
        assert tuple(ids[index] for index in forest.indices(number)) == row


@given(TREES)
def test_without_a_threshold_every_shared_prefix_is_computed_once(rows: list[tuple[int, ...]]) -> None:
    assert forest_of(rows).tokens == len({row[:end] for row in rows for end in range(1, len(row) + 1)})


@given(TREES, st.sampled_from([1, 8, 32]))
def test_descendants_follow_their_node_contiguously(rows: list[tuple[int, ...]], saves: int) -> None:
    forest = forest_of(rows, saves)
    for index, node in enumerate(forest.nodes):
        below = [other for other in forest.nodes if any(up is node for up in _ancestors(forest, other))]
        assert node.end == max((other.stop for other in below), default=node.stop)
        assert sum(other.length for other in below) == node.end - node.stop
        assert node.depth == sum(up.length for up in _ancestors(forest, node))
        assert node.length > 0
        assert node.parent < index


def _ancestors(forest: Forest, node: Node) -> list[Node]:
    found = []
    while node.parent >= 0:
        node = forest.nodes[node.parent]
        found.append(node)
    return found


def test_a_branching_is_used_only_if_it_saves_enough() -> None:
    begin = tuple(range(100, 116))
    pair = [(*begin, 1, 2), (*begin, 3, 4)]
    assert forest_of(pair, saves=17).tokens == 36
    assert forest_of(pair, saves=16).tokens == 20
    assert forest_of([*pair, (*begin, 5, 6)], saves=32).tokens == 22


def test_equal_rows_and_rows_that_others_continue_cost_nothing() -> None:
    rows = [(1, 2, 3, 4), (1, 2), (1, 2, 3, 4), (1, 2, 9), (1, 2)]
    forest = forest_of(rows)
    assert forest.tokens == 5
    assert forest.leaves[1] == forest.leaves[4] == 0
    assert forest.leaves[0] == forest.leaves[2]


def test_rows_that_share_nothing_are_separate_roots() -> None:
    forest = forest_of([(1, 2, 3), (4, 5), (6,)])
    assert [node.parent for node in forest.nodes] == [-1, -1, -1]
    assert [node.depth for node in forest.nodes] == [0, 0, 0]
    assert all(node.end == node.stop for node in forest.nodes)


def test_large_token_ids_sort_as_numbers() -> None:
    keys = [encoded((255,)), encoded((256,)), encoded((65536,)), encoded((151_935,))]
    assert sorted(keys) == keys


def test_thousands_of_nested_rows_make_a_tree() -> None:
    rows = [tuple(range(1, length)) for length in range(2, 1500)]
    forest = forest_of(rows)
    assert forest.tokens == 1498
    assert len(forest.nodes) == 1498


@settings(deadline=None)
@given(TREES, st.integers(0, 60))
def test_packs_hold_every_row_once_and_keep_to_the_budget(rows: list[tuple[int, ...]], more: int) -> None:
    lengths = [len(row) for row in rows]
    budget = max(lengths) + more
    step, _ = make_packs(range(len(rows)), lengths, [encoded(row) for row in rows], budget)
    assert Counter(step.rows) == Counter(range(len(rows)))
    assert all(tokens <= budget for tokens in step.packs)
    assert list(step.packs) == sorted(step.packs, reverse=True)
    for micro, tokens in zip(step.micros, step.packs, strict=True):
        assert tokens == forest_of([rows[index] for index in micro], saves=32).tokens


def test_packs_are_cut_between_trees() -> None:
    rows = [tuple(range(tree * 1000, tree * 1000 + 400)) + (leaf,) * 50 for leaf in range(6) for tree in (1, 2, 3)]
    step, _ = make_packs(range(18), [450] * 18, [encoded(row) for row in rows], budget=1000)
    assert step.packs == (700, 700, 700)
    assert [{rows[index][0] for index in micro} for micro in step.micros] == [{1000}, {2000}, {3000}]


def test_a_tree_over_the_budget_is_cut_and_both_sides_compute_what_they_share() -> None:
    rows = [tuple(range(100, 500)) + (leaf,) * 50 for leaf in range(8)]
    step, _ = make_packs(range(8), [450] * 8, [encoded(row) for row in rows], budget=600)
    assert step.packs == (600, 600)


def cost(sizes: list[int]) -> int:
    return sum(sizes) + MICRO_BATCH_COST * len(sizes)


@given(TREES, st.integers(0, 200))
def test_a_step_never_costs_more_than_with_padded_rows(rows: list[tuple[int, ...]], more: int) -> None:
    lengths = [len(row) for row in rows]
    keys, budget = [encoded(row) for row in rows], max(map(len, rows)) + more
    chosen, padded = (make_step(range(len(rows)), lengths, budget, each) for each in (keys, None))
    assert not padded.packs
    sizes = list(chosen.packs or [chosen.computed(lengths)])
    overhead = MICRO_BATCH_COST * (len(chosen.micros) - len(sizes))
    assert cost(sizes) + overhead <= padded.computed(lengths) + MICRO_BATCH_COST * len(padded.micros) + 2 * len(rows)


@pytest.mark.parametrize("length", [40, 400])
def test_rows_that_share_a_prefix_are_packed_as_a_tree(length: int) -> None:
    rows = [tuple(range(100, 100 + length)) + (leaf,) * 30 for leaf in range(16)]
    step = make_step(range(16), [length + 30] * 16, 8192, [encoded(row) for row in rows])
    assert step.packs == (length + 16 * 30,)
