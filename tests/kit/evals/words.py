"""A small task and an engine that writes scripted answers, so that evaluation is tested without a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import kit.base
from kit.chat import Renderer
from kit.engines.answerer import Answerer
from kit.engines.base import Generation
from kit.engines.scripted import ScriptedEngine
from kit.evals.run import Evaluation, evaluate
from kit.metrics.reductions import f1_over, mean_of
from kit.task import Completion, Example, FreeText, Message, Metric, Prompt, Record, Strict, Task, UnreadableAnswer

Script = Callable[[str], str]
RENDERER = Renderer(Path(kit.base.__file__).parent / "nano")


class Line(Strict):
    text: str


class Words(Strict):
    words: tuple[str, ...]


class LongWords(Task[Line, Words]):
    """Names the long words of a line. It reads an empty answer as no words."""

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
    """The same, but it cannot read an empty answer."""

    def read(self, request: Line, completions: Sequence[Completion]) -> Words:
        if not completions:
            raise UnreadableAnswer("There is no answer.")
        return super().read(request, completions)


class CountingEngine(ScriptedEngine):
    """Counts the requests in flight; answers do not come in the order of the questions.

    The first requests wait until `wait_for` of them are in flight, so that a busy machine changes no count.
    """

    in_flight = 0
    most_in_flight = 0
    wait_for = 0

    async def generate(self, request: Generation) -> Completion:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        async with asyncio.timeout(10):
            while self.most_in_flight < self.wait_for:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.001 * (sum(request.ids) % 7))
        self.in_flight -= 1
        return await super().generate(request)


def answerer(script: Script, task: Task[Any, Any] | None = None, max_length: int = 512) -> Answerer:
    """Bind a task to an engine that writes what `script` returns for the text of a prompt."""
    engine = CountingEngine(lambda _, text: script(text), RENDERER, max_length=max_length)
    return Answerer(task or LongWords(), RENDERER, engine)


def asked(script: Script, rows: Sequence[Example[Any, Any]], task: Task[Any, Any] | None = None) -> Evaluation:
    """Evaluate a task on rows."""
    return asyncio.run(run(answerer(script, task), rows))


async def run(subject: Answerer, rows: Sequence[Example[Any, Any]], **options: Any) -> Evaluation:
    """Start the engine, evaluate, and stop it."""
    await subject.engine.start()
    try:
        return await evaluate(subject, rows, **options)
    finally:
        await subject.engine.stop()


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


def right(text: str) -> str:
    return next(word for word in text.split() if word.startswith("lantern"))


def wrong(text: str) -> str:
    return "plain"


def cut(text: str) -> str:
    """More than the budget allows."""
    return "plain " * 40
