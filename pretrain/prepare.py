"""Prepare the folder that training reads: tokenizer, mixtures, and texts to measure on."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from kit.chat import Renderer
from pretrain.measure import measured_texts, write_texts
from pretrain.texts.corpus import Corpus, Say, collect, mixture
from pretrain.texts.pieces import render
from pretrain.texts.sources import Part, recipe_digest
from pretrain.texts.stream import read_facts, write_facts, write_stream
from pretrain.texts.tokenizer import sample, train_tokenizer

TOKENIZER, TEXTS, FALL = "tokenizer", "measured.json", "fall"


def prepare(data: Path, folder: Path, seed: int, say: Say, editions: int = 1) -> dict[str, Any]:
    """Make the mixtures, unless the folder already holds them with these settings; return their facts.

    Each edition contains the plain texts and newly generated exercises; use several for a run that would read one
    edition many times.

    Raises InputError if a set is missing.
    """
    known = read_facts(folder)
    made = {"seed": seed, "editions": editions, "recipe": recipe_digest()}
    if known is not None and {name: known[name] for name in made} == made:
        return known
    corpus = collect(data, say)
    folder.mkdir(parents=True, exist_ok=True)
    write_texts(folder / TEXTS, measured_texts(corpus.held_out))
    texts = {name: [document.text for document in documents] for name, documents in corpus.kept.items()}
    train_tokenizer(sample(texts, seed), folder / TOKENIZER)
    say("The tokenizer is trained.")
    facts: dict[str, Any] = {
        **made,
        "constant": _write_mixture(corpus, folder, folder, "constant", range(seed, seed + 2 * editions, 2)),
        "fall": _write_mixture(corpus, folder, folder / FALL, "fall", range(seed + 1, seed + 1 + 2 * editions, 2)),
        "sets": corpus.report(),
        "python": platform.python_version(),
    }
    write_facts(folder, facts)
    say(f"The mixtures have {facts['constant']['total']:,} tokens, and {facts['fall']['total']:,} for the fall.")
    return facts


def _write_mixture(corpus: Corpus, prepared: Path, folder: Path, part: Part, seeds: Sequence[int]) -> dict[str, Any]:
    """Write one edition per seed, one after another; training shuffles them together."""
    renderer = Renderer(prepared / TOKENIZER)
    kinds: Counter[str] = Counter()

    def pieces() -> Iterator[tuple[str, tuple[int, ...]]]:
        for source, piece in chain.from_iterable(mixture(corpus, part, seed) for seed in seeds):
            ids = render(piece, renderer)
            kinds[type(piece).__name__.lower()] += len(ids)
            yield source.name, ids

    tokens = write_stream(pieces(), folder)
    return {"total": sum(tokens.values()), "tokens": tokens, "kinds": dict(kinds)}
