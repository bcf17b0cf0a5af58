"""Training pieces and their token ids; the kit's renderer makes all of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kit.chat import Renderer
from kit.task import FreeText, Message, Prompt, Role, Text

END_OF_TEXT = "<|endoftext|>"
FILL_PREFIX, FILL_SUFFIX, FILL_MIDDLE = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"


@dataclass(frozen=True)
class Plain:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Chat:
    """A dialogue that ends with the assistant."""

    turns: tuple[tuple[Role, str], ...]


@dataclass(frozen=True)
class Infill:
    """A text with a gap. With `suffix_first` the suffix comes before the prefix (SPM of Bavarian et al. 2022)."""

    prefix: str
    suffix: str
    middle: str
    suffix_first: bool = False


Piece = Plain | Chat | Infill


def render(piece: Piece, renderer: Renderer) -> tuple[int, ...]:
    """Return the token ids of a piece, with its end token and a token that separates it from the next text."""
    end = next(special.id for special in renderer.specials if special.text == END_OF_TEXT)
    if isinstance(piece, Plain):
        return (*renderer.answer(piece.text), end)
    if isinstance(piece, Chat):
        return (*renderer.dialogue([Message.of(role, text) for role, text in piece.turns]), end)
    middle = piece.prefix + piece.middle if piece.suffix_first else piece.middle
    return (*renderer.supervised(infill_prompt(piece), middle).ids, end)


def infill_prompt(piece: Infill, max_tokens: int = 256) -> Prompt:
    """Return the prompt of the model before it fills a gap."""
    if piece.suffix_first:
        raw = _raw((FILL_PREFIX, ""), (FILL_SUFFIX, piece.suffix), (FILL_MIDDLE, ""))
    else:
        raw = _raw((FILL_PREFIX, piece.prefix), (FILL_SUFFIX, piece.suffix), (FILL_MIDDLE, ""))
    return Prompt(FreeText(), max_tokens, raw=raw)


def _raw(*parts: tuple[str, str]) -> tuple[Text, ...]:
    segments = (segment for mark, text in parts for segment in (Text(mark, trusted=True), Text(text)))
    return tuple(segment for segment in segments if segment.text)


def compact_json(value: Any) -> str:
    """Return JSON in the form of the kit's answers."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def asked(question: str, answer: str, system: str = "") -> Chat:
    """Return a dialogue with one question."""
    opening: Sequence[tuple[Role, str]] = [("system", system)] if system else []
    return Chat((*opening, ("user", question), ("assistant", answer)))
