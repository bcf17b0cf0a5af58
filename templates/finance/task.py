"""Says what a text means for each company: positive, negative or neutral, with probabilities.

The model answers two questions for each company, each with two possible answers: is the news good or bad for it at
all, and if so, which? The probability of one answer is then also that of the other, so the probabilities of all three
labels follow from the model's own log-probabilities (a nested dichotomy, Frank and Kramer 2004).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from kit.errors import InputError
from kit.metrics.reductions import f1_over, macro_f1_over, mean_of, ratio_of
from kit.task import (
    Answer,
    Choices,
    Completion,
    Example,
    Message,
    Predictor,
    Prompt,
    Record,
    Task,
    Text,
    UnreadableAnswer,
    parse_answer,
)

from .baseline import LexiconBayes
from .calibration import calibration_error, calibration_record
from .mentions import is_mentioned, marked
from .schema import LABELS, Label, Probabilities, Sentiment, SentimentRequest, SentimentResponse

TONE = Choices(("no", "yes"))
SIDE = Choices(("positive", "negative"))
SYSTEM = Text("Financial news, read as an investor reads it. Answer in one word.", trusted=True)


class EntitySentiment(Task[SentimentRequest, SentimentResponse]):
    """From a text and its companies to one sentiment for each."""

    name = "sentiment"
    route = "/v1/finance/sentiment"
    request_type = SentimentRequest
    response_type = SentimentResponse
    metrics: ClassVar = {
        "macro_f1": macro_f1_over(description="F1 as the mean over the three labels"),
        **{
            f"f1_{label}": f1_over(f"tp:{label}", f"fp:{label}", f"fn:{label}", f"F1 of the label {label}")
            for label in LABELS
        },
        "accuracy": ratio_of("right", "asked", description="Share of entities with the right label"),
        "all_entities_right": mean_of("all_right", description="Share of texts with the right label for every entity"),
        "calibration_error": calibration_error(),
    }
    main_metric = "macro_f1"
    baseline_name = "word lists and naive Bayes around the name"

    def prompts(self, request: SentimentRequest) -> list[Prompt]:
        """Two prompts for each entity. They share the text as a prefix; the name is marked in it."""
        return [
            Prompt(answer, max_tokens=16, messages=(Message("system", (SYSTEM,)), _question(request.text, name, asked)))
            for name in request.entities or (None,)
            for answer, asked in ((TONE, "good or bad news, yes or no?"), (SIDE, "positive or negative?"))
        ]

    def targets(self, request: SentimentRequest, response: SentimentResponse) -> list[Answer | None]:
        """Return both answers for each entity. The second question is not trained on where the label is neutral."""
        _require_same_entities(request, response)
        found: list[Answer | None] = []
        for each in response.sentiments:
            found += ["no", None] if each.label == "neutral" else ["yes", each.label]
        return found

    def read(self, request: SentimentRequest, completions: Sequence[Completion]) -> SentimentResponse:
        """Turn each pair of answers into probabilities. An answer that is none of the two is refused."""
        names: Sequence[str | None] = request.entities or (None,)
        pairs = zip(completions[::2], completions[1::2], strict=True)
        sentiments = tuple(_sentiment(request, name, *pair) for name, pair in zip(names, pairs, strict=True))
        return SentimentResponse(sentiments=sentiments)

    def observe(self, expected: SentimentResponse, actual: SentimentResponse) -> Record:
        """Return hits, false alarms and misses of each label, and what calibration needs."""
        record: dict[str, float] = {"asked": 0.0, "right": 0.0}
        for wanted, found in zip(expected.sentiments, actual.sentiments, strict=True):
            right = wanted.label == found.label
            keys = [f"tp:{found.label}"] if right else [f"fp:{found.label}", f"fn:{wanted.label}"]
            for key, value in [("asked", 1.0), ("right", float(right)), *((key, 1.0) for key in keys)]:
                record[key] = record.get(key, 0.0) + value
            for key, value in calibration_record(found.confidence, right).items():
                record[key] = record.get(key, 0.0) + value
        return {**record, "all_right": float(record["right"] == record["asked"])}

    def labels(self, response: SentimentResponse) -> list[str]:
        """The label of each entity."""
        return [each.label for each in response.sentiments]

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Predictor:
        """Learn the classical baseline from training examples."""
        rows = [(row.request.text, each.entity, each.label) for row in examples for each in row.response.sentiments]
        model = LexiconBayes(rows)

        def predict(request: SentimentRequest) -> SentimentResponse:
            found = [
                sentiment_of(request.text, name, model.probabilities(request.text, name))
                for name in request.entities or (None,)
            ]
            return SentimentResponse(sentiments=tuple(found))

        return predict


def sentiment_of(text: str, name: str | None, shares: dict[str, float]) -> Sentiment:
    """Return the sentiment with these probabilities, scaled to sum to 1. The first of equals wins."""
    total = math.fsum(shares.values())
    scaled = {label: shares[label] / total for label in LABELS}
    label: Label = max(LABELS, key=scaled.__getitem__)
    mentioned = name is None or is_mentioned(text, name)
    return Sentiment(
        entity=name, label=label, probabilities=Probabilities(**scaled), confidence=scaled[label], mentioned=mentioned
    )


def _sentiment(request: SentimentRequest, name: str | None, tone: Completion, side: Completion) -> Sentiment:
    toned, positive = _probability(TONE, tone, "yes"), _probability(SIDE, side, "positive")
    shares = {"positive": toned * positive, "negative": toned * (1 - positive), "neutral": 1 - toned}
    return sentiment_of(request.text, name, shares)


def _probability(answer: Choices, completion: Completion, wanted: str) -> float:
    """Return the probability of one of two answers, from the log-probabilities of the one that was written.

    A written answer without log-probabilities counts as certain.
    """
    written = parse_answer(answer, completion)
    total = sum(completion.logprobs)
    if math.isnan(total):
        raise UnreadableAnswer("The log-probabilities of the answer are not numbers.")
    share = math.exp(min(total, 0.0))
    return share if written == wanted else 1.0 - share


def _question(text: str, name: str | None, asked: str) -> Message:
    about = Text("all of it", trusted=True) if name is None else Text(name)
    shown = text if name is None else marked(text, name)
    return Message("user", (Text(shown), Text("\nFor ", trusted=True), about, Text(f": {asked}", trusted=True)))


def _require_same_entities(request: SentimentRequest, response: SentimentResponse) -> None:
    labelled = [each.entity for each in response.sentiments]
    if labelled != list(request.entities or (None,)):
        advice = "Label each entity of the request once, in its order; without entities, label the text (null)."
        raise InputError(f"The labels are of {labelled}, not of the request's entities.", "response.sentiments", advice)
