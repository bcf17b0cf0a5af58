"""Splits that stay put."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kit.data.split import data_digest, first_groups, held_out, limited, split_examples
from tests.kit.toy import ToyExample, row

NAMES = st.lists(st.text(min_size=1), min_size=1, max_size=60, unique=True)


def examples(groups: list[str]) -> list[ToyExample]:
    return [
        ToyExample(**row("train", number, group=group, id=f"{group}/{part}"))
        for number, group in enumerate(groups)
        for part in range(2)
    ]


@given(old=NAMES, new=NAMES, share=st.floats(0.01, 0.99))
def test_new_rows_never_move_an_old_one_and_groups_never_part(old: list[str], new: list[str], share: float) -> None:
    before, _ = split_examples(examples(old), share)
    after, held = split_examples(examples([*old, *(name for name in new if name not in old)]), share)
    assert {each.id for each in before} == {each.id for each in after if each.group in old}
    assert {each.group for each in after} & {each.group for each in held} == set()


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
