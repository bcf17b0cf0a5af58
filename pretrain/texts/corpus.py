"""Make the training corpus from the sets on disk: read, split, remove duplicates and evaluated texts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kit.data.checking.duplicates import NearDuplicates
from kit.errors import InputError, Problem
from pretrain.exercises import Context, passages
from pretrain.texts import reading
from pretrain.texts.contamination import Evaluated
from pretrain.texts.documents import Document, split
from pretrain.texts.pieces import Piece, Plain
from pretrain.texts.sources import SOURCES, Part, Portion, Source

ALIKE = 0.8
EVALUATION_ONLY = ("code/humaneval", "code/humaneval_infilling", "npc/crd3", "npc/tmwa")
LONGEST_PLAIN = 8000
"""Most characters of one plain piece: about a window of 2,048 tokens for most texts."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Tally:
    """The numbers of kept and removed documents of one set."""

    name: str
    licence: str
    documents: int
    held_out: int
    repeated: int
    contaminated: int
    cut: int
    kept: int


@dataclass(frozen=True)
class Corpus:
    """The training documents of each set, all held-out documents, and the tallies."""

    kept: dict[str, list[Document]]
    held_out: list[Document]
    tallies: list[Tally]

    def report(self) -> list[dict[str, Any]]:
        """The tallies as data."""
        return [asdict(tally) for tally in self.tallies]


def find_folders(data: Path) -> None:
    """Raise InputError with every set that is missing."""
    folders = {source.folder: "The base is trained on it." for source in SOURCES}
    folders |= dict.fromkeys(EVALUATION_ONLY, "It is evaluated, so its texts must be removed from the training texts.")
    missing = [
        Problem(f"A public set is missing. {why}", str(data / folder), "Name the folder of all sets with --data.")
        for folder, why in folders.items()
        if not (data / folder).is_dir()
    ]
    if missing:
        raise InputError(missing)


def held_out_documents(data: Path) -> list[Document]:
    """Return the held-out documents of all sets, and the texts that are for evaluation only.

    Raises InputError if a set is missing.
    """
    find_folders(data)
    sets = (split(source.read(data / source.folder))[1] for source in SOURCES)
    return [*_evaluation_only(data), *(document for held in sets for document in held)]


def collect(data: Path, say: Say) -> Corpus:
    """Read every set and keep the documents to train on.

    Raises InputError if a set is missing.
    """
    find_folders(data)
    parts = {source.name: split(source.read(data / source.folder)) for source in SOURCES}
    held = [*_evaluation_only(data), *(document for _, apart in parts.values() for document in apart)]
    evaluated = Evaluated(held)
    kept: dict[str, list[Document]] = {}
    tallies = []
    for source in SOURCES:
        inside, apart = parts[source.name]
        fresh = _without_repeats(inside)
        cleaned = evaluated.clean(fresh)
        kept[source.name] = cleaned.documents
        tally = Tally(
            source.name, source.licence, len(inside) + len(apart), len(apart), len(inside) - len(fresh),
            cleaned.dropped, cleaned.cut, len(cleaned.documents),
        )  # fmt: skip
        tallies.append(tally)
        say(f"{source.name}: {tally.documents} documents, {tally.held_out} held out, {tally.kept} kept")
    return Corpus(kept, held, tallies)


def _evaluation_only(data: Path) -> Iterator[Document]:
    yield from reading.template_tests()
    yield from reading.evaluation_programs(data)
    yield from reading.transcripts(data)
    yield from reading.game_lines(data)


def _without_repeats(documents: Sequence[Document]) -> list[Document]:
    """Drop near-duplicates of earlier documents, and documents without words."""
    seen, kept = NearDuplicates(ALIKE), []
    for number, document in enumerate(documents):
        if document.text.strip() and seen.match(document.text) is None:
            seen.add(str(number), document.text)
            kept.append(document)
    return kept


def mixture(corpus: Corpus, part: Part, seed: int) -> Iterator[tuple[Source, Piece]]:
    """Yield the training pieces of a part of the run, set by set: copies of plain text, and exercises."""
    for source in SOURCES:
        draw = random.Random(f"{seed}/{source.name}")
        documents, portion = corpus.kept[source.name], source.portions[part]
        for piece in _plain(portion, documents, draw):
            yield source, piece
        for piece in _made(portion, documents, draw):
            yield source, piece


def _plain(portion: Portion, documents: Sequence[Document], draw: random.Random) -> Iterator[Piece]:
    for document in documents:
        for _ in range(_times(portion.copies, draw)):
            for start in range(0, len(document.text), LONGEST_PLAIN):
                yield Plain(document.text[start : start + LONGEST_PLAIN])


def _made(portion: Portion, documents: Sequence[Document], draw: random.Random) -> Iterator[Piece]:
    context = Context(documents)
    for document in documents:
        for passage in passages(document, draw):
            for exercise, share in portion.exercises.items():
                for _ in range(_times(share, draw)):
                    yield from exercise(passage, context, draw)


def _times(rate: float, draw: random.Random) -> int:
    """Return a random whole number whose mean is the rate."""
    return int(rate) + (draw.random() < rate % 1)
