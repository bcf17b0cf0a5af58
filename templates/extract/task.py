"""Finds amounts, deadlines and senders in short letters, and says where in the letter each one is.

The model quotes; `read` finds each quote in the letter. So a client only ever gets the letter's own words.
To make it yours, change Label, INSTRUCTION and the files in data/.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kit.metrics.matching import matches
from kit.metrics.reductions import f1_over, macro_f1_over
from kit.task import Completion, Example, Message, Predictor, Prompt, Record, Strict, Task, Text, parse_answer
from kit.text.quotes import Lookup, Source

# What to look for. This is the only place that lists it.
Label = Literal["amount", "deadline", "sender"]

# The classical baseline: one pattern for each label.
RULES: tuple[tuple[Label, str], ...] = (
    ("amount", r"[£€$][\d.,]*\d|\d[\d.,]* euros"),
    ("deadline", r"(?<=by |on )\d+ [A-Z][a-z]+( \d{4})?"),
    ("sender", r"[^\n]+\Z"),
)

INSTRUCTION = "Quote every amount of money, every deadline and the sender of this letter, word for word."


class Letter(Strict):
    """What a client sends."""

    text: Annotated[str, Field(min_length=1, max_length=4000, description="The letter; offsets count code points")]


class Quote(Strict):
    """What the model writes: words, no offsets, because language models count badly."""

    label: Label
    words: str


class Quotes(Strict):
    """The model's whole answer."""

    found: Annotated[list[Quote], Field(max_length=20)]


class Span(Strict):
    """A labelled part of the letter: `text` is letter[start:end]."""

    label: Label
    text: str
    start: int
    end: int


class Spans(Strict):
    """What a client gets back, in the order of the letter."""

    spans: tuple[Span, ...]


class Extract(Task[Letter, Spans]):
    """From a letter to the labelled spans in it."""

    name = "extract"
    route = "/v1/extract"  # where `kit serve` answers
    request_type = Letter
    response_type = Spans
    metrics: ClassVar = {
        "span_f1": f1_over(description="F1 over spans; a span is right if label, start and end are"),
        "span_f1_macro": macro_f1_over(description="The same, as the mean over labels"),
    }
    main_metric = "span_f1"
    baseline_name = "patterns for money and dates, and the last line as the sender"

    def prompts(self, request: Letter) -> list[Prompt]:
        """Ask for quotes. Decoding is constrained, so the model can only write the JSON of `Quotes`."""
        # Only our own words are trusted: a letter can never contain a control token.
        system = Message("system", (Text(INSTRUCTION, trusted=True),))
        return [Prompt(Quotes, max_tokens=200, messages=(system, Message.of("user", request.text)))]

    def targets(self, request: Letter, response: Spans) -> list[Quotes]:  # noqa: ARG002
        """Return what the model should learn to write: one answer for each prompt."""
        return [Quotes(found=[Quote(label=span.label, words=span.text) for span in response.spans])]

    def read(self, request: Letter, completions: Sequence[Completion]) -> Spans:
        """Find every quote in the letter. A quote that is not in the letter is left out, never returned."""
        answer = Quotes.model_validate(parse_answer(Quotes, completions[0]))
        lookup = Lookup(Source(request.text))
        places = [(lookup.find(quote.words, quote.label), quote.label) for quote in answer.found]
        return _spans(request.text, {(place.start, place.end, label) for place, label in places if place})

    def observe(self, expected: Spans, actual: Spans) -> Record:
        """Return what one letter adds to the metrics: hits (tp), false alarms (fp), misses (fn), also by label."""
        true, given = ([(span.label, (span.start, span.end)) for span in side.spans] for side in (expected, actual))
        return matches(true, given)

    def labels(self, response: Spans) -> list[str]:
        """Return the labels of a response, so that `kit check` can warn of a label without test rows."""
        return [span.label for span in response.spans]

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Predictor:  # noqa: ARG002
        """Return a baseline of rules, without a language model, so that the report shows whether you need one."""
        return lambda letter: _spans(
            letter.text, {(*match.span(), label) for label, rule in RULES for match in re.finditer(rule, letter.text)}
        )


def _spans(text: str, found: set[tuple[int, int, Label]]) -> Spans:
    return Spans(spans=tuple(Span(label=lb, text=text[at:end], start=at, end=end) for at, end, lb in sorted(found)))
