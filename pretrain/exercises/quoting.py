"""Quoting: a sentence, its opening words, or quotes under keys as JSON, in the source's own words."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator

from pretrain.exercises import Context, place_instruction, sample_names, sentences, tidy
from pretrain.texts.documents import Document
from pretrain.texts.pieces import Piece, asked, compact_json

_TERM = re.compile(r"[A-Za-z][A-Za-z-]{3,}(?: [A-Za-z][A-Za-z-]{3,})?")
_SENTENCE = (
    "Quote the sentence that mentions {term}.",
    "Which sentence of the text speaks of {term}? Quote it word for word.",
    "Copy the sentence with the words “{term}”.",
    "Find {term} in the text and give the whole sentence.",
    "What does the text say about {term}? Answer with its own sentence.",
)
_OPENING = (
    "Write the first {count} words of the sentence that mentions {term}.",
    "How does the sentence about {term} begin? Give {count} words.",
    "Quote only the opening {count} words of the sentence with “{term}”.",
)
_KEYS = (
    "For each of these, quote the sentence that mentions it, as JSON: {terms}. Leave out what is not there.",
    "Find these in the text: {terms}. Answer with a JSON object from each that is there to a list of quotes.",
    "Return JSON. Keys: those of {terms} that the text mentions. Values: lists of exact quotes. {{}} if none is.",
)
_KEY_OPENINGS = (
    "For each of these that the text mentions, give the first {count} words of its sentence, as JSON: {terms}.",
    "Answer with JSON: which of {terms} does the text mention, and how do those sentences begin ({count} words)?",
)


def quote_sentence(passage: Document, _: Context, draw: random.Random) -> Iterator[Piece]:
    """The sentence that mentions a term."""
    for term, sentence in _chosen(passage, draw, 1):
        system, user = place_instruction(draw.choice(_SENTENCE).format(term=term), tidy(passage.text), draw)
        yield asked(user, sentence, system)


def opening_words(passage: Document, _: Context, draw: random.Random) -> Iterator[Piece]:
    """The first words of the sentence that mentions a term."""
    count = draw.randint(3, 6)
    for term, sentence in _chosen(passage, draw, 1):
        system, user = place_instruction(draw.choice(_OPENING).format(term=term, count=count), tidy(passage.text), draw)
        yield asked(user, _first(sentence, count), system)


def quotes_by_key(passage: Document, context: Context, draw: random.Random) -> Iterator[Piece]:
    """Quotes, or their opening words, for the terms that the passage mentions; `{}` if it mentions none."""
    here = _chosen(passage, draw, draw.choice((0, 1, 1, 2, 3)))
    there = _absent(passage, context, draw, 5 - len(here))
    terms = [*(term for term, _ in here), *there]
    if not terms:
        return
    draw.shuffle(terms)
    count = draw.randint(3, 5) if draw.random() < 0.7 else None
    wording = draw.choice(_KEYS if count is None else _KEY_OPENINGS)
    found = {term: [sentence if count is None else _first(sentence, count)] for term, sentence in here}
    system, user = place_instruction(wording.format(terms=", ".join(terms), count=count), tidy(passage.text), draw)
    yield asked(user, compact_json({term: found[term] for term in terms if term in found}), system)


def _first(sentence: str, count: int) -> str:
    return " ".join(sentence.split(" ")[:count])


def _chosen(passage: Document, draw: random.Random, most: int) -> list[tuple[str, str]]:
    """Sample terms that occur in exactly one sentence of the passage, with that sentence."""
    listed = sentences(passage.text)
    draw.shuffle(listed)
    chosen: list[tuple[str, str]] = []
    for sentence in listed[:most]:
        terms = [term for term in _TERM.findall(sentence) if passage.text.count(term) == 1]
        if terms:
            chosen.append((draw.choice(terms), sentence))
    return chosen


def _absent(passage: Document, context: Context, draw: random.Random, most: int) -> list[str]:
    """Sample terms of another document that the passage does not mention."""
    text = draw.choice(context.others).text
    start = draw.randrange(max(1, len(text) - 1500))
    terms = Counter(_TERM.findall(text[start : start + 1500]))
    rare = sorted(term for term in terms if term not in passage.text)
    return sample_names(rare, most, draw)
