"""Sentiment: one for each entity, and probabilities that follow from the model's own. No model is needed here."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from finance_parts import module, said, scores  # type: ignore[import-not-found]
from pydantic import ValidationError

from kit.errors import InputError
from kit.task import Completion, Example, Task, UnreadableAnswer

Rows = dict[str, list[Example[Any, Any]]]
TEXT = "Brindle Foods raised its outlook, while Corven Steel cut its own."
LABELS = ("positive", "negative", "neutral")


def asked(task: Task[Any, Any], *entities: str) -> Any:
    return task.request_type.model_validate({"text": TEXT, "entities": entities})


def test_probabilities_are_those_of_both_answers(sentiment: Task[Any, Any]) -> None:
    (found,) = sentiment.read(asked(sentiment), [said("yes", 0.8), said("negative", 0.75)]).sentiments
    assert found.label == "negative"
    assert found.probabilities.negative == pytest.approx(0.6)
    assert found.probabilities.positive == pytest.approx(0.2)
    assert found.probabilities.neutral == pytest.approx(0.2)
    assert found.confidence == found.probabilities.negative


def test_the_likelier_label_wins_even_where_the_first_answer_was_yes(sentiment: Task[Any, Any]) -> None:
    (found,) = sentiment.read(asked(sentiment), [said("yes", 0.6), said("positive", 0.6)]).sentiments
    assert found.label == "neutral"
    assert found.confidence == pytest.approx(0.4)


def test_each_entity_has_its_own_answer_in_the_order_of_the_request(sentiment: Task[Any, Any]) -> None:
    written = [said("yes"), said("positive"), said("yes"), said("negative"), said("no"), said("positive")]
    found = sentiment.read(asked(sentiment, "Brindle Foods", "Corven Steel", "Dunmarsh"), written).sentiments
    assert [(each.entity, each.label, each.mentioned) for each in found] == [
        ("Brindle Foods", "positive", True),
        ("Corven Steel", "negative", True),
        ("Dunmarsh", "neutral", False),
    ]


@pytest.mark.parametrize("text", ["", "maybe", "Yes", "yes ", "positive", "{}", "yes\nno"])
def test_an_answer_that_is_none_of_the_two_is_refused(sentiment: Task[Any, Any], text: str) -> None:
    with pytest.raises(UnreadableAnswer):
        sentiment.read(asked(sentiment), [said(text), said("positive")])


def test_a_cut_answer_and_one_without_numbers_are_refused(sentiment: Task[Any, Any]) -> None:
    for wrong in (Completion("yes", (1,), (-0.1,), "length"), Completion("yes", (1,), (math.nan,))):
        with pytest.raises(UnreadableAnswer):
            sentiment.read(asked(sentiment), [wrong, said("positive")])


def test_an_answer_without_log_probabilities_counts_as_certain(sentiment: Task[Any, Any]) -> None:
    (found,) = sentiment.read(asked(sentiment), [Completion("yes"), Completion("positive")]).sentiments
    assert found.confidence == 1.0


def test_a_thousand_hostile_answers_never_give_a_wrong_sum_or_a_wrong_label(sentiment: Task[Any, Any]) -> None:
    rng = random.Random(7)
    read = refused = 0
    while read + refused < 1000:
        tone, side = (
            rng.choice(["yes", "no", "yes", "no", "", "YES", "both"]),
            rng.choice(["positive", "negative", "x"]),
        )
        logs = [
            tuple(rng.choice([0.0, 1e-7, -1e-9, -0.3, -5.0, -800.0, -math.inf]) for _ in range(3)) for _ in range(2)
        ]
        written = [Completion(tone, (1, 2, 3), logs[0]), Completion(side, (1, 2, 3), logs[1])]
        try:
            (found,) = sentiment.read(asked(sentiment), written).sentiments
        except UnreadableAnswer:
            refused += 1
            continue
        read += 1
        shares = {label: found.probabilities.of(label) for label in LABELS}
        assert math.isclose(sum(shares.values()), 1.0, abs_tol=1e-6)
        assert min(shares.values()) >= 0.0
        assert found.confidence == shares[found.label] == max(shares.values())
    assert read > 200
    assert refused > 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"probabilities": {"positive": 0.5, "negative": 0.4, "neutral": 0.0}, "confidence": 0.5},
        {"probabilities": {"positive": 0.2, "negative": 0.5, "neutral": 0.3}, "confidence": 0.2},
        {"probabilities": {"positive": 0.6, "negative": 0.3, "neutral": 0.1}, "confidence": 0.9},
        {"probabilities": {"positive": math.nan, "negative": 0.3, "neutral": 0.1}, "confidence": 0.9},
        {"label": "bullish"},
    ],
)
def test_a_response_that_is_not_consistent_cannot_be_made(sentiment: Task[Any, Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        sentiment.response_type.model_validate({"sentiments": [{"label": "positive", **wrong}]})


def test_the_model_sees_which_company_is_meant_and_text_of_users_is_not_trusted(sentiment: Task[Any, Any]) -> None:
    prompts = sentiment.prompts(asked(sentiment, "corven steel"))
    assert [prompt.messages[1].text.count("[[Corven Steel]]") for prompt in prompts] == [1, 1]
    assert "[[Brindle" not in prompts[0].messages[1].text
    for prompt in prompts:
        trusted = "".join(segment.text for segment in prompt.messages[1].segments if segment.trusted)
        assert "steel" not in trusted.casefold()


def test_labels_of_other_entities_are_refused_with_what_to_do(sentiment: Task[Any, Any]) -> None:
    response = sentiment.response_type.model_validate({"sentiments": [{"entity": "Galden", "label": "neutral"}]})
    with pytest.raises(InputError, match="in its order"):
        sentiment.targets(asked(sentiment, "Brindle Foods"), response)


@pytest.mark.parametrize("entities", [["A Co", "a co"], [""], ["  "], ["x" * 121], [f"c{n}" for n in range(21)]])
def test_a_request_with_wrong_entities_is_refused(sentiment: Task[Any, Any], entities: list[str]) -> None:
    with pytest.raises(ValidationError):
        sentiment.request_type.model_validate({"text": TEXT, "entities": entities})


def test_answers_without_content_score_no_better_than_the_most_frequent_label(
    sentiment: Task[Any, Any], news: Rows
) -> None:
    records = []
    for row in news["test"]:
        blank = [said("no"), said("positive")] * len(row.response.sentiments)
        records.append(sentiment.observe(row.response, sentiment.read(row.request, blank)))
    score = scores(sentiment, records)["macro_f1"]
    assert score is not None
    assert score < 0.2


def test_the_baseline_learns_and_beats_the_most_frequent_label(sentiment: Task[Any, Any], news: Rows) -> None:
    predict = sentiment.fit_baseline(news["train"])  # type: ignore[attr-defined]
    found = scores(sentiment, [sentiment.observe(row.response, predict(row.request)) for row in news["test"]])
    assert 0.5 < (found["macro_f1"] or 0) < 1.0


def test_the_calibration_error_is_zero_for_honest_confidence_and_large_for_boasting() -> None:
    calibration = module("calibration")
    honest = [calibration.calibration_record(0.75, right) for right in (True, True, True, False)]
    boasting = [calibration.calibration_record(1.0, right) for right in (True, False)]
    assert calibration.calibration_error().reduce(honest) == pytest.approx(0.0)
    assert calibration.calibration_error().reduce(boasting) == pytest.approx(0.5)
    assert calibration.calibration_error().reduce([]) is None
