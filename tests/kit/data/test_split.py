"""Splits that stay put."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.data.split import (
    VALIDATION,
    data_digest,
    first_groups,
    held_out,
    held_out_groups,
    limited,
    position,
    split_examples,
)
from tests.kit.toy import ToyExample, row

NAMES = st.lists(st.text(min_size=1), min_size=1, max_size=60, unique=True)


def examples(groups: list[str]) -> list[ToyExample]:
    return [
        ToyExample(**row("train", number, group=group, id=f"{group}/{part}"))
        for number, group in enumerate(groups)
        for part in range(2)
    ]


@given(old=NAMES, new=NAMES, share=st.floats(0.01, 0.99))
def test_new_rows_never_move_an_old_test_row_and_groups_never_part(
    old: list[str], new: list[str], share: float
) -> None:
    _, before = split_examples(examples(old), share)
    tested = {each.group for each in before}
    every = examples([*old, *(name for name in new if name not in old)])
    kept, held = split_examples(every, share, stay=tested)
    assert tested <= {each.group for each in held}
    assert {each.group for each in kept} & {each.group for each in held} == set()
    assert len(kept) + len(held) == len(every)


@given(groups=NAMES, share=st.floats(0.001, 0.999), salt=st.sampled_from(["", VALIDATION]))
def test_of_two_groups_or_more_some_are_held_out_and_some_are_kept(groups: list[str], share: float, salt: str) -> None:
    held = held_out_groups(groups, share, salt)
    assert held < set(groups)
    assert bool(held) == (len(groups) > 1)


@pytest.mark.parametrize("groups", [3, 4, 5, 10, 20, 60, 1000, 10_000])
def test_what_the_test_split_keeps_still_has_groups_to_validate_by(groups: int) -> None:
    for name in ("group", "doc-", "https://example.com/") if groups < 10_000 else ("group",):
        kept = {f"{name}{number}" for number in range(groups)} - held_out_groups(
            (f"{name}{number}" for number in range(groups)), 0.2
        )
        validation = held_out_groups(kept, 0.1, VALIDATION)
        assert validation < kept
        assert validation
        assert groups < 1000 or 0.07 < len(validation) / len(kept) < 0.13


def test_a_test_group_is_one_whose_plain_hash_is_below_the_share_as_it_always_was() -> None:
    groups = {f"group {number}" for number in range(200)}
    known = {name for name in groups if int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) / 2**64 < 0.2}
    assert held_out_groups(groups, 0.2) == known
    assert position("group 7", VALIDATION) != position("group 7")


def test_the_share_is_about_what_was_asked_for() -> None:
    share = sum(held_out(f"group {number}", 0.2) for number in range(5000)) / 5000
    assert 0.18 < share < 0.22


def test_a_larger_share_holds_out_the_same_groups_and_more() -> None:
    groups = [f"group {number}" for number in range(500)]
    small, large = ({group for group in groups if held_out(group, share)} for share in (0.1, 0.3))
    assert small < large


@given(groups=NAMES, count=st.integers(1, 30))
def test_the_first_groups_are_that_many_whole_and_the_same_in_any_order(groups: list[str], count: int) -> None:
    inside, outside = first_groups(examples(groups), count)
    assert len({each.group for each in inside}) == min(count, len(groups))
    assert len(inside) + len(outside) == 2 * len(groups)
    again, _ = first_groups(examples(sorted(groups)), count)
    assert {each.id for each in inside} == {each.id for each in again}


def test_a_limit_is_the_same_in_any_order_of_the_file_and_keeps_that_order() -> None:
    rows = examples([f"group {number}" for number in range(50)])
    few = limited(rows, 7)
    assert len(few) == 7
    assert {each.id for each in few} == {each.id for each in limited(rows[::-1], 7)}
    assert few == [each for each in rows if each in few]
    assert limited(rows, None) == limited(rows, 1000) == rows


def test_the_digest_follows_content_and_order() -> None:
    one, two = examples(["a", "b"])[:2], examples(["a", "c"])[1:3]
    assert data_digest(one) == data_digest(list(one))
    assert len({data_digest(one), data_digest(one[::-1]), data_digest(two), data_digest([])}) == 4
