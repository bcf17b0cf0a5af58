"""Training documents, each with the group that decides its side of the split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kit.data.split import held_out

HELD_OUT_SHARE = 0.2
"""The default test share of `kit data import`: the base is never trained on what the importers test on."""

Role = Literal["user", "assistant"]
Turn = tuple[Role, str]


@dataclass(frozen=True)
class Mark:
    """A labelled span of a document, in code points."""

    label: str
    start: int
    end: int


@dataclass(frozen=True)
class Document:
    """One document of a set.

    `group` decides its side of the split, and is the same as in an importer of the set. `text` is compared to find
    duplicates and contamination. `turns` is a dialogue, `label` an intent or a subject, `marks` are labelled spans.
    `official_test`: whether the publishers of the set reserve it for testing.
    """

    source: str
    group: str
    text: str
    turns: tuple[Turn, ...] = ()
    label: str = ""
    marks: tuple[Mark, ...] = ()
    official_test: bool = False


def split(documents: Iterable[Document]) -> tuple[list[Document], list[Document]]:
    """Return training and held-out documents, split by the content hash of their group; groups stay whole."""
    kept: list[Document] = []
    held: list[Document] = []
    for document in documents:
        apart = document.official_test or held_out(document.group, HELD_OUT_SHARE)
        (held if apart else kept).append(document)
    return kept, held
