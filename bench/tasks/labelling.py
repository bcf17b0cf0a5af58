"""One label for each text: BANKING77 intents, and PubMedQA's yes, no or maybe."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bench.shared.tuning import Trial
from bench.tasks.classifier import linear_classifier, own_shortlists, shortlists
from kit.data.split import split_examples
from kit.metrics.reductions import mean_of
from kit.recipe import TrainSection
from kit.task import Choices, Completion, Example, Message, Prompt, Strict, Task, Text
from pretrain.exercises.labels import with_word_errors
from pretrain.texts.documents import HELD_OUT_SHARE
from pretrain.texts.reading import banking_queries


class Passage(Strict):
    """A text, and the labels that a classifier suggests for it, best first; empty without a classifier."""

    text: Annotated[str, Field(min_length=1)]
    likely: tuple[str, ...] = ()


class Labelled(Strict):
    """The label; empty if none could be read."""

    label: str


LabelledText = Example[Passage, Labelled]


class Labelling(Task[Passage, Labelled]):
    """Choose one of a closed set of labels."""

    name = "labelling"
    route = "/v1/label"
    request_type = Passage
    response_type = Labelled
    metrics: ClassVar = {"accuracy": mean_of("right", description="Share of texts with the right label")}
    main_metric = "accuracy"
    baseline_name = "TF-IDF and a linear classifier"

    class Options(Task.Options):
        """The instruction and the labels."""

        instruction: str
        labels: tuple[str, ...]

    def prompts(self, request: Passage) -> list[Prompt]:
        """One prompt; the model may choose any label, suggested or not."""
        system = Message("system", (Text(self.options.instruction, trusted=True),))
        hint = f"\nLikely: {', '.join(request.likely)}" if request.likely else ""
        return [Prompt(Choices(self.options.labels), 32, (system, Message.of("user", request.text + hint)))]

    def targets(self, request: Passage, response: Labelled) -> list[str]:
        """The label."""
        return [response.label]

    def read(self, request: Passage, completions: Sequence[Completion]) -> Labelled:
        """The generated label, or an empty one."""
        return Labelled(label=completions[0].text if completions else "")

    def observe(self, expected: Labelled, actual: Labelled) -> Mapping[str, float]:
        """Whether it is right."""
        return {"right": float(expected.label == actual.label)}

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Callable[[Any], Any]:
        """Fit a linear classifier on the texts, without suggestions."""
        model = linear_classifier().fit(*_texts_and_labels(examples))
        return lambda request: Labelled(label=str(model.predict([request.text])[0]))


def banking77(data: Path, likely: int = 3, minutes: float = 5.0) -> Trial:
    """Return a trial on BANKING77 intents: tested on all queries that pretraining held out, trained on all others.

    Each prompt also has the `likely` intents that a classifier suggests. The base has memorised the training queries
    and would learn to ignore the suggestions, so each query is added three times with words dropped or swapped.
    """
    examples = [
        _example(f"query-{number}", document.group, document.text, document.label)
        for number, document in enumerate(banking_queries(data / "support" / "banking77"))
    ]
    task = _task("Choose the intent of the message.", examples)
    train, test = _shortlisted(*split_examples(examples, HELD_OUT_SHARE), count=likely)
    section = TrainSection(learning_rate=5e-3, epochs=20, batch_rows=32, evaluations=1, warmup=0.05)
    return Trial(task, [*train, *_copies_with_word_errors(train, copies=3)], test, section, minutes, shots=10)


def pubmedqa(data: Path, minutes: float = 5.0) -> Trial:
    """Return a trial on PubMedQA: does the abstract answer its question with yes, no or maybe?"""
    rows = json.loads((data / "medical" / "pubmedqa" / "train.json").read_text(encoding="utf-8"))
    examples = [
        _example(name, name, f"{' '.join(row['CONTEXTS'])}\n\n{row['QUESTION']}", row["final_decision"])
        for name, row in rows.items()
    ]
    task = _task("Answer the question about the abstract with yes, no or maybe.", examples)
    train, test = split_examples(examples, HELD_OUT_SHARE)
    section = TrainSection(learning_rate=2e-3, epochs=6, batch_rows=16, evaluations=1, warmup=0.05)
    return Trial(task, train, test, section, minutes, shots=2)


def _task(instruction: str, examples: Sequence[LabelledText]) -> Labelling:
    labels = tuple(sorted({example.response.label for example in examples}))
    return Labelling(Labelling.Options(instruction=instruction, labels=labels))


def _shortlisted(
    train: Sequence[LabelledText], test: Sequence[LabelledText], count: int
) -> tuple[list[LabelledText], list[LabelledText]]:
    """Return the examples with suggested labels, by classifiers fitted on other training examples."""
    (texts, labels), groups = _texts_and_labels(train), [each.group for each in train]
    own = own_shortlists(texts, labels, groups, count)
    others = shortlists(texts, labels, _texts_and_labels(test)[0], count)
    return (
        [_with(each, likely=names) for each, names in zip(train, own, strict=True)],
        [_with(each, likely=names) for each, names in zip(test, others, strict=True)],
    )


def _copies_with_word_errors(examples: Sequence[LabelledText], copies: int) -> list[LabelledText]:
    """Return copies of the examples with words dropped or swapped."""
    draw = random.Random(0)
    return [
        _with(each, text=with_word_errors(each.request.text, draw, share=1.0)).model_copy(
            update={"id": f"{each.id}-{copy}"}
        )
        for copy in range(copies)
        for each in examples
    ]


def _with(example: LabelledText, **changes: Any) -> LabelledText:
    return example.model_copy(update={"request": example.request.model_copy(update=changes)})


def _texts_and_labels(examples: Sequence[Example[Any, Any]]) -> tuple[list[str], list[str]]:
    return [each.request.text for each in examples], [each.response.label for each in examples]


def _example(name: str, group: str, text: str, label: str) -> LabelledText:
    return LabelledText(id=name, request=Passage(text=text), response=Labelled(label=label), group=group)
