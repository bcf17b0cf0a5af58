"""A hint names the intended word, or there is no hint."""

from __future__ import annotations

import pytest

from kit.errors import nearest

OPTIONS = ("--engine", "--expose-preview", "--host", "--json", "--port", "--profile", "--threads")


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("chekc", ("check", "train"), "check"),
        ("Legal", ("legal",), "legal"),
        ("alfa", ("alpha", "dropout"), "alpha"),
        ("governing law", ("governing_law", "insurance"), "governing_law"),
        ("train.lerning_rate", ("train.learning_rate", "train.clip"), "train.learning_rate"),
        ("--profil", OPTIONS, "--profile"),
        ("--hots", OPTIONS, "--host"),
        ("--expose-previw", OPTIONS, "--expose-preview"),
    ],
)
def test_a_typing_error_is_answered_with_the_intended_word(word: str, known: tuple[str, ...], meant: str) -> None:
    assert nearest(word, known) == f"Did you mean '{meant}'?"


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("--tensor-parallel-size", OPTIONS),
        ("--config", OPTIONS),
        ("--expose", OPTIONS),
        ("--expose-prev", OPTIONS),
        ("--preview", OPTIONS),
        ("indemnity", ("confidentiality", "insurance")),
        ("help", ("eval", "data")),
        ("", ("a", "b")),
        ("x", ("a", "b")),
    ],
)
def test_another_word_gets_no_hint(word: str, known: tuple[str, ...]) -> None:
    assert nearest(word, known) == ""


def test_a_word_is_never_its_own_hint() -> None:
    assert nearest("cef4", ("cef4",)) == ""
