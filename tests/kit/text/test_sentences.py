"""Sentences: where they end, in many scripts, and that each letter is in one."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.text.sentences import sentences
from tests.kit.text.texts import ANY_TEXT

PIECES = [
    ". ", ": A", ", ", "\n", "A.", "1.", "(a) ", "a", ". \n", "。", "।", '"', "”", ".”", " ", "\n ", "!?", "1.1.",
    "No. ", '\\"', "x\u0301", "ab. ", "11) ", "é", "\U0001f4ce", "a.....", "-",
]  # fmt: skip
MIXED = st.lists(st.sampled_from([*PIECES, "The", "b", "\t", "\r\n", "[", ")"]), min_size=1, max_size=5).map("".join)
SENTENCES = [
    "The fee is due to Acorn Inc. and to Birch Ltd. in May.|Next.",
    "Acorn Inc. Holds it.|Next.",
    "Tax, e.g. duty, is due.|Next.",
    "Interest is 3.5 percent of it.|Next.",
    "See No. 5 of J. Doe under U.S. law.|Next.",
    "It is sold “as is.”|Next.",
    "It is sold (as it stands.)|Next.",
    "May it be sold?|Yes.",
    "It is sold\n  as it stands.|Next.",
    "7 days' notice is given.|3.5 percent is due.",
    "Renewal:|The term is renewed.",
    "The parts are: wheels and axles.",
]
MORE_SENTENCES = [
    ("Payable on demand\n\nNext heading", ["Payable on demand", "Next heading"]),
    ("Payable on demand\r\n \r\nNext heading", ["Payable on demand", "Next heading"]),
    ("Paid in May. \n\nand then.", ["Paid in May.", "and then."]),
    ("  Paid in May \n", ["Paid in May"]),
    ("1. Rent. Rent is 12. May is the month.", ["Rent.", "Rent is 12.", "May is the month."]),
    ("(a) The fee is due.\n\n2.1 The term is a year.", ["The fee is due.", "The term is a year."]),
    (" \n ", []),
]


@pytest.mark.parametrize("marked", SENTENCES)
def test_a_sentence_ends_where_a_bar_stands_here(marked: str) -> None:
    text = marked.replace("|", " ")
    assert [text[each.start : each.end] for each in sentences(text)] == marked.split("|")


@pytest.mark.parametrize(("text", "expected"), MORE_SENTENCES)
def test_blank_lines_end_sentences_and_counts_belong_to_none(text: str, expected: list[str]) -> None:
    assert [text[each.start : each.end] for each in sentences(text)] == expected


@given(ANY_TEXT)
def test_sentences_hold_every_letter_once_and_no_white_space_at_their_ends(text: str) -> None:
    found = list(sentences(text))
    for left, right in pairwise(found):
        assert left.end <= right.start
    for each in found:
        assert text[each.start : each.end] == text[each.start : each.end].strip() != ""
    between = [0, *(position for each in found for position in (each.start, each.end)), len(text)]
    outside = "".join(text[start:end] for start, end in zip(between[::2], between[1::2], strict=True))
    assert len([char for char in outside if char.isalpha()]) <= 4 * (len(found) + 1), "a count such as (iv) at most"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("租金为每月一千元。“租金已付。”谁付？他付！", ["租金为每月一千元。", "“租金已付。”", "谁付？", "他付！"]),
        ("是。不是。", ["是。", "不是。"]),
        ("家賃は月額です。「払います。」はい。", ["家賃は月額です。", "「払います。」", "はい。"]),
        ("वह किराया देता है। वह रहता है॥", ["वह किराया देता है।", "वह रहता है॥"]),
        ("کرایہ ادا ہوا۔ کیا یہ درست ہے؟ جی ہاں", ["کرایہ ادا ہوا۔", "کیا یہ درست ہے؟", "جی ہاں"]),
        ("比率是3.5％，其他照旧。", ["比率是3.5％，其他照旧。"]),
    ],
)
def test_full_stops_of_other_scripts_end_a_sentence_without_a_blank(text: str, expected: list[str]) -> None:
    assert [text[each.start : each.end] for each in sentences(text)] == expected


@settings(deadline=None, max_examples=30)
@given(MIXED)
def test_the_time_for_300000_characters_grows_with_their_number(piece: str) -> None:
    """The limit is wide for a busy machine: where time grows with the square of the length, this takes minutes."""
    text = f"The {(piece * (300_000 // len(piece) + 1))[:300_000]}b"
    start = time.monotonic()
    for _ in sentences(text):
        pass
    assert time.monotonic() - start < 10
