"""Dialogues: a question and its answer, several questions about one subject, and dialogue in novels."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from kit.task import Role
from pretrain.exercises import Context
from pretrain.texts.documents import Document
from pretrain.texts.pieces import Chat, Piece

_LONGEST = 2000
_SPEECH = re.compile(r"[\"“]([^\"“”]{2,300})[\"”]")
_ASSISTANT = (
    "",
    "",
    "You are a helpful assistant.",
    "Answer the question.",
    "Answer briefly and to the point.",
)
_CHARACTER = (
    "You are a character in a story. Answer as that character would.",
    "Talk with the user as a person of the story.",
    "Stay in character, and reply to what is said.",
    "",
)


def answers(passage: Document, _: Context, draw: random.Random) -> Iterator[Piece]:
    """The document's own question and answer."""
    yield _chat(draw.choice(_ASSISTANT), passage.turns)


def several_turns(passage: Document, context: Context, draw: random.Random) -> Iterator[Piece]:
    """Up to three questions about one subject in one dialogue, short answers only."""
    same = [other for other in context.alike.get(passage.label, ()) if len(other.text) < _LONGEST]
    if len(same) >= 2:
        chosen = draw.sample(same, min(3, len(same)))
        yield _chat(draw.choice(_ASSISTANT), tuple(turn for other in chosen for turn in other.turns))


def spoken(passage: Document, _: Context, draw: random.Random) -> Iterator[Piece]:
    """Quoted speech in consecutive paragraphs, speaker by speaker."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", passage.text):
        said = " ".join(" ".join(_SPEECH.findall(paragraph)).split())
        if said:
            lines.append(said)
        elif len(lines) >= 2:
            break
        else:
            lines.clear()
    even = lines[: len(lines) // 2 * 2][:12]
    if even:
        roles: list[tuple[Role, str]] = [("assistant" if at % 2 else "user", said) for at, said in enumerate(even)]
        yield _chat(draw.choice(_CHARACTER), tuple(roles))


def _chat(system: str, turns: tuple[tuple[Role, str], ...]) -> Chat:
    return Chat((("system", system), *turns) if system else turns)
