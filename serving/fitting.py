"""A cheap bound: what cannot fit the context is refused before it is rendered or tokenised."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.chat import Renderer
from kit.task import Message

_COMPOSED = 4  # NFC makes at most this many characters into one
_THOUGHT_END = "</think>"  # templates leave earlier thoughts out


@dataclass(frozen=True)
class Fit:
    """The context in tokens, and the most characters that a token can stand for; None where that is not known."""

    context: int
    longest: int | None

    @classmethod
    def of(cls, renderer: Renderer, context: int) -> Fit:
        """Return the bound of a model, read from its tokenizer."""
        definition = json.loads((renderer.folder / "tokenizer.json").read_bytes())
        return cls(context, _longest_token(definition))

    def problem(self, messages: Sequence[Message]) -> str | None:
        """Say why a dialogue cannot fit, however it is tokenised; None where it might.

        A message takes a token at least. Only text that a template could leave out is not counted.
        """
        if len(messages) > self.context:
            return f"The dialogue has {len(messages)} messages; the context holds {self.context} tokens."
        if self.longest is None:
            return None
        characters = sum(len(_kept(message)) for message in messages)
        if characters <= self.context * self.longest:
            return None
        fewest = -(-characters // self.longest)
        return f"The dialogue has {fewest} tokens or more; the context holds {self.context}, the answer included."


def _kept(message: Message) -> str:
    text = message.text
    if message.role == "assistant":
        text = text.rpartition(_THOUGHT_END)[2]
    return text.strip()


def _longest_token(definition: Mapping[str, Any]) -> int | None:
    """Return the most characters that one token can stand for.

    None where the tokenizer knows an unknown token, which stands for text of any length, or drops characters.
    """
    model = definition["model"]
    bytewise = bool(model.get("byte_fallback")) or "ByteLevel" in _kinds(definition.get("pre_tokenizer"))
    shrinking = _kinds(definition.get("normalizer")) - {"NFC", "Prepend", "Replace", "Sequence"}
    if model.get("type") != "BPE" or not bytewise or shrinking or _shortens(definition.get("normalizer")):
        return None
    return max(map(len, model["vocab"])) * _COMPOSED


def _kinds(part: Any) -> set[str]:
    if isinstance(part, list):
        return set().union(*map(_kinds, part))
    if not isinstance(part, Mapping):
        return set()
    inner = [*part.get("normalizers", ()), *part.get("pretokenizers", ())]
    return {str(part.get("type"))}.union(*map(_kinds, inner))


def _shortens(part: Any) -> bool:
    """Whether a normalizer replaces text with less of it."""
    if not isinstance(part, Mapping):
        return False
    if part.get("type") == "Replace":
        pattern = part["pattern"]
        return "String" not in pattern or len(part["content"]) < len(pattern["String"])
    return any(map(_shortens, part.get("normalizers", ())))
