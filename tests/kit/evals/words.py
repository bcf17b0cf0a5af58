"""A made-up task and an engine that writes what a test tells it to: evaluation is tested apart from any model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import kit.base
from kit.answer import Answerer
from kit.chat import Renderer
from kit.engines.base import Capabilities, Generation
from kit.metrics.reductions import f1_over, mean_of
from kit.task import Completion, Example, FreeText, Message, Metric, Prompt, Record, Strict, Task, UnreadableAnswer

RENDERER = Renderer(Path(kit.base.__file__).parent / "nano")


class Line(Strict):
    text: str


class Words(Strict):
    words: tuple[str, ...]


class LongWords(Task[Line, Words]):
    """Names the long words of a line. No answer at all is read as no words."""

    name = "long-words"
    route = "words/long"
    request_type = Line
    response_type = Words
    metrics: ClassVar[dict[str, Metric]] = {
        "alarms": mean_of("fp", higher_is_better=False),
        "word_f1": f1_over(),
    }
    main_metric = "word_f1"

    def prompts(self, request: Line) -> list[Prompt]:
        return [Prompt(FreeText(), 32, messages=(Message.of("user", request.text),))]

    def targets(self, request: Line, response: Words) -> list[str]:
        return [" ".join(response.words)]

    def read(self, request: Line, completions: Sequence[Completion]) -> Words:
        if any(completion.finish != "stop" for completion in completions):
            raise UnreadableAnswer("The answer was cut off before its end.")
        return Words(words=tuple(word for completion in completions for word in completion.text.split()))

    def observe(self, expected: Words, actual: Words) -> Record:
        wanted, found = set(expected.words), set(actual.words)
        return {"tp": len(wanted & found), "fp": len(found - wanted), "fn": len(wanted - found)}


class NeedsAnAnswer(LongWords):
    """The same, but nothing can be made of no answer."""

    def read(self, request: Line, completions: Sequence[Completion]) -> Words:
        if not completions:
            raise UnreadableAnswer("There is no answer.")
        return super().read(request, completions)


class TellingEngine:
    """Writes what `tell` makes of the prompt's text; remembers how many requests were in flight at once."""

    def __init__(self, tell: Callable[[str], Completion], max_length: int = 512) -> None:
        self.capabilities = Capabilities("telling", "1", max_length, adapters=False)
        self._tell = tell
        self._in_flight = 0
        self.most_in_flight = 0

    async def generate(self, request: Generation) -> Completion:
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        text = RENDERER.decode(request.ids)
        await asyncio.sleep(0.001 * (len(text) % 7))  # answers do not come in the order of the questions
        self._in_flight -= 1
        return self._tell(text)


def answerer(tell: Callable[[str], Completion], task: Task[Any, Any] | None = None, max_length: int = 512) -> Answerer:
    engine: Any = TellingEngine(tell, max_length)
    return Answerer(task or LongWords(), RENDERER, engine)


def examples(count: int, per_group: int = 1) -> list[Example[Any, Any]]:
    """Return lines such as 'plain lantern3', of which the second word is wanted."""
    return [
        LongWords.example_type()(
            id=f"row-{index}",
            group=f"page-{index // per_group}",
            request=Line(text=f"plain lantern{index}"),
            response=Words(words=(f"lantern{index}",)),
        )
        for index in range(count)
    ]


def last_word(text: str) -> str:
    return next(word for word in text.split() if word.startswith("lantern"))


def right(text: str) -> Completion:
    return Completion(last_word(text), token_ids=(1, 2, 3))


def wrong(text: str) -> Completion:
    return Completion("plain", token_ids=(1,))


def cut(text: str) -> Completion:
    return Completion(last_word(text)[:3], token_ids=(1, 2), finish="length")
