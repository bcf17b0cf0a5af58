"""Sorts support tickets: a ticket goes in, one of a fixed set of labels comes out.

To make it yours, change LABELS, the instruction and the files in data/. Nothing else needs to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from kit.metrics.reductions import macro_f1_over, mean_of
from kit.task import Choices, Completion, Example, Message, Predictor, Prompt, Record, Strict, Task, Text, parse_answer
from kit.text.nearest import Nearest

# The labels. This is the only place that lists them: the prompt, the data check and the API all read it.
Label = Literal["billing", "delivery", "login", "returns"]
LABELS: tuple[Label, ...] = get_args(Label)

INSTRUCTION = f"What is this support ticket about? Answer with one of: {', '.join(LABELS)}."


class Ticket(Strict):
    """What a client sends."""

    text: Annotated[str, Field(min_length=1, max_length=4000, description="The words of the customer")]


class Verdict(Strict):
    """What a client gets back."""

    label: Label


class Classify(Task[Ticket, Verdict]):
    """From a ticket to its label."""

    name = "classify"
    route = "/v1/classify"  # where `kit serve` answers
    request_type = Ticket
    response_type = Verdict
    metrics: ClassVar = {
        "accuracy": mean_of("right", description="Share of tickets with the right label"),
        "macro_f1": macro_f1_over(
            description="F1 as the mean over labels, so that a rare label counts like a common one"
        ),
    }
    main_metric = "accuracy"
    baseline_name = "the label of the most similar training ticket (TF-IDF)"

    def prompts(self, request: Ticket) -> list[Prompt]:
        """Ask for one label. With `Choices`, the model can write nothing but one of them."""
        # Only our own words are trusted: a ticket can never contain a control token.
        system = Message("system", (Text(INSTRUCTION, trusted=True),))
        return [Prompt(Choices(LABELS), max_tokens=64, messages=(system, Message.of("user", request.text)))]

    def targets(self, request: Ticket, response: Verdict) -> list[str]:  # noqa: ARG002
        """Return what the model should learn to write: one answer for each prompt."""
        return [response.label]

    def read(self, request: Ticket, completions: Sequence[Completion]) -> Verdict:  # noqa: ARG002
        """Turn the model's words into the response. `parse_answer` refuses whatever is not a label."""
        return Verdict.model_validate({"label": parse_answer(Choices(LABELS), completions[0])})

    def observe(self, expected: Verdict, actual: Verdict) -> Record:
        """Return what one ticket adds to the metrics: hits (tp), false alarms (fp) and misses (fn) of each label."""
        right = expected.label == actual.label
        if right:
            return {"right": 1.0, f"tp:{expected.label}": 1.0}
        return {"right": 0.0, f"fp:{actual.label}": 1.0, f"fn:{expected.label}": 1.0}

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Predictor:
        """Learn a baseline without a language model, so that the report shows whether you need one."""
        nearest = Nearest([example.request.text for example in examples])
        return lambda request: examples[nearest.find(request.text)].response
