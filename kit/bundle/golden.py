"""The dialogues that become golden renders: real prompts, and those on which renderers are known to differ."""

from __future__ import annotations

from collections.abc import Sequence

from kit.chat import Renderer
from kit.task import Message

_COUNT = 8


def dialogues_of(prompts: Sequence[Sequence[Message]], renderer: Renderer) -> list[Sequence[Message]]:
    """Return about eight dialogues: general ones, and as many of the task's own prompts as fit."""
    general = _general(renderer)
    return [*prompts[: _COUNT - len(general)], *general]


def _general(renderer: Renderer) -> list[list[Message]]:
    """One turn, several turns with white space at their edges, many scripts, and text that spells special tokens."""
    spelled = " ".join(special.text for special in renderer.specials[:8])
    question, answer = Message.of("user", "  Which clause?\n\n"), Message.of("assistant", '{"clauses":[]}')
    return [
        [Message.of("user", "Hello")],
        [question, answer, Message.of("user", "And the next one? ")],
        [question, answer],
        [Message.of("user", f"Ünï 契約 👩‍⚖️ e\u0301 12,345 {spelled} done")],
    ]
