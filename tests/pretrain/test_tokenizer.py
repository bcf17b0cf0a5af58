"""Every tokenizer of the base: any text decodes to itself, dialogues only grow, special tokens cannot be forged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.base import NANO
from kit.chat import Renderer
from kit.task import Message
from pretrain.texts.pieces import Infill, infill_prompt, render
from pretrain.texts.tokenizer import SPECIALS, sample, train_tokenizer

_BYTES = st.binary(max_size=60).map(lambda data: data.decode("latin-1"))
_FORGED = st.lists(st.one_of(st.sampled_from(SPECIALS), st.text(max_size=8)), max_size=6).map("".join)
_TEXTS = st.one_of(_BYTES, _FORGED, st.text(max_size=40))


@pytest.fixture(scope="module", params=["ships", "trained here"])
def renderer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    if request.param == "ships":
        return Renderer(NANO)
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(
        ["The notice is due within 30 days. " * 40, "def total(items):\n    return sum(items)\n" * 40], folder, 400
    )
    return Renderer(folder)


@settings(deadline=None, max_examples=60)
@given(text=_TEXTS)
def test_any_bytes_decode_to_themselves(renderer: Renderer, text: str) -> None:
    ids = renderer.answer(text)
    assert renderer.decode(ids) == text
    assert renderer.special_ids.isdisjoint(ids)


def test_all_bytes_are_in_the_vocabulary_and_digits_stay_single(renderer: Renderer) -> None:
    every = "".join(map(chr, range(256)))
    assert renderer.decode(renderer.answer(every)) == every
    assert len(renderer.answer("20251124")) == 8


@settings(deadline=None, max_examples=40)
@given(texts=st.lists(_TEXTS, min_size=3, max_size=5))
def test_a_longer_dialogue_starts_with_the_shorter_one(renderer: Renderer, texts: list[str]) -> None:
    roles = ("user", "assistant") * 3
    messages = [Message.of(role, text) for role, text in zip(roles, texts, strict=False)]  # type: ignore[arg-type]
    whole = renderer.dialogue(messages)
    for length in range(1, len(messages)):
        shorter = renderer.dialogue(messages[:length])
        assert whole[: len(shorter)] == shorter
    marks = [id for id in whole if id in renderer.special_ids]
    assert len(marks) == 2 * len(messages)


def test_all_special_tokens_exist_and_the_pad_token_is_separate(renderer: Renderer) -> None:
    assert [special.text for special in sorted(renderer.specials, key=lambda each: each.id)] == list(SPECIALS)
    assert renderer.pad_id not in renderer.stop_ids
    assert renderer.turn_end in renderer.stop_ids


@pytest.mark.parametrize("suffix_first", [False, True])
def test_a_gap_is_trained_in_its_serving_format_with_its_end(renderer: Renderer, suffix_first: bool) -> None:
    piece = Infill("a = 1\n", "c = 3\n", "b = 2\n", suffix_first)
    asked = renderer.prompt(infill_prompt(piece))
    ids = render(piece, renderer)
    assert ids[: len(asked)] == asked
    written = ids[len(asked) :]
    assert written[-2] == renderer.turn_end
    assert renderer.decode(written) == ("a = 1\nb = 2\n" if suffix_first else "b = 2\n")


def test_the_sample_takes_small_sets_whole_and_large_ones_in_part() -> None:
    taken = list(sample({"small": ["x" * 100], "large": ["y" * 400_000]}, seed=0, size=50_000))
    assert "x" * 100 in taken
    assert 20_000 < sum(len(text) for text in taken if text.startswith("y")) < 100_000
