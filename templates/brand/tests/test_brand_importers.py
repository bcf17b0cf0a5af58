"""A brand's own texts become rows whose briefs the texts keep, and a voice is measured from plain files."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kit.errors import InputError
from kit.task import Completion, Task
from kit.task.loader import load_module

PROJECT = Path(__file__).parents[1]
texts = load_module(PROJECT, "importers.py").importers["texts"]
PAGE = """# Heading

We opened the shop in 1904. The first kettle
cost 2.5 pounds, and nobody bought it.

Too short.

The second kettle leaked; we mended it for free on a wet Monday.
"""


def test_each_paragraph_is_a_text_with_a_brief_of_its_sentences(tmp_path: Path) -> None:
    (tmp_path / "own.md").write_text(PAGE, encoding="utf-8")
    first, second = texts(tmp_path, {"channel": "email"})
    assert first.response.text == "We opened the shop in 1904. The first kettle cost 2.5 pounds, and nobody bought it."
    assert first.request.brief == ("opened shop 1904", "first kettle cost 2.5 pounds nobody bought")
    assert (first.request.channel, first.request.max_words) == ("email", 20)
    assert first.group == second.group
    assert texts(tmp_path / "own.md", {})[0].request.channel == "post"


def test_the_text_of_a_row_keeps_its_own_brief(tmp_path: Path, task: Task[Any, Any]) -> None:
    (tmp_path / "own.txt").write_text(PAGE, encoding="utf-8")
    for row in texts(tmp_path, {}):
        answer = task.read(row.request, [Completion(row.response.text)])
        assert (answer.content_kept, answer.added_numbers) == (1.0, ())


def test_a_long_paragraph_is_cut_at_the_ends_of_sentences(tmp_path: Path) -> None:
    sentence = "This is a sentence of ten words and no more."
    (tmp_path / "own.txt").write_text(" ".join([sentence, "And another one, longer by far than that."] * 20), "utf-8")
    rows = texts(tmp_path, {})
    assert len(rows) > 1
    assert all(row.response.text.endswith(".") and len(row.response.text.split()) <= 120 for row in rows)


@pytest.mark.parametrize(
    ("settings", "content", "what"),
    [
        ({"chanel": "post"}, PAGE, "channel"),
        ({"channel": "radio"}, PAGE, "no channel 'radio'"),
        ({}, "Short.", "no paragraph"),
        ({}, "", "no paragraph"),
    ],
)
def test_a_fault_is_told(tmp_path: Path, settings: dict[str, str], content: str, what: str) -> None:
    (tmp_path / "own.txt").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=what):
        texts(tmp_path, settings)


def test_a_folder_without_texts_and_a_file_that_is_no_text_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.txt"):
        texts(tmp_path, {})
    (tmp_path / "own.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        texts(tmp_path, {})


@pytest.mark.public_data
def test_a_public_novel_is_read_and_its_voice_is_measured(script: ModuleType) -> None:
    folder = Path(os.environ["DOMAINKIT_DATA"]) / "general/novels"
    book = folder / "Doyle_Hound_1902.txt"
    rows = texts(book, {})
    assert len(rows) > 800
    assert len({row.group for row in rows}) > 30
    voice = script.voice_of(PROJECT, book, folder / "Dickens_Oliver_1839.txt")
    assert 0 < voice["ceiling"] < voice["floor"]
