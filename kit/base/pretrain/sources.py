"""The sets that the base model learns from: where each is, its licence, how often it is read, what is made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kit.base.pretrain import reading
from kit.base.pretrain.documents import Document
from kit.base.pretrain.exercises import Exercise, code, dialogue, labels, quoting, words


@dataclass(frozen=True)
class Source:
    """One set.

    `folder` is relative to the data folder; none for Python's own library. `copies` is how often its plain text is read
    for once through the whole mixture, and may be broken or 0. `exercises` maps what is made of a document's passages
    to the share of passages of which it is made; above 1, several are made of each.
    """

    name: str
    folder: str
    licence: str
    read: Callable[[Path], Iterator[Document]]
    copies: float
    exercises: Mapping[Exercise, float] = field(default_factory=dict)


_PROSE = {
    quoting.quote_sentence: 0.2,
    quoting.opening_words: 0.2,
    quoting.quotes_by_key: 0.2,
    words.cloze: 0.1,
    words.restore: 0.1,
}
_CODE: dict[Exercise, float] = {code.fill_line: 0.25, code.fill_lines: 0.1, code.fill_span: 0.1}

SOURCES = (
    Source(
        "contracts", "legal/cuad", "CC BY 4.0", reading.contracts, 1.5,
        {**_PROSE, labels.marked_openings: 0.6, labels.which_label: 0.15},
    ),
    Source("agreements", "legal/contractnli", "CC BY 4.0", reading.agreements, 4, dict(_PROSE)),
    Source(
        "medical_answers", "medical/medquad", "CC BY 4.0", reading.medical_answers, 0,
        {dialogue.answers: 0.7, dialogue.several_turns: 0.15, words.choose_subject: 0.15, quoting.quote_sentence: 0.1},
    ),
    Source("abstracts", "medical/pubmedqa", "MIT", reading.abstracts, 3, {dialogue.answers: 2, **_PROSE}),
    Source(
        "banking_queries", "support/banking77", "CC BY 4.0", reading.banking_queries, 0,
        {labels.intent: 2, labels.intent_of_some: 1},
    ),
    Source(
        "assistant_queries", "support/clinc150", "CC BY 3.0", reading.assistant_queries, 0,
        {labels.intent: 1, labels.intent_of_some: 0.7},
    ),
    Source(
        "service_chats", "support/multidogo", "CDLA-Permissive-1.0", reading.service_chats, 0.5,
        {labels.intents_of_turns: 0.5},
    ),
    Source("guidelines", "support/abcd_partial", "MIT", reading.guidelines, 6, dict(_PROSE)),
    Source("sample_chats", "support/abcd_partial", "MIT", reading.sample_chats, 4),
    Source(
        "small_programs", "code/mbpp", "CC BY 4.0", reading.small_programs, 3,
        {dialogue.answers: 3, code.fill_line: 3, code.fill_lines: 1},
    ),
    Source(
        "standard_library", "", "PSF-2.0", reading.standard_library, 0.6,
        {**_CODE, code.write_function: 0.25},
    ),
    Source("novels", "general/novels", "public domain", reading.novels, 0.6, {dialogue.spoken: 0.5, **_PROSE}),
    Source("instructions", "general/seed_tasks", "Apache-2.0", reading.instructions, 0, {dialogue.answers: 4}),
)  # fmt: skip


def recipe_digest() -> str:
    """SHA-256 over the table: another mixture is made where it has changed."""
    rows = [
        (source.name, source.copies, {exercise.__name__: share for exercise, share in source.exercises.items()})
        for source in SOURCES
    ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()
