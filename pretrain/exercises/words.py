"""Missing words, shuffled lines, and the subject of a text."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from pretrain.exercises import Context, place_instruction, sample_names, sentences
from pretrain.texts.documents import Document
from pretrain.texts.pieces import Infill, Piece, asked

_LONG_WORD = re.compile(r"[A-Za-z]{5,}")
_CLOZE = (
    "Which word is missing at ____?",
    "Fill the gap: write the word that belongs at ____.",
    "One word was replaced by ____. Which?",
)
_SUBJECT = (
    "Which of these is the text about: {names}?",
    "Choose the subject of the text. Answer with one of: {names}.",
    "Subjects: {names}. Name the one that fits.",
)


def cloze(passage: Document, _: Context, draw: random.Random) -> Iterator[Piece]:
    """A word of the passage in place of a gap."""
    listed = sentences(passage.text)[:4]
    text = " ".join(listed)
    found = list(_LONG_WORD.finditer(text))
    if len(found) > 8:
        word = draw.choice(found)
        gapped = f"{text[: word.start()]}____{text[word.end() :]}"
        system, user = place_instruction(draw.choice(_CLOZE), gapped, draw)
        yield asked(user, word.group(), system)


def restore(passage: Document, _: Context, draw: random.Random) -> Iterator[Piece]:
    """A sentence of the passage from the text before and after it."""
    listed = sentences(passage.text)
    if len(listed) >= 3:
        sentence = draw.choice(listed[1:-1])
        before, found, after = passage.text.partition(sentence)
        if found:
            yield Infill(before, after, found, suffix_first=draw.random() < 0.3)


def choose_subject(passage: Document, context: Context, draw: random.Random) -> Iterator[Piece]:
    """The subject of the passage among several."""
    names = {passage.label, *sample_names(context.labels, draw.randint(2, 7), draw)}
    if passage.label and len(names) > 1:
        listed = sorted(names)
        draw.shuffle(listed)
        text = passage.text[: draw.randint(300, 1200)]
        system, user = place_instruction(draw.choice(_SUBJECT).format(names=", ".join(listed)), text, draw)
        yield asked(user, passage.label, system)
