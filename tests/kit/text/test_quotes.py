"""Quotes come back in the source's own words, for any text at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kit.text.quotes import Lookup, Source, fold
from tests.kit.text.texts import ANY_TEXT


@given(ANY_TEXT, st.data())
def test_any_piece_of_a_text_is_found_where_its_words_stand(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    quote = text[start:end]
    places = Source(text).places(quote, 0, len(text), most=1000)
    if any(char.isalnum() for char in quote):
        assert places
    for place in places:
        assert 0 <= place.start < place.end <= len(text)
        assert fold(text[place.start : place.end]) == fold(quote)


@given(ANY_TEXT, st.text(max_size=200))
def test_a_repaired_place_begins_and_ends_with_words_of_the_text(text: str, quote: str) -> None:
    place = Source(text).closest(quote, 0, len(text), 0.75)
    if place is not None:
        assert place.state == "repaired"
        assert text[place.start : place.end].strip() == text[place.start : place.end] != ""


def test_a_copy_with_small_errors_is_mended_and_another_sentence_is_not() -> None:
    sentence = "The Tenant shall keep the premises insured against fire for their full value at all times."
    source = Source(f"Rent is due monthly. {sentence} Keys are handed over in May. The Tenant shall keep a dog.")
    for wrong in (
        "the tenant shall keep the premises insured against fire for their full value at all times",
        "The Tenent shall keep the premise insured against fire for its full value at all times.",
        "The Tenant shall keep the premises the premises insured against fire for their full value at all times.",
        "The Tenant shall keep the premises insured fire for their full value at all time.",
    ):
        place = source.closest(wrong, 0, len(source.text), 0.75)
        assert place is not None
        assert source.text[place.start : place.end] == sentence
    other = "The Landlord must not insure anything against floods, theft or storm in any month."
    assert source.closest(other, 0, len(source.text), 0.75) is None


def test_a_quote_that_comes_again_is_at_its_next_place_and_then_at_the_last_one() -> None:
    lookup = Lookup(Source("One day. Two days. One day."))
    places = [lookup.find("One  day.") for _ in range(3)]
    assert [place and (place.start, place.end) for place in places] == [(0, 8), (19, 27), (19, 27)]
    other = lookup.find("One day.", "another label")
    assert other is not None
    assert other.start == 0


def test_a_lookup_stays_in_its_part_of_the_source_and_says_none_for_other_words() -> None:
    text = "One day. Two days. One day."
    lookup = Lookup(Source(text), start=9)
    found = lookup.find("One day.")
    assert found is not None
    assert (found.start, found.state) == (19, "exact")
    assert lookup.find("Ninety nights!") is None
