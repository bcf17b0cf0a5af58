"""Checks data before training: counts, leaks between the parts, duplicates, and lengths."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kit.chat import Renderer
from kit.checks import Check
from kit.data.checking.duplicates import NearDuplicates, words_of
from kit.data.keys import canonical, request_key
from kit.data.rows import Rows
from kit.errors import InputError, Problem
from kit.task import Example, Task

AnyExample = Example[Any, Any]
Parts = Mapping[str, Sequence[AnyExample]]
Places = Mapping[str, Mapping[str, str]]
"""File and line of each example: by part, then by id."""
ENOUGH = 500


def data_facts(parts: Parts) -> dict[str, Any]:
    """Count examples, groups and tags of each part."""
    return {
        name: {
            "examples": len(examples),
            "groups": len({example.group for example in examples}),
            "tags": dict(Counter(tag for example in examples for tag in example.tags).most_common()),
        }
        for name, examples in parts.items()
    }


def check_data(parts: Parts, places: Places | None = None) -> list[Check]:
    """Check the examples of all parts; `train` is one of them."""
    return [
        _enough(parts["train"]),
        _repeated(parts["train"]),
        *check_parts(parts, places or {}),
        _texts_apart(parts, places or {}),
    ]


def check_parts(parts: Parts, places: Places) -> list[Check]:
    """Make the checks of `check_data` that must hold before training or measuring."""
    return [
        *(_filled(name, examples, parts["train"]) for name, examples in parts.items() if name != "train"),
        _groups_apart(parts, places),
        _requests_apart(parts, places),
    ]


def require(checks: Sequence[Check]) -> None:
    """Raise InputError with every problem of the failed checks, except those that only warn."""
    problems = [problem for check in checks if check.state == "failed" and check.blocking for problem in check.problems]
    if problems:
        raise InputError(problems)


def _enough(train: Sequence[AnyExample]) -> Check:
    count = len(train)
    wrong = f"There are {count} training examples; below {ENOUGH}, results vary a lot from run to run."
    return Check.of("data.count", count >= ENOUGH, f"{count} training examples.", wrong, blocking=False)


def _filled(name: str, examples: Sequence[AnyExample], train: Sequence[AnyExample]) -> Check:
    groups = len({example.group for example in examples})
    right = f"{len(examples)} {name} examples of {groups} groups."
    wrong = f"There are no {name} examples."
    if name == "validation" and len({example.group for example in train}) == 1:
        wrong = f"There are no {name} examples: whole groups are held out, and all examples belong to one group."
    advice = "Add examples of more groups, or name a file for them in the recipe's data section."
    return Check.of(f"data.{name}", bool(examples), right, wrong, next=advice)


def _repeated(train: Sequence[AnyExample]) -> Check:
    """Find repeated requests. They are usually a mistake; with different responses, they always are."""
    first: dict[str, AnyExample] = {}
    problems = []
    for example in train:
        known = first.setdefault(canonical(example.request), example)
        if known is not example:
            same = canonical(known.response) == canonical(example.response)
            how = "the same request as" if same else "another response to the request of"
            problems.append(Problem(f"Example '{example.id}' has {how} '{known.id}'."))
    return Check.listed("data.repeated", problems, "No request is repeated in the training examples.", blocking=False)


def _groups_apart(parts: Parts, places: Places) -> Check:
    sides: dict[str, dict[str, str]] = {}
    for name, examples in parts.items():
        for example in examples:
            sides.setdefault(example.group, {}).setdefault(name, places.get(name, {}).get(example.id, ""))
    problems = [
        Problem(f"The group '{group}' is in {' and in '.join(found)}.", list(found.values())[-1])
        for group, found in sorted(sides.items())
        if len(found) > 1
    ]
    return Check.listed("data.groups", problems, "No group is in two parts.")


def _requests_apart(parts: Parts, places: Places) -> Check:
    seen: dict[str, tuple[str, str]] = {}
    problems = []
    for name, examples in parts.items():
        for example in examples:
            side, known = seen.setdefault(request_key(example.request), (name, example.id))
            if side != name:
                what = f"'{example.id}' in {name} has the same request as '{known}' in {side}."
                problems.append(Problem(what, places.get(name, {}).get(example.id, "")))
    return Check.listed("data.leaks", problems, "No request is in two parts.")


def _texts_apart(parts: Parts, places: Places) -> Check:
    problems = []
    index = NearDuplicates()
    known: dict[str, tuple[str, str]] = {}
    for name, examples in parts.items():
        texts = {example.id: words_of(example.request.model_dump(mode="json")) for example in examples}
        for id, text in texts.items():
            match = index.match(text) if known else None
            if match is not None:
                other, side = known[match.name]
                what = f"'{id}' in {name} is about {match.similarity:.0%} equal to '{other}' in {side}."
                problems.append(Problem(what, places.get(name, {}).get(id, "")))
        for id, text in texts.items():  # two parts may use the same ids
            index.add(f"{name}/{id}", text)
            known[f"{name}/{id}"] = (id, name)
    return Check.listed("data.alike", problems, "No two parts have texts that are nearly the same.", blocking=False)


def row_facts(rows: Rows) -> dict[str, Any]:
    """Measure training rows in tokens, and the share of the most frequent answer."""
    lengths = [len(row.ids) for row in rows.rows]
    answers = Counter(row.ids[row.answer_start :] for row in rows.rows)
    return {
        "rows": len(rows.rows),
        "dropped": len(rows.dropped),
        "tokens": sum(lengths),
        "supervised_tokens": sum(len(row.ids) - row.answer_start for row in rows.rows),
        "shortest": min(lengths),
        "median": statistics.median(lengths),
        "longest": max(lengths),
        "most_frequent_answer": max(answers.values()) / len(lengths),
    }


def check_prompts(task: Task[Any, Any], renderer: Renderer, parts: Parts, context: int) -> Check:
    """Check that every prompt, with its longest answer, fits the context of serving."""
    problems, longest = [], 0
    for example in (example for examples in parts.values() for example in examples):
        sizes = [(len(renderer.prompt(prompt)), prompt.max_tokens) for prompt in task.prompts(example.request)]
        longest = max([longest, *map(sum, sizes)])
        for tokens, budget in sizes:
            if tokens + budget > context:
                what = f"Example '{example.id}': a prompt of {tokens} tokens and an answer of up to {budget}"
                problems.append(Problem(f"{what} exceed serve.max_length, which is {context}."))
                break
    if problems:
        advice = f"Raise serve.max_length to {longest} or more, or lower the task's token budget."
        problems[0] = replace(problems[0], next=advice)
    return Check.listed(
        "serve.context", problems, f"The longest prompt and its answer take {longest} of {context} tokens."
    )
