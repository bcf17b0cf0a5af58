"""What the base model learns from: documents, each with the name by which it falls on one side of the split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kit.data.split import held_out

HELD_OUT_SHARE = 0.2
"""The share that `kit data import` tests on unless told otherwise: what it tests on is never trained on here."""

Role = Literal["user", "assistant"]
Turn = tuple[Role, str]


@dataclass(frozen=True)
class Mark:
    """A labelled stretch of a document, in code points."""

    label: str
    start: int
    end: int


@dataclass(frozen=True)
class Document:
    """One document of a set.

    `group` decides its side of the split, and is what an importer of the set would use. `text` is what duplicates and
    contamination are judged by. `turns` is a dialogue, `label` an intent or a subject, `marks` are labelled stretches.
    `official_test` marks what the set's own makers keep for testing.
    """

    source: str
    group: str
    text: str
    turns: tuple[Turn, ...] = ()
    label: str = ""
    marks: tuple[Mark, ...] = ()
    official_test: bool = False


def split(documents: Iterable[Document]) -> tuple[list[Document], list[Document]]:
    """Return the documents to train on and those held out: by content hash of their group, whole groups each."""
    kept: list[Document] = []
    held: list[Document] = []
    for document in documents:
        apart = document.official_test or held_out(document.group, HELD_OUT_SHARE)
        (held if apart else kept).append(document)
    return kept, held
