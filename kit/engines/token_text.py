"""The bytes that single tokens stand for, where an API reports tokens one by one.

A token can hold part of a character, so its bytes are exact and its text may be a replacement character.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_METASPACE = "▁"


class TokenBytes:
    """The bytes of each token of a tokenizer (a `tokenizer.json`), byte-level or with byte fallback."""

    def __init__(self, file: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(file))
        definition = json.loads(file.read_bytes())
        self._added = {token["id"]: token["content"] for token in definition.get("added_tokens", ())}
        self._bytewise = "ByteLevel" in _types(definition.get("decoder"))

    def of(self, token: int) -> bytes:
        """Return the bytes of a token; special tokens stand for their own names, unknown ids for nothing."""
        if token in self._added:
            return str(self._added[token]).encode()
        piece = self._tokenizer.id_to_token(token)
        if piece is None:
            return b""
        if self._bytewise:
            table = _byte_of_character()
            return b"".join(bytes([table[char]]) if char in table else char.encode() for char in piece)
        if match := _BYTE.fullmatch(piece):
            return bytes([int(match[1], 16)])
        return piece.replace(_METASPACE, " ").encode()

    def text(self, token: int) -> str:
        """Return the text of a token; bytes that are not UTF-8 by themselves become replacement characters."""
        return self.of(token).decode("utf-8", "replace")

    def name(self, token: int) -> str:
        """Return the text of a token; bytes that are not UTF-8 by themselves are spelled out, as OpenAI does it."""
        spelled = self.of(token)
        try:
            return spelled.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in spelled)

    def joined(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, special ones by their names."""
        return b"".join(map(self.of, tokens)).decode("utf-8", "replace")


@lru_cache(maxsize=1)
def _byte_of_character() -> dict[str, int]:
    """Return the byte for each character of byte-level BPE (the table of GPT-2's tokenizer)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {chr(byte): byte for byte in plain}
    return table | {chr(256 + place): byte for place, byte in enumerate(others)}


def _types(part: Any) -> set[str]:
    if not isinstance(part, Mapping):
        return set()
    return {str(part.get("type"))}.union(*(_types(each) for each in part.get("decoders", ())))


@lru_cache(maxsize=16)
def token_bytes(folder: Path) -> TokenBytes:
    """Return the bytes of the tokens of the model in a folder; bundles never change, so they are read once."""
    return TokenBytes(folder / "tokenizer.json")
