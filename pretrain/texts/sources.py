"""The training sets of the base model: folder, licence, copies of the plain text, and exercises."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pretrain.exercises import Exercise, code, dialogue, labels, quoting, words
from pretrain.texts import reading
from pretrain.texts.documents import Document

Part = Literal["constant", "fall"]
"""Parts of a run: the learning rate is constant, then it falls. Texts read last are learned best."""


@dataclass(frozen=True)
class Portion:
    """How a set is used in a part of the run.

    `copies` is the number of copies of its plain text in the mixture; it may be 0 or a fraction. `exercises` maps kinds
    of exercises to their number per passage; below 1, only that share of the passages is used.
    """

    copies: float
    exercises: Mapping[Exercise, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """One set; `folder` is relative to the data folder, and empty for Python's standard library."""

    name: str
    folder: str
    licence: str
    read: Callable[[Path], Iterator[Document]]
    constant: Portion
    fall: Portion

    @property
    def portions(self) -> Mapping[Part, Portion]:
        """The use of the set in each part of the run."""
        return {"constant": self.constant, "fall": self.fall}


_PROSE: Mapping[Exercise, float] = {
    quoting.quote_sentence: 0.2,
    quoting.opening_words: 0.2,
    quoting.quotes_by_key: 0.2,
    words.cloze: 0.1,
    words.restore: 0.1,
}
_QUOTES: Mapping[Exercise, float] = {
    quoting.quote_sentence: 0.05,
    quoting.opening_words: 0.1,
    quoting.quotes_by_key: 0.2,
}
_CODE: Mapping[Exercise, float] = {code.fill_line: 0.25, code.fill_lines: 0.1, code.fill_span: 0.1}

SOURCES = (
    Source(
        "contracts", "legal/cuad", "CC BY 4.0", reading.contracts,
        Portion(1.5, {**_PROSE, labels.marked_openings: 0.6, labels.which_label: 0.15}),
        Portion(0.6, {**_QUOTES, labels.marked_openings: 1.5, labels.which_label: 0.2}),
    ),
    Source(
        "agreements", "legal/contractnli", "CC BY 4.0", reading.agreements,
        Portion(1.5, _PROSE), Portion(0.6, _QUOTES),
    ),
    Source(
        "medical_answers", "medical/medquad", "CC BY 4.0", reading.medical_answers,
        Portion(0, {
            dialogue.answers: 0.7, dialogue.several_turns: 0.15, words.choose_subject: 0.15,
            quoting.quote_sentence: 0.1,
        }),
        Portion(0, {dialogue.answers: 0.4}),
    ),
    Source(
        "abstracts", "medical/pubmedqa", "MIT", reading.abstracts,
        Portion(1, {dialogue.answers: 1, **_PROSE}), Portion(0.5, {dialogue.answers: 1}),
    ),
    Source(
        "banking_queries", "support/banking77", "CC BY 4.0", reading.banking_queries,
        Portion(0, {labels.intent: 2, labels.intent_of_some: 1}),
        Portion(0, {labels.intent: 2, labels.intent_of_some: 0.5}),
    ),
    Source(
        "assistant_queries", "support/clinc150", "CC BY 3.0", reading.assistant_queries,
        Portion(0, {labels.intent: 1, labels.intent_of_some: 0.7}),
        Portion(0, {labels.intent: 0.7, labels.intent_of_some: 0.3}),
    ),
    Source(
        "service_chats", "support/multidogo", "CDLA-Permissive-1.0", reading.service_chats,
        Portion(0.5, {labels.intents_of_turns: 0.5}), Portion(0.7),
    ),
    Source(
        "guidelines", "support/abcd_partial", "MIT", reading.guidelines,
        Portion(2, _PROSE), Portion(0.7),
    ),
    Source("sample_chats", "support/abcd_partial", "MIT", reading.sample_chats, Portion(1), Portion(0.5)),
    Source(
        "small_programs", "code/mbpp", "CC BY 4.0", reading.small_programs,
        Portion(1, {dialogue.answers: 1, code.fill_line: 2, code.fill_lines: 0.5}),
        Portion(0.5, {dialogue.answers: 0.5, code.fill_line: 1.5}),
    ),
    Source(
        "standard_library", "", "PSF-2.0", reading.standard_library,
        Portion(0.6, {**_CODE, code.write_function: 0.25}), Portion(0.15, {code.fill_line: 0.15}),
    ),
    Source(
        "novels", "general/novels", "public domain", reading.novels,
        Portion(0.6, {dialogue.spoken: 0.5, **_PROSE}), Portion(0.9, {dialogue.spoken: 1}),
    ),
    Source(
        "instructions", "general/seed_tasks", "Apache-2.0", reading.instructions,
        Portion(0, {dialogue.answers: 1.5}), Portion(0, {dialogue.answers: 1}),
    ),
)  # fmt: skip


def recipe_digest() -> str:
    """Return the SHA-256 over the table; if it changes, a new mixture is made."""
    rows = [
        (source.name, part, portion.copies, {each.__name__: share for each, share in portion.exercises.items()})
        for source in SOURCES
        for part, portion in source.portions.items()
    ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()
