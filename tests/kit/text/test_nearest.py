"""The nearest known text shares the rarest words."""

from __future__ import annotations

import pytest

from kit.text.nearest import Nearest

TEXTS = ["my parcel is late", "my invoice is wrong", "my parcel is wet", "the lamp is broken"]


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("Is the LAMP broken?", 3),
        ("my parcel got wet", 2),
        ("an invoice, my invoice", 1),
        ("my parcel", 0),  # as near as number 2: the first one
        ("nothing in common", 0),
        ("", 0),
    ],
)
def test_the_most_similar_text_is_found(text: str, index: int) -> None:
    assert Nearest(TEXTS).find(text) == index


def test_a_rare_word_counts_for_more_than_a_common_one() -> None:
    assert Nearest(["it is", "wet cat", "he is", "she is"]).find("is wet") == 1


def test_every_text_is_nearest_to_itself() -> None:
    nearest = Nearest(TEXTS)
    assert [nearest.find(text) for text in TEXTS] == [0, 1, 2, 3]


def test_without_texts_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(ValueError, match="no text to compare with"):
        Nearest([])
