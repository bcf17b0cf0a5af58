"""From the sets on disk to what is learned: read, split, without repeats, without what is evaluated."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kit.data.checking.duplicates import NearDuplicates
from kit.errors import InputError, Problem
from pretrain.exercises import Around, passages
from pretrain.texts import reading
from pretrain.texts.contamination import Evaluated
from pretrain.texts.documents import Document, split
from pretrain.texts.pieces import Piece, Plain
from pretrain.texts.sources import SOURCES, Part, Portion, Source

ALIKE = 0.8
EVALUATION_ONLY = ("code/humaneval", "code/humaneval_infilling", "npc/crd3", "npc/tmwa")
LONGEST_PLAIN = 8000
"""Characters of one plain piece: what a window of 2,048 tokens holds of most texts."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Tally:
    """What became of one set's documents."""

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
    """The documents of each set to train on, all that are held out, and what became of the rest."""

    kept: dict[str, list[Document]]
    held_out: list[Document]
    tallies: list[Tally]

    def report(self) -> list[dict[str, Any]]:
        """The tallies as data."""
        return [asdict(tally) for tally in self.tallies]


def find_folders(data: Path) -> None:
    """Raise InputError with every set that is not there."""
    folders = {source.folder: "The base learns from it." for source in SOURCES}
    folders |= dict.fromkeys(EVALUATION_ONLY, "It is evaluated, so it has to be kept out of what the base learns.")
    missing = [
        Problem(f"A public set is not here. {why}", str(data / folder), "Name the folder of all sets with --data.")
        for folder, why in folders.items()
        if not (data / folder).is_dir()
    ]
    if missing:
        raise InputError(missing)


def held_out_documents(data: Path) -> list[Document]:
    """Return the documents of all sets on which nothing is trained, and what is there for evaluation only.

    Raises InputError where a set is missing.
    """
    find_folders(data)
    sets = (split(source.read(data / source.folder))[1] for source in SOURCES)
    return [*_evaluation_only(data), *(document for held in sets for document in held)]


def collect(data: Path, say: Say) -> Corpus:
    """Read every set and keep what may be learned.

    Raises InputError where a set is missing.
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
    """Leave out documents that are nearly one that came before, and those without words."""
    seen, kept = NearDuplicates(ALIKE), []
    for number, document in enumerate(documents):
        if document.text.strip() and seen.match(document.text) is None:
            seen.add(str(number), document.text)
            kept.append(document)
    return kept


def mixture(corpus: Corpus, part: Part, seed: int) -> Iterator[tuple[Source, Piece]]:
    """Yield what a part of the run learns, set by set: plain text as often as the set says, and exercises from it."""
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
    around = Around(documents)
    for document in documents:
        for passage in passages(document, draw):
            for exercise, share in portion.exercises.items():
                for _ in range(_times(share, draw)):
                    yield from exercise(passage, around, draw)


def _times(rate: float, draw: random.Random) -> int:
    """Return a whole number that is the rate on average."""
    return int(rate) + (draw.random() < rate % 1)
