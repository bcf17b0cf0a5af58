"""Windows cover every text and end where paragraphs and sentences end."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kit.text.windows import windows
from tests.kit.text.texts import ANY_TEXT


@given(ANY_TEXT, st.integers(300, 500), st.integers(1, 100))
def test_windows_cover_every_character_in_order_and_overlap(text: str, size: int, overlap: int) -> None:
    found = windows(text, size, overlap)
    assert found[0].start == 0
    assert found[-1].end == len(text)
    for window in found:
        assert 0 < len(text[window.start : window.end].encode()) <= size
    for left, right in pairwise(found):
        assert left.start < right.start < left.end < right.end
        assert len(text[right.start : left.end].encode()) >= overlap


def test_windows_end_where_a_paragraph_does_and_else_where_a_sentence_does() -> None:
    sentences = "The Seller delivers the Goods. The Buyer pays for them. "
    text = (sentences + "\n\n") * 40
    assert all(text[: window.end].endswith("\n\n") for window in windows(text, 500, 100)[:-1])
    text = sentences * 40
    assert all(text[: window.end].endswith(". ") for window in windows(text, 500, 100)[:-1])


def test_a_window_of_chinese_ends_where_a_sentence_does() -> None:
    text = "本协议受瑞典法律管辖。双方应当保密。" * 40
    parts = windows(text, 400, 100)
    assert len(parts) > 3
    assert all(text[: part.end].endswith("。") for part in parts)
