"""Puts the evidence and the patient's record into one list of numbered passages."""

from __future__ import annotations

from kit.text.sentences import sentences

from .schema import RECORD_ID, Evidence, MedicalQuestion

PASSAGE_LENGTH = 400


def passages(request: MedicalQuestion) -> tuple[Evidence, ...]:
    """Return the passages that an answer may cite: the evidence, then the pieces of the record."""
    pieces = cut(request.record or "")
    record = (Evidence(id=f"{RECORD_ID}{number}", text=piece) for number, piece in enumerate(pieces, start=1))
    return tuple(each for each in (*request.evidence, *record) if each.text.strip())


def cut(text: str) -> list[str]:
    """Cut a record at line breaks, and long lines between sentences, into pieces of about PASSAGE_LENGTH characters.

    Nothing but white space at the ends of pieces is left out.
    """
    pieces: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        start = 0
        marks = [span.start for span in sentences(line)][1:]
        for mark, following in zip(marks, [*marks, len(line)][1:], strict=True):
            if following - start > PASSAGE_LENGTH and mark > start:
                pieces.append(line[start:mark].strip())
                start = mark
        pieces.append(line[start:].strip())
    return [piece for piece in pieces if piece]
