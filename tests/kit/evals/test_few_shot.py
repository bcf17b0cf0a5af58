"""Few-shot: the base with solved training examples in its prompts is a column, and a rival that the headline names."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from kit.chat import Renderer
from kit.data.split import position
from kit.engines.answerer import Answerer, BoundTask
from kit.engines.base import Capabilities
from kit.evals.few_shot import Shots, choose_shots
from kit.evals.headline import headline
from kit.evals.pages import complete, short
from kit.evals.report import TaskReport, attestation, report_on
from kit.evals.run import Evaluation
from kit.evals.tables import few_shot_table, notes
from kit.recipe import EvalSection
from kit.task import Choices, Example, FreeText, Gap, Message, Prompt
from tests.kit.evals.words import (
    RENDERER,
    Line,
    LongWords,
    Script,
    Words,
    answerer,
    asked,
    examples,
    right,
    run,
    wrong,
)

ROWS = examples(24)
TRAIN = examples(40)[24:]
SETTINGS = EvalSection(resamples=200)


class Instructed(LongWords):
    """Its prompts begin with an instruction."""

    def prompts(self, request: Line) -> list[Prompt]:
        messages = (Message.of("system", "Name the long word."), Message.of("user", request.text))
        return [Prompt(FreeText(), 32, messages=messages)]


class TwoQuestions(LongWords):
    """It asks whether there is a long word, and then which, once more for good measure."""

    def prompts(self, request: Line) -> list[Prompt]:
        messages = (Message.of("user", request.text),)
        return [Prompt(Choices(("yes", "no")), 4, messages), Prompt(FreeText(), 32, messages), Prompt(FreeText(), 32)]

    def targets(self, request: Line, response: Words) -> list[str]:
        return ["yes", *response.words, *response.words]


class Holes(LongWords):
    """Its prompts are gaps in a text."""

    def prompts(self, request: Line) -> list[Prompt]:
        return [Prompt(FreeText(), 32, gap=Gap(request.text, ""))]


def shots(most: int, max_length: int = 512, train: Sequence[Example[Any, Any]] = TRAIN) -> Shots:
    return choose_shots(BoundTask(Instructed(), RENDERER, max_length), train, ROWS, most)


def few_shot(script: Script, chosen: Shots) -> Evaluation:
    alone = answerer(script, Instructed())
    return asyncio.run(run(Answerer(alone.task, alone.renderer, alone.engine, shots=chosen.turns), ROWS))


def report(tuned: Script, with_examples: Script) -> TaskReport:
    chosen = shots(2)
    columns = (asked(tuned, ROWS), asked(wrong, ROWS))
    return report_on(LongWords(), SETTINGS, *columns, few_shot=few_shot(with_examples, chosen), shots=chosen)


def last(text: str) -> str:
    """Answer the request, which comes after the examples."""
    return [word for word in re.split(r"(lantern\d+)", text) if word.startswith("lantern")][-1]


def test_solved_examples_stand_between_the_instruction_and_the_request() -> None:
    bound = BoundTask(Instructed(), RENDERER, 512, shots=shots(2).turns)
    (generation,) = bound.generations(Line(text="plain lantern99"))
    first, second = sorted(TRAIN, key=lambda row: position(row.id))[:2]
    assert [(message.role, message.text) for message in generation.messages] == [
        ("system", "Name the long word."),
        ("user", first.request.text),
        ("assistant", first.response.words[0]),
        ("user", second.request.text),
        ("assistant", second.response.words[0]),
        ("user", "plain lantern99"),
    ]
    prompt = Prompt(FreeText(), 32, messages=generation.messages)
    assert tuple(generation.ids) == tuple(Renderer(RENDERER.folder).prompt(prompt))


def test_as_many_examples_are_taken_as_leave_room_for_every_request() -> None:
    longest = max(len(BoundTask(Instructed(), RENDERER, 512).generations(row.request)[0].ids) for row in ROWS)
    assert shots(4).count == 4
    assert 1 <= shots(4, max_length=longest + 32 + 40).count < 4
    none = shots(4, max_length=longest + 32)
    assert (none.count, none.turns) == (0, ())
    assert none.sentence == "Few-shot was not measured: no room in the context for a single example."


def test_a_task_without_a_dialogue_and_a_file_without_answers_have_no_examples() -> None:
    gap = choose_shots(BoundTask(Holes(), RENDERER, 512), TRAIN, ROWS, 4)
    assert "no dialogue" in gap.sentence
    assert "no training example has an answer" in shots(4, train=()).sentence


def test_a_task_with_several_questions_shows_one_answer_to_each() -> None:
    chosen = choose_shots(BoundTask(TwoQuestions(), RENDERER, 512), TRAIN, (), 1)
    answers = [message.text for message in chosen.turns if message.role == "assistant"]
    assert (chosen.count, len(answers), answers[0]) == (1, 2, "yes")
    assert answers[1].startswith("lantern")


def test_the_base_is_asked_with_the_examples_and_is_a_column_of_every_report() -> None:
    found = report(right, last)
    line = found.lines[0]
    assert line.few_shot is not None
    assert line.few_shot.value is not None
    for page in (complete(found), short(found)):
        assert "| metric | base | few-shot | tuned | tuned − base | tuned − few-shot |" in page
        assert page.endswith("Few-shot: the base with 2 training examples in its prompt.")
    cells = few_shot_table(found)
    assert cells is not None
    assert cells[0] == ["metric", "few-shot", "tuned − few-shot"]
    assert "Few-shot: the base with 2 training examples in its prompt." in notes(found)
    (task,) = attestation("b" * 64, [found], Capabilities("local", "1", 64, True), "d" * 64)["tasks"]
    assert (task["few_shot"]["shots"], task["few_shot"]["examples"]) == (2, 24)
    assert task["metrics"][0]["few_shot"]["value"] == line.few_shot.value


def test_where_the_base_with_examples_is_better_the_first_sentences_say_so() -> None:
    found = headline(report(wrong, last))
    better = [sentence for sentence in found if "in its prompt is better on" in sentence]
    worse = headline(report(right, wrong))
    assert len(better) == 1
    assert found.index(better[0]) <= 2
    assert any("better than the base with examples in its prompt on word_f1: 1.000" in each for each in worse)


def test_what_was_not_measured_is_no_column_and_says_why() -> None:
    missing = Shots(reason="no room")
    found = report_on(LongWords(), SETTINGS, asked(right, ROWS), asked(wrong, ROWS), shots=missing)
    assert "few-shot |" not in complete(found)
    assert complete(found).endswith("Few-shot was not measured: no room.")
    assert few_shot_table(found) is None
