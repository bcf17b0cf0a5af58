"""The ceiling: the score of a model that writes every target exactly.

If it is below the best score, `targets` and `read` lose information, or the expected response has something that no
answer can express. Training cannot fix that, so it is reported before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from kit.checks import Check
from kit.data.checking.duplicates import words_of
from kit.data.split import position
from kit.errors import KitError, Problem
from kit.metrics.intervals import value_of
from kit.task import AnswerSpec, Completion, Example, Record, Task, UnreadableAnswer, write_answer

AnyExample = Example[Any, Any]
_NEAR = 1e-9
_TRAIN_CHARACTERS = 4_000_000  # characters of requests; with more, reading every answer would take minutes
_ADVICE = "Compare their responses with what the task's `read` returns for its own `targets`."


@dataclass(frozen=True)
class Ceiling:
    """The main metric of perfect answers (None if it has no value), and the examples that cannot score their best.

    `unscored` counts examples without a perfect answer: the task refuses them, or a prompt has no target. `examples`
    counts the scored examples, `left_out` the others.
    """

    value: float | None
    below: tuple[Problem, ...]
    unscored: int
    examples: int
    left_out: int = 0


def ceilings(
    task: Task[Any, Any], parts: Mapping[str, Sequence[AnyExample]], places: Mapping[str, Mapping[str, str]]
) -> dict[str, Ceiling]:
    """Return the ceiling of each part, over all its examples; of many long training examples, only over the first ones.

    These are the first in hash order, up to four million characters, so every run uses the same ones.
    """
    found = {}
    for part, examples in parts.items():
        chosen = _first(examples, _TRAIN_CHARACTERS) if part == "train" else examples
        made = ceiling_of(task, chosen, places.get(part, {}))
        found[part] = replace(made, left_out=len(examples) - len(chosen))
    return found


def ceiling_of(task: Task[Any, Any], examples: Sequence[AnyExample], places: Mapping[str, str]) -> Ceiling:
    """Score `read` of each example's own targets against its response; `places` maps an id to file and line."""
    records: list[Record | None] = []
    below: list[Problem] = []
    for example in examples:
        completions = _perfect(task, example)
        record, reason = _scored(task, example, completions) if completions is not None else (None, "")
        records.append(record)
        if completions is not None and (what := reason or _shortfall(task, example, record)):
            below.append(Problem(f"Example '{example.id}': {what}", places.get(example.id, "")))
    scored = any(record is not None for record in records)
    value = value_of(task.metrics[task.main_metric], records) if scored else None
    return Ceiling(value, tuple(below), sum(record is None for record in records), len(records))


def check_ceiling(task: Task[Any, Any], found: Mapping[str, Ceiling]) -> Check:
    """Check the score of perfect answers on each part, and name the examples that cannot reach their best score."""
    figures = [f"{each.value:.3f} on {_of(part, each)}" for part, each in found.items() if each.value is not None]
    problems = [problem for each in found.values() for problem in each.below]
    missing = sum(each.unscored for each in found.values())
    if not figures and not problems:
        return Check("data.ceiling", "unmeasured", "No example has a known perfect answer.")
    what = f"Perfect answers score {task.main_metric} {', '.join(figures) or 'without a value'}."
    what += f" {missing} examples have no known perfect answer." if missing else ""
    if not problems:
        return Check("data.ceiling", "held", what, blocking=False)
    what += f" {len(problems)} examples cannot reach the best score with any answer. {_ADVICE}"
    return Check("data.ceiling", "failed", what, tuple(problems), blocking=False)


def _of(part: str, ceiling: Ceiling) -> str:
    total = ceiling.examples + ceiling.left_out
    return f"{ceiling.examples} of {total} {part} examples" if ceiling.left_out else part


def _first(examples: Sequence[AnyExample], characters: int) -> list[AnyExample]:
    """Return examples in hash order of their ids until their requests have that many characters, in their order."""
    chosen, taken = set[str](), 0
    for example in sorted(examples, key=lambda each: position(each.id)):
        if taken >= characters:
            break
        taken += len(words_of(example.request.model_dump(mode="json")))
        chosen.add(example.id)
    return [example for example in examples if example.id in chosen]


def _perfect(task: Task[Any, Any], example: AnyExample) -> list[Completion] | None:
    """Return the completions of a perfect model; None if the task refuses the example or gives no target."""
    try:
        prompts = task.prompts(example.request)
        targets = task.targets(example.request, example.response)
    except KitError:
        return None
    if len(prompts) != len(targets):
        return None
    texts = [
        write_answer(target) if target is not None else _nothing(prompt.answer)
        for prompt, target in zip(prompts, targets, strict=True)
    ]
    known = [text for text in texts if text is not None]
    return [Completion(text) for text in known] if len(known) == len(texts) else None


def _nothing(spec: AnswerSpec) -> str | None:
    """Return the empty answer for a prompt that is not trained on; None if the type has none."""
    if not (isinstance(spec, type) and issubclass(spec, BaseModel)):
        return None
    try:
        return write_answer(spec())
    except ValidationError:
        return None


def _scored(task: Task[Any, Any], example: AnyExample, completions: Sequence[Completion]) -> tuple[Record | None, str]:
    """Return the evaluation's record of perfect answers, or why they could not be read."""
    try:
        return task.observe(example.response, task.read(example.request, completions)), ""
    except (UnreadableAnswer, KitError, ValueError, LookupError) as error:
        reason = f"its own target cannot be read: {error or type(error).__name__}"
    try:
        return task.observe(example.response, task.read(example.request, ())), reason
    except (UnreadableAnswer, KitError, ValueError, LookupError):
        return None, reason


def _shortfall(task: Task[Any, Any], example: AnyExample, record: Record | None) -> str:
    """Return how a perfect answer falls short of the response scored against itself (not every metric is best at 1)."""
    if record is None:
        return ""
    metric = task.metrics[task.main_metric]
    best, got = metric.reduce([task.observe(example.response, example.response)]), metric.reduce([record])
    if best is None:
        return ""
    if got is None:
        return f"a perfect answer gives {task.main_metric} no value."
    gap = best - got if metric.higher_is_better else got - best
    return f"a perfect answer scores {task.main_metric} {got:.3f}, and the best is {best:.3f}." if gap > _NEAR else ""
