"""Builds training rows from examples: what the model reads and the answer to write. Nothing is truncated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kit.chat import Renderer, Supervised
from kit.errors import InputError, KitError, Problem, UnfitRows
from kit.task import Example, Prompt, Task, Untaught, write_answer

AnyExample = Example[Any, Any]
Setting = Literal["train.max_length", "serve.max_length"]
_NO_TARGET = "The task has no target for any of its prompts: correct the example, remove it, or set its weight to 0."


@dataclass(frozen=True)
class Row:
    """One training row of token ids. The loss covers those from `answer_start`."""

    example: str
    group: str
    ids: tuple[int, ...]
    answer_start: int
    weight: float = 1.0


@dataclass(frozen=True)
class Dropped:
    """A row that was left out. Without a `reason`, it is too long."""

    example: str
    tokens: int
    reason: str = ""

    @property
    def sentence(self) -> str:
        """A sentence about the row and why it was left out."""
        return f"Left out: example '{self.example}' {self.reason or f'makes a row of {self.tokens} tokens'}."


@dataclass(frozen=True)
class Rows:
    """The rows to train on, and those that did not fit."""

    rows: tuple[Row, ...]
    dropped: tuple[Dropped, ...] = ()


def build_rows(
    task: Task[Any, Any],
    renderer: Renderer,
    examples: Sequence[AnyExample],
    max_length: int,
    too_long: Literal["refuse", "drop"],
    places: Mapping[str, str] | None = None,
    must_teach: bool = False,
    part: str = "training",
    setting: Setting = "train.max_length",
) -> Rows:
    """Return one row per prompt that has a target, in the order of the examples.

    `places` maps an example's id to its file and line; `part` is the purpose of the examples, and `setting` names the
    recipe's setting behind `max_length`. Raises InputError with every row that is too long (unless `drop`) and every
    answer that is longer than its prompt allows; UnfitRows if no row is left or, with `must_teach`, if an example of a
    weight above 0 has no target.
    """
    rows: list[Row] = []
    dropped: list[Dropped] = []
    problems: list[Problem] = []
    masked: list[Problem] = []
    for example in examples:
        where = (places or {}).get(example.id, "")
        try:
            made = list(_supervised(task, renderer, example))
        except KitError as error:
            problems.extend(
                Problem(f"Example '{example.id}': {each.what}", _within(where, each), each.next)
                for each in error.problems
            )
            continue
        if must_teach and not made and example.weight:
            advice = task.untaught(example.request) if isinstance(task, Untaught) else ""
            masked.append(Problem(f"Example '{example.id}' has no target to learn from.", where, advice or _NO_TARGET))
        for prompt, row in made:
            problems.extend(_budget_problem(example, where, prompt, row))
            if len(row.ids) <= max_length:
                rows.append(Row(example.id, example.group, row.ids, row.answer_start, example.weight))
            elif too_long == "drop":
                dropped.append(Dropped(example.id, len(row.ids)))
            else:
                problems.append(_too_long(example, where, len(row.ids), max_length, setting))
    if not (problems or masked) and not any(row.weight for row in rows):
        masked.append(_nothing_left(part, len(examples)))
    if masked:
        raise UnfitRows([*masked, *problems])
    if problems:
        raise InputError(problems)
    return Rows(tuple(rows), tuple(dropped))


def _nothing_left(part: str, examples: int) -> Problem:
    if not examples:
        return Problem(f"There are no {part} examples.", next="Add some, of at least two groups.")
    what = f"No {part} row has a token to learn from."
    return Problem(what, next="Every target is missing, was dropped, or has weight 0.")


def _supervised(task: Task[Any, Any], renderer: Renderer, example: AnyExample) -> Iterator[tuple[Prompt, Supervised]]:
    prompts = task.prompts(example.request)
    targets = task.targets(example.request, example.response)
    if len(prompts) != len(targets):
        raise InputError(f"The task makes {len(prompts)} prompts but {len(targets)} targets.")
    for prompt, target in zip(prompts, targets, strict=True):
        if target is not None:
            yield prompt, renderer.supervised(prompt, write_answer(target))


def _budget_problem(example: AnyExample, where: str, prompt: Prompt, supervised: Supervised) -> Iterator[Problem]:
    """Refuse an answer that is longer than its prompt allows: it would be learned whole and cut in generation."""
    if supervised.labels > prompt.max_tokens:
        yield Problem(
            f"Example '{example.id}' has an answer of {supervised.labels} tokens (end included); "
            f"its prompt allows {prompt.max_tokens}.",
            where,
            "Shorten the answer, or raise the task's token budget.",
        )


def _too_long(example: AnyExample, where: str, tokens: int, max_length: int, setting: str) -> Problem:
    drop = ", or set data.too_long: drop" if setting.startswith("train.") else ""
    return Problem(
        f"Example '{example.id}' makes a row of {tokens} tokens; the longest allowed is {max_length} ({setting}).",
        where,
        f"Raise {setting}, or shorten the example{drop}.",
    )


def _within(where: str, problem: Problem) -> str:
    """The file and line of an example, with the place inside the example."""
    return ": ".join(filter(None, (where, problem.where)))
