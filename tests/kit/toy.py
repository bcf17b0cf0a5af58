"""A tiny project, written out for tests: it says whether a sentence praises or complains."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kit.task import Example, Strict

RECIPE = """\
name: toy
summary: Says whether a sentence praises or complains
base: {model: nano}
tasks:
  - use: task.py:Toy
train:
  max_length: 256
profiles:
  short:
    train: {max_length: 64}
  elsewhere:
    base: {model: nobody/nothing-at-all}
"""

TASK = """\
from typing import Annotated, Literal

from pydantic import Field

from kit.metrics.reductions import mean_of
from kit.task import Choices, Message, Prompt, Strict, Task

LABELS = ("praise", "complaint")


class Sentence(Strict):
    text: str
    language: str = "en"


class Verdict(Strict):
    label: Literal["praise", "complaint"]


class Toy(Task[Sentence, Verdict]):
    name = "toy"
    route = "/v1/toy"
    request_type = Sentence
    response_type = Verdict
    metrics = {"accuracy": mean_of("right")}
    main_metric = "accuracy"

    class Options(Strict):
        budget: Annotated[int, Field(ge=1)] = 16

    def prompts(self, request):
        return [Prompt(Choices(LABELS), self.options.budget, (Message.of("user", request.text),))]

    def targets(self, request, response):
        return [response.label]

    def read(self, request, completions):
        return Verdict(label=completions[0].text)

    def observe(self, expected, actual):
        return {"right": float(expected == actual)}
"""

IMPORTERS = '''\
from kit.errors import InputError, nearest
from kit.task import Example

from .task import Sentence, Verdict


def lines(path, settings):
    """One sentence a line, the label before a tab."""
    for key in settings:
        if key != "language":
            raise InputError(f"There is no setting '{key}'.", "--set", nearest(key, ["language"]))
    examples = []
    for number, line in enumerate(path.read_text().splitlines()):
        label, text = line.split("\\t")
        request = Sentence(text=text, language=settings.get("language", "en"))
        verdict = Verdict.model_construct(label=label)
        examples.append(
            Example[Sentence, Verdict].model_construct(
                id=f"line-{number}", group=text.split()[0], request=request, response=verdict
            )
        )
    return examples


importers = {"lines": lines}
'''

_PLACES = ["station", "garden", "museum", "library", "harbour", "bakery", "theatre", "market", "stadium", "hospital"]
_WORDS = ["quick", "friendly", "cold", "noisy", "bright", "late", "helpful", "dirty", "calm", "rude"]


class Sentence(Strict):
    text: str


class Verdict(Strict):
    label: str


ToyExample = Example[Sentence, Verdict]


def row(name: str, number: int, **changes: Any) -> dict[str, Any]:
    """One valid example, with changes."""
    first, second = _WORDS[number % 10], _WORDS[(number * 7 + 3) % 10]
    place = _PLACES[number // 10 % 10]
    seen = "the {place} was {first} and its staff were {second}"
    form = seen if name == "train" else "{first} food, {second} {place}"
    text = f"{name} visit {number}: {form.format(place=place, first=first, second=second)}"
    return {
        "id": f"{name}-{number}",
        "group": f"{name}-{number // 2}",
        "request": {"text": text},
        "response": {"label": "praise" if number % 2 else "complaint"},
        **changes,
    }


def lines(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in rows)


def make_toy(root: Path) -> Path:
    """Write the project; return its folder."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "data").mkdir()
    (root / "recipe.yaml").write_text(RECIPE)
    (root / "task.py").write_text(TASK)
    (root / "importers.py").write_text(IMPORTERS)
    (root / "data" / "train.jsonl").write_text(lines(row("train", number) for number in range(60)))
    (root / "data" / "test.jsonl").write_text(lines(row("test", number) for number in range(20)))
    return root
