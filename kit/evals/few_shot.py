"""Few-shot prompting: the base with solved training examples in its prompts, the rival that needs no training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from kit.data.split import data_digest, position
from kit.engines.answerer import BoundTask
from kit.errors import InputError
from kit.task import Choices, Example, Message, Task, write_answer

Examples = Sequence[Example[Any, Any]]
_WITHOUT_TURNS = "the task's prompts are no dialogue that solved examples could stand in"
_NO_ROOM = "no room in the context for a single example"
_NONE_SOLVED = "no training example has an answer"


@dataclass(frozen=True)
class Shots:
    """Solved examples for the prompts of the base.

    `turns` are their messages, `count` is their number, `digest` the SHA-256 of the examples. `reason` says why there
    are none; it is empty where there are some.
    """

    turns: tuple[Message, ...] = ()
    count: int = 0
    digest: str = ""
    reason: str = ""

    @property
    def sentence(self) -> str:
        """What the column few-shot is, or why there is none."""
        if self.reason:
            return f"Few-shot was not measured: {self.reason}."
        examples = "1 training example" if self.count == 1 else f"{self.count} training examples"
        return f"Few-shot: the base with {examples} in its prompt."


def choose_shots(bound: BoundTask, train: Examples, asked: Examples, most: int) -> Shots:
    """Return up to `most` training examples, as many as leave room for each request of `asked`.

    They are the first in hash order of their ids that have an answer, so that nobody picks them. A task that asks
    several questions, such as yes or no and then which, shows one answer to each.
    """
    if not all(prompt.messages for example in asked[:1] for prompt in bound.task.prompts(example.request)):
        return Shots(reason=_WITHOUT_TURNS)
    solved = list(islice(_solved(bound.task, train), most))
    for count in range(len(solved), 0, -1):
        chosen = solved[:count]
        turns = tuple(chain.from_iterable(each for _, each in chosen))
        if _fits(replace(bound, shots=turns), asked):
            return Shots(turns, count, data_digest(example for example, _ in chosen))
    return Shots(reason=_NO_ROOM if solved else _NONE_SOLVED)


def _solved(task: Task[Any, Any], train: Examples) -> Iterator[tuple[Example[Any, Any], tuple[Message, ...]]]:
    """Yield each example that has an answer, with its turns: of the first answered prompt for each set of choices."""
    for example in sorted(train, key=lambda each: position(each.id)):
        turns: dict[Any, tuple[Message, ...]] = {}
        pairs = zip(task.prompts(example.request), task.targets(example.request, example.response), strict=True)
        for prompt, target in pairs:
            question = prompt.answer if isinstance(prompt.answer, Choices) else None
            if target is not None and question not in turns:
                asked = (message for message in prompt.messages if message.role != "system")
                turns[question] = (*asked, Message.of("assistant", write_answer(target)))
        if turns:
            yield example, tuple(chain.from_iterable(turns.values()))


def _fits(bound: BoundTask, asked: Examples) -> bool:
    """Whether every request that the model answers fits the context."""
    try:
        for example in asked:
            if bound.shortcut(example.request) is None:
                bound.generations(example.request)
    except InputError:
        return False
    return True
