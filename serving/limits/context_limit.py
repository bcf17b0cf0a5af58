"""Refuse a dialogue that cannot fit the context before it is rendered or tokenised, by a cheap bound."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.chat import Renderer
from kit.task import Message

_MAX_COMPOSED_CHARACTERS = 4  # NFC composes at most this many characters into one
_THOUGHT_END = "</think>"  # templates drop the thoughts of earlier turns


@dataclass(frozen=True)
class ContextLimit:
    """The context in tokens, and the most characters of text that one token can encode; None if unknown."""

    context: int
    longest: int | None

    @classmethod
    def of(cls, renderer: Renderer, context: int) -> ContextLimit:
        """Read a model's bound from its tokenizer."""
        definition = json.loads((renderer.folder / "tokenizer.json").read_bytes())
        return cls(context, _longest_token(definition))

    def problem(self, messages: Sequence[Message]) -> str | None:
        """Say why a dialogue cannot fit, however it is tokenised. Return None if it might.

        A message takes at least one token. Text that a template may drop is not counted.
        """
        if len(messages) > self.context:
            return f"The dialogue has {len(messages)} messages, but the context has only {self.context} tokens."
        if self.longest is None:
            return None
        characters = sum(len(_certain_text(message)) for message in messages)
        if characters <= self.context * self.longest:
            return None
        fewest = -(-characters // self.longest)
        return f"The dialogue has at least {fewest} tokens; the context holds {self.context}, including the answer."


def _certain_text(message: Message) -> str:
    text = message.text
    if message.role == "assistant":
        text = text.rpartition(_THOUGHT_END)[2]
    return text.strip()


def _longest_token(definition: Mapping[str, Any]) -> int | None:
    """Return the most characters that one token can encode.

    None if the tokenizer drops characters or has an unknown token, which can replace text of any length.
    """
    model = definition["model"]
    bytewise = bool(model.get("byte_fallback")) or "ByteLevel" in _type_names(definition.get("pre_tokenizer"))
    shrinking = _type_names(definition.get("normalizer")) - {"NFC", "Prepend", "Replace", "Sequence"}
    if model.get("type") != "BPE" or not bytewise or shrinking or _can_shorten(definition.get("normalizer")):
        return None
    return max(map(len, model["vocab"])) * _MAX_COMPOSED_CHARACTERS


def _type_names(part: Any) -> set[str]:
    if isinstance(part, list):
        return set().union(*map(_type_names, part))
    if not isinstance(part, Mapping):
        return set()
    inner = [*part.get("normalizers", ()), *part.get("pretokenizers", ())]
    return {str(part.get("type"))}.union(*map(_type_names, inner))


def _can_shorten(part: Any) -> bool:
    """Whether a normalizer replaces text with shorter text."""
    if not isinstance(part, Mapping):
        return False
    if part.get("type") == "Replace":
        pattern = part["pattern"]
        return "String" not in pattern or len(part["content"]) < len(pattern["String"])
    return any(map(_can_shorten, part.get("normalizers", ())))
