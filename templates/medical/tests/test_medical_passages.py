"""A record is cut into passages without losing a word."""

from __future__ import annotations

from typing import Any

from medical_parts import module, request  # type: ignore[import-not-found]

from kit.task import Task

passages = module("passages")


def test_lines_are_passages_and_long_lines_are_cut_between_sentences() -> None:
    long = " ".join(f"Sentence {number} of a long line says nothing new." for number in range(40))
    pieces = passages.cut(f"First line.\n\n  Second line.  \r\n{long}")
    assert pieces[:2] == ["First line.", "Second line."]
    assert len(pieces) > 4
    assert all(len(piece) <= passages.PASSAGE_LENGTH for piece in pieces)
    assert " ".join(pieces[2:]) == long


def test_a_line_without_sentences_stays_whole_and_blank_lines_are_none() -> None:
    assert passages.cut("x" * 900) == ["x" * 900]
    assert passages.cut(" \n\t\n") == []


def test_evidence_comes_first_and_the_record_has_its_own_ids(task: Task[Any, Any]) -> None:
    asked = request(task, record="One.\nTwo.")
    assert [each.id for each in passages.passages(asked)] == ["trial", "leaflet", "record-1", "record-2"]
