"""The headline starts with the worst, compares with every rival, and names the examples of each figure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kit.evals.headline import headline
from kit.evals.report import TaskReport, report_on
from kit.evals.run import Evaluation, evaluate_predictor
from kit.recipe import EvalSection
from kit.task import Task
from tests.kit.evals.words import LongWords, NeedsAnAnswer, Script, Words, asked, cut, examples, right, wrong

TASK = LongWords()
SETTINGS = EvalSection(resamples=200)
ROWS = examples(30)


def classical(answer: Script) -> Evaluation:
    return evaluate_predictor(TASK, lambda request: Words(words=tuple(answer(request.text).split())), ROWS)


def report(
    tuned: Script,
    base: Script | None = wrong,
    baseline: Script | None = None,
    task: Task[Any, Any] = TASK,
    settings: EvalSection = SETTINGS,
) -> TaskReport:
    return report_on(
        task,
        settings,
        asked(tuned, ROWS, task),
        asked(base, ROWS, task) if base else None,
        classical(baseline) if baseline else None,
    )


def sometimes(share: int, other: Script) -> Script:
    """Right in all but one of `share` lines."""

    def script(text: str) -> str:
        return (other if int(right(text).removeprefix("lantern")) % share == 0 else right)(text)

    return script


def test_a_classical_method_that_is_better_leads_though_nothing_got_worse_than_the_base() -> None:
    found = headline(report(sometimes(2, wrong), wrong, right))
    assert found[0] == "The classical method is better on word_f1: 1.000 against 0.500; also on alarms."
    assert "The tuned model is better than the base on word_f1: 0.500 against 0.000." in found
    assert not any("No metric got worse" in sentence for sentence in found)


def test_a_tuned_model_that_beats_both_rivals_gets_only_that_sentence() -> None:
    assert headline(report(right, wrong, sometimes(2, wrong))) == [
        "The tuned model is better than the classical method on word_f1: 1.000 against 0.500.",
        "The tuned model is better than the base on word_f1: 1.000 against 0.000.",
        "No metric got worse, as far as these examples show (3 compared).",
    ]


def test_an_unclear_difference_is_not_called_better() -> None:
    found = headline(report(sometimes(15, wrong), wrong, sometimes(10, wrong)))
    message = "These examples do not show whether the tuned model is better than the classical method on word_f1: 0.933"
    assert any(sentence.startswith(message) and "examples needed" in sentence for sentence in found)


def test_failed_gates_come_first_and_unmeasured_ones_before_good_news() -> None:
    settings = EvalSection(resamples=200, gates={"word_f1": 0.9, "alarms": 0.55})
    found = headline(report(sometimes(2, wrong), wrong, right, settings=settings))
    assert found[0] == "Gate word_f1 failed: 0.500, 0.9 required."
    assert found[1].startswith("The classical method is better")
    unmeasured = next(index for index, sentence in enumerate(found) if sentence.startswith("Gate alarms could not"))
    assert unmeasured < found.index("The tuned model is better than the base on word_f1: 0.500 against 0.000.")


def test_a_base_that_was_not_measured_is_named() -> None:
    found = headline(report(right, base=None))
    assert "The base was not measured." in found
    assert not any("better" in sentence or "No metric got worse" in sentence for sentence in found)


def test_a_comparison_on_a_sample_shows_its_number_of_examples() -> None:
    whole = asked(sometimes(2, wrong), ROWS)
    found = headline(report_on(TASK, SETTINGS, whole, asked(wrong, ROWS[:20])))
    assert "better than the base on word_f1: 0.500 against 0.000 on the 20 examples of both." in " ".join(found)


def test_labels_without_a_test_example_are_named_with_their_training_examples() -> None:
    found = headline(replace(report(right), untested={"indemnity": 40}))
    assert found[0] == "1 label was trained on and is in no test example: 'indemnity' (40 training examples)."


def test_unreadable_answers_are_counted() -> None:
    found = headline(report(sometimes(3, cut)))
    message = "of 30 examples 10 had answers that could not be read; 10 of these count as no answer."
    assert f"The tuned model: {message}" in found


def test_unscored_rows_are_reported_with_the_number_of_scored_ones() -> None:
    found = headline(report(sometimes(3, cut), task=NeedsAnAnswer()))
    message = "10 had answers that could not be read; its figures are of the 20 examples that could be scored."
    assert any(message in sentence for sentence in found)
    assert "better than the base on word_f1: 1.000 against 0.000 on the 20 examples of both." in " ".join(found)
