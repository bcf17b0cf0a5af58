"""New examples from old ones: the request is reworded, and the task checks that its answer still fits.

Every new example names its source and method, and has the source's group, so that a split keeps them together.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from kit.data.augmentation.provenance import METHOD, SOURCE, is_augmented
from kit.data.augmentation.rewording import Reword, Unfit, by_paragraph
from kit.data.keys import canonical
from kit.errors import KitError
from kit.task import Example, Rewritable, Task, UnreadableAnswer

AnyExample = Example[Any, Any]
_SHORTEST_QUOTE = 3


@dataclass(frozen=True)
class Method:
    """How examples are reworded: a name, facts for their provenance, and the rewording of each copy of an example."""

    name: str
    facts: Mapping[str, str]
    rewording: Callable[[AnyExample, int], Reword]


@dataclass(frozen=True)
class Augmented:
    """The new examples, and how many were left out, by reason."""

    examples: tuple[AnyExample, ...]
    left_out: Mapping[str, int]


def augment(
    task: Task[Any, Any],
    examples: Sequence[AnyExample],
    method: Method,
    copies: int = 1,
    concurrency: int = 1,
    advance: Callable[[int, int], None] = lambda *_: None,
) -> Augmented:
    """Return up to `copies` new examples of each original example, in their order.

    Copies that the task refuses, that equal another example, or that lost a number are left out and counted.
    `advance` is called with the number of finished copies and of all copies. Raises KitError if the method fails.
    """
    sources = [example for example in examples if not is_augmented(example)]
    work = [(example, copy) for example in sources for copy in range(1, copies + 1)]
    with ThreadPoolExecutor(max_workers=concurrency) as pool:
        made = []
        for each in pool.map(lambda item: _made(task, method, *item), work):
            made.append(each)
            advance(len(made), len(work))
    known = {canonical(example.request) for example in examples}
    kept: list[AnyExample] = []
    left_out: Counter[str] = Counter()
    for each in made:
        if isinstance(each, str):
            left_out[each] += 1
        elif canonical(each.request) in known:
            left_out["equals another example"] += 1
        else:
            known.add(canonical(each.request))
            kept.append(each)
    return Augmented(tuple(kept), dict(left_out.most_common()))


def _made(task: Task[Any, Any], method: Method, example: AnyExample, copy: int) -> AnyExample | str:
    """Return one new example, or why there is none."""
    try:
        request, response = _rewritten(task, example, by_paragraph(method.rewording(example, copy)))
    except Unfit as error:
        return str(error)
    if request == example.request.model_dump(mode="json"):
        return "nothing changed"
    provenance = {**example.provenance, METHOD: method.name, SOURCE: example.id, **method.facts}
    row = example.model_dump(mode="json", exclude_defaults=True) | {
        "id": f"{example.id}~{method.name}-{copy}",
        "request": request,
        "response": response,
        "provenance": provenance,
    }
    try:
        made: AnyExample = task.example_type().model_validate_json(json.dumps(row), strict=True)
        _check(task, made)
    except (ValidationError, KitError, UnreadableAnswer):
        return "the task refuses its answer"
    return made


def _check(task: Task[Any, Any], example: AnyExample) -> None:
    """Raise KitError if the task refuses the answer, or has no target for it."""
    prompts, targets = task.prompts(example.request), task.targets(example.request, example.response)
    if len(prompts) != len(targets) or all(target is None for target in targets):
        raise KitError("There is nothing to train on.")


def _rewritten(task: Task[Any, Any], example: AnyExample, reword: Reword) -> tuple[Any, Any]:
    """Return request and response as JSON: by the task's `rewrite` if there is one; else the answer's quotes stay."""
    if isinstance(task, Rewritable):
        request, response = task.rewrite(example.request, example.response, reword)
        return request.model_dump(mode="json"), response.model_dump(mode="json", exclude_defaults=True)
    response = example.response.model_dump(mode="json", exclude_defaults=True)
    quotes = sorted(set(_strings(response)), key=len, reverse=True)
    return _reworded(
        example.request.model_dump(mode="json"), [q for q in quotes if len(q) >= _SHORTEST_QUOTE], reword
    ), response


def _reworded(value: Any, quotes: Sequence[str], reword: Reword) -> Any:
    """Reword every text in a JSON value, except the parts that the answer quotes."""
    if isinstance(value, dict):
        return {key: _reworded(item, quotes, reword) for key, item in value.items()}
    if isinstance(value, list):
        return [_reworded(item, quotes, reword) for item in value]
    return _around(value, quotes, reword) if isinstance(value, str) else value


def _around(text: str, quotes: Sequence[str], reword: Reword) -> str:
    """Reword the text between quotes; earlier quotes have priority."""
    parts = [(text, False)]
    for quote in quotes:
        parts = [piece for part in parts for piece in ([part] if part[1] else _split(part[0], quote))]
    return "".join(part if kept else reword(part) for part, kept in parts)


def _split(text: str, quote: str) -> list[tuple[str, bool]]:
    """Return the pieces of a text and the quotes between them, each with whether it is a quote."""
    first, *others = text.split(quote)
    return [(first, False), *(piece for other in others for piece in ((quote, True), (other, False)))]


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [value] if isinstance(value, str) else []
