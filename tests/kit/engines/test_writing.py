"""A completion has the same text in pieces and whole; stop strings and half characters are never streamed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from kit.base import NANO
from kit.engines.base import Generation, Sampling
from kit.engines.writing import Writing
from kit.task import Completion

from .parts import RENDERER

TOKENIZER = Tokenizer.from_file(str(NANO / "tokenizer.json"))
CHARACTERS = st.characters(
    exclude_categories=["Cs"], exclude_characters="\ufffd"
)  # the replacement for half a character
PROMPT = RENDERER.answer("Say: ")


def write(ids: tuple[int, ...], stop: tuple[str, ...] = (), max_tokens: int = 500) -> tuple[Completion, list[str]]:
    """Write tokens and an end; return the completion and the streamed pieces."""
    writing = Writing(TOKENIZER, Generation(PROMPT, Sampling(max_tokens, stop=stop, stop_ids=(2,))))
    pieces = []
    for token in (*ids, 2):
        writing.add(token, -1.0)
        if news := writing.new_text():
            pieces.append(news.text)
        if writing.finish:
            break
    return writing.completion(), pieces


@given(st.text(CHARACTERS, max_size=60))
def test_text_survives_tokens_and_pieces(text: str) -> None:
    completion, pieces = write(RENDERER.answer(text))
    assert completion.text == "".join(pieces) == text
    assert completion.finish == "stop"
    assert completion.token_ids == RENDERER.answer(text)
    assert len(completion.logprobs) == len(completion.token_ids)


@given(st.text(CHARACTERS, max_size=40), st.text(CHARACTERS, min_size=1, max_size=4), st.text(CHARACTERS, max_size=40))
def test_no_part_of_a_stop_string_is_streamed(before: str, stop: str, after: str) -> None:
    text = before + stop + after
    completion, pieces = write(RENDERER.answer(text), stop=(stop,))
    assert completion.text == "".join(pieces) == text[: text.index(stop)]
    assert completion.finish == "stop"
    assert TOKENIZER.decode(list(completion.token_ids)).startswith(completion.text)


@given(st.lists(st.integers(7, 8191), max_size=30))
def test_any_tokens_give_the_same_text_in_pieces_and_whole(ids: list[int]) -> None:
    completion, pieces = write(tuple(ids))
    assert "".join(pieces) == completion.text
    assert completion.token_ids == tuple(ids)


def test_the_first_of_several_stop_strings_ends_the_answer() -> None:
    assert write(RENDERER.answer("one two three"), stop=("three", "two"))[0].text == "one "


def test_tokens_that_only_belong_to_the_stop_string_are_left_out() -> None:
    ids = RENDERER.answer("The end is near###and so on")
    completion, _ = write(ids, stop=("###",))
    assert completion.text == "The end is near"
    assert TOKENIZER.decode(list(completion.token_ids[:-1])) != completion.text
    assert completion.token_ids == ids[: len(completion.token_ids)]


def test_special_tokens_yield_no_text() -> None:
    ids = (*RENDERER.answer("good"), 1, *RENDERER.answer(" day"))
    completion, _ = write(ids)
    assert completion.text == "good day"
    assert completion.token_ids == ids


def test_the_budget_cuts_an_answer_and_says_so() -> None:
    completion, _ = write(RENDERER.answer("a rather long answer"), max_tokens=2)
    assert completion.finish == "length"
    assert len(completion.token_ids) == 2


def test_half_a_character_at_the_end_is_not_streamed() -> None:
    completion, pieces = write(RENDERER.answer("ok 中")[:-1])
    assert completion.text == "".join(pieces) == "ok "
