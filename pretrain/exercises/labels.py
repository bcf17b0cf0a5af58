"""Labels of a set: intents of queries and turns, and labelled clauses with their opening words."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pretrain.exercises import Context, place_instruction, sample_names, tidy
from pretrain.texts.documents import Document
from pretrain.texts.pieces import Piece, asked, compact_json

_INTENT = (
    "What does the customer want? Answer with the intent.",
    "Classify the message. Write its intent.",
    "Intent of this query?",
    "Name the intent of the user's message.",
    "Which request is this? Give its name.",
)
_INTENT_OF = (
    "Choose the intent of the message among: {names}.",
    "Intents: {names}. Which one is it?",
    "Answer with one of {names}.",
)
_TURNS = (
    "List the intent of each line as a JSON array.",
    "Give the intents of these lines in their order, as JSON.",
)
_CLAUSES = (
    "Find the clauses in this part of a contract. Answer with JSON: the kinds that are there, each with the first "
    "{count} words of its clauses. Kinds: {names}.",
    "Kinds of clauses: {names}. Return a JSON object from each kind that the text has to a list of quotes, the first "
    "{count} words of each clause. {{}} if there is none.",
    "Which of these does the text have: {names}? Quote how each begins ({count} words), as JSON.",
)
_EVERY_KIND = (
    "Quote how the clauses of each kind begin ({count} words), as JSON: {names}. Give [] for a kind that is not there.",
    "For each of {names}: a JSON list of the first {count} words of its clauses here, empty where the text has none.",
    "Kinds: {names}. Return a JSON object with every kind: the opening {count} words of its clauses, or [].",
)
_ANY_CLAUSES = (
    "Find the clauses in this part of a contract and quote their first {count} words by kind, as JSON.",
    "Return JSON: each kind of clause in this text, with the opening {count} words of its clauses.",
)
_WHICH = (
    "What kind of clause is this? Choose among: {names}.",
    "Kinds: {names}. Which one is the clause?",
)


def intent(passage: Document, _: Context, draw: random.Random) -> Iterator[Piece]:
    """The intent of a query, by its bare name, in words or as JSON."""
    if passage.label:
        instruction = draw.choice(_INTENT)
        answer = _named(passage.label, draw)
        if draw.random() < 0.15:
            instruction, answer = f"{instruction} Reply in JSON.", compact_json({"intent": passage.label})
        system, user = place_instruction(instruction, with_word_errors(passage.text, draw), draw)
        yield asked(user, answer, system)


def intent_of_some(passage: Document, context: Context, draw: random.Random) -> Iterator[Piece]:
    """The intent of a query, chosen from a list."""
    names = _among(passage.label, context.labels, draw.randint(2, 15), draw)
    instruction = draw.choice(_INTENT_OF).format(names=", ".join(names))
    system, user = place_instruction(instruction, with_word_errors(passage.text, draw), draw)
    yield asked(user, passage.label, system)


def intents_of_turns(passage: Document, _: Context, draw: random.Random) -> Iterator[Piece]:
    """The intents of a customer's turns, line by line."""
    marks = passage.marks[:8]
    lines = "\n".join(passage.text[mark.start : mark.end] for mark in marks)
    if len(marks) >= 2:
        system, user = place_instruction(draw.choice(_TURNS), lines, draw)
        yield asked(user, compact_json([mark.label for mark in marks]), system)


def marked_openings(passage: Document, context: Context, draw: random.Random) -> Iterator[Piece]:
    """The labelled clauses that start in a window, by their opening words; one in five windows may have none."""
    window = _window(passage, draw)
    count = draw.randint(3, 6)
    found: dict[str, list[str]] = {}
    for mark in window.marks:
        words = window.text[mark.start : mark.end].split()
        if len(words) >= count:
            found.setdefault(_spaced(mark.label), []).append(" ".join(words[:count]))
    if not found and draw.random() < 0.8:
        return
    listed = sorted({*found, *map(_spaced, sample_names(context.labels, draw.randint(2, 12), draw))})
    wordings = draw.choices((_ANY_CLAUSES, _CLAUSES, _EVERY_KIND), (2, 3, 5))[0]
    instruction = draw.choice(wordings).format(count=count, names=", ".join(listed))
    system, user = place_instruction(instruction, tidy(window.text), draw)
    kinds = listed if wordings is _EVERY_KIND else found
    yield asked(user, compact_json({name: found.get(name, [])[:3] for name in kinds}), system)


def which_label(passage: Document, context: Context, draw: random.Random) -> Iterator[Piece]:
    """The kind of one labelled clause among several."""
    marks = [mark for mark in passage.marks if mark.end - mark.start > 60]
    if marks:
        mark = draw.choice(marks)
        clause = " ".join(passage.text[mark.start : mark.end].split())
        names = [_spaced(name) for name in _among(mark.label, context.labels, draw.randint(3, 10), draw)]
        system, user = place_instruction(draw.choice(_WHICH).format(names=", ".join(names)), clause, draw)
        yield asked(user, _spaced(mark.label), system)


def with_word_errors(text: str, draw: random.Random, share: float = 0.4) -> str:
    """Return a text; in a share of the cases, drop some of its words or swap two of them (Wei & Zou 2019)."""
    words, kind = text.split(), draw.random()
    if kind > share or len(words) < 4:
        return text
    if kind > 0.75 * share:
        first = draw.randrange(len(words) - 1)
        words[first : first + 2] = reversed(words[first : first + 2])
    else:
        words = [word for word in words if draw.random() > 0.15] or words
    return " ".join(words)


def _window(passage: Document, draw: random.Random) -> Document:
    """Return a shorter window that starts just before a mark, if there is one."""
    size = draw.randint(300, 1400)
    start = max(0, draw.choice(passage.marks).start - draw.randint(0, 200)) if passage.marks else 0
    marks = tuple(
        replace(mark, start=mark.start - start, end=min(mark.end - start, size))
        for mark in passage.marks
        if start <= mark.start < start + size
    )
    return replace(passage, text=passage.text[start : start + size], marks=marks)


def _among(label: str, labels: Sequence[str], count: int, draw: random.Random) -> list[str]:
    names = sorted({label, *sample_names(labels, count, draw)})
    draw.shuffle(names)
    return names


def _named(label: str, draw: random.Random) -> str:
    return label if draw.random() < 0.7 else _spaced(label)


def _spaced(label: str) -> str:
    return label.replace("_", " ").lower()
