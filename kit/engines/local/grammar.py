"""Constrained decoding with xgrammar: the same compiler and settings that vLLM uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import xgrammar
from transformers import AutoTokenizer

from kit.engines.structured import COMPACT_JSON, Grammar, compiler_reason
from kit.errors import InputError


class Grammars:
    """Compiles grammars for one vocabulary; `vocabulary` is the width of the model's logits."""

    def __init__(self, folder: Path, vocabulary: int) -> None:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        information = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=vocabulary)
        self._compiler = xgrammar.GrammarCompiler(information)

    def matcher(self, grammar: Grammar, stop_ids: Sequence[int]) -> xgrammar.GrammarMatcher:
        """Return a matcher at the start of a grammar; a stop token ends the text.

        Raises InputError if xgrammar cannot compile it.
        """
        return xgrammar.GrammarMatcher(self.compile(grammar), override_stop_tokens=list(stop_ids))

    def compile(self, grammar: Grammar) -> xgrammar.CompiledGrammar:
        """Return the compiled grammar; the compiler remembers it. Raises InputError if xgrammar cannot compile it."""
        try:
            if grammar.kind == "json":
                return self._compiler.compile_json_schema(grammar.source, **COMPACT_JSON)
            return self._compiler.compile_grammar(grammar.source)
        except Exception as error:
            raise InputError(f"The answer type cannot constrain decoding: {compiler_reason(error)}.") from error


def mask(logits: torch.Tensor, matchers: Sequence[xgrammar.GrammarMatcher | None]) -> None:
    """Set to minus infinity, in place, the tokens that a row's grammar forbids next; logits are [rows, vocabulary]."""
    constrained = {row: matcher for row, matcher in enumerate(matchers) if matcher is not None}
    if not constrained:
        return
    allowed = xgrammar.allocate_token_bitmask(len(matchers), logits.shape[-1])
    for row, matcher in constrained.items():
        matcher.fill_next_token_bitmask(allowed, row)
    xgrammar.apply_token_bitmask_inplace(logits, allowed.to(logits.device), indices=list(constrained))
