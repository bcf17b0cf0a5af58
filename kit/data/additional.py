"""Reads additional rows for replay and EWC: dialogues in OpenAI's format, or examples of any task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kit.chat import Renderer
from kit.data.checking.blank import BLANK_ADVICE, blank_answers, is_blank
from kit.data.formats import NOTHING_TO_LEARN, DataFile, read_file, read_records
from kit.data.rows import Dropped, Row, Rows, build_rows
from kit.errors import InputError, Problem, UnfitRows
from kit.recipe import RowsSection, TaskSection
from kit.task import FreeText, Message, Prompt, Role, Strict, Task
from kit.task.loader import load_task

_BLANK_TURN = f"{BLANK_ADVICE.removesuffix('.')}, or give the turn weight 0, or set blank: drop."


class Turn(Strict):
    """One message of a dialogue. An assistant's turn of weight 0 is context and carries no loss."""

    role: Role
    content: str
    weight: Literal[0, 1] = 1


class Dialogue(BaseModel):
    """A line of a file of dialogues. Other columns, which public sets have, are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    messages: Annotated[tuple[Turn, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _answered(self) -> Dialogue:
        if self.messages[0].role == "assistant":
            raise ValueError("a dialogue must not start with the assistant")
        if not any(turn.role == "assistant" and turn.weight for turn in self.messages):
            raise PydanticCustomError(NOTHING_TO_LEARN, "there is no assistant's turn to learn from")
        return self


def general_rows(
    root: Path, section: RowsSection, renderer: Renderer, max_length: int, too_long: Literal["refuse", "drop"]
) -> Rows:
    """Return one row per supervised turn of a dialogue, or the rows of a task's examples; `root` is the project.

    Raises InputError with every problem of the file, every row that is too long unless they are to be dropped, and
    if no row is left; UnfitRows as `read_examples` and `build_rows` do.
    """
    path = root / section.data
    if section.use is not None:
        return _examples(root, section, renderer, max_length, too_long)
    rows, dropped, problems, blank = list[Row](), list[Dropped](), list[Problem](), list[Problem]()
    for number, (place, dialogue) in enumerate(read_records(path, Dialogue), start=1):
        for turn, row in _rows(renderer, dialogue, f"line-{number}", max_length):
            if is_blank(dialogue.messages[turn].content):
                what = f"Turn {turn + 1}, the assistant's, is empty: it teaches the model to stop at once."
                blank.append(Problem(what, place, _BLANK_TURN))
                dropped.append(Dropped(row.example, len(row.ids), "has an empty answer"))
            elif len(row.ids) <= max_length:
                rows.append(row)
            elif too_long == "drop":
                dropped.append(Dropped(row.example, len(row.ids)))
            else:
                what = f"The dialogue makes a row of {len(row.ids)} tokens; the longest allowed is {max_length}."
                problems.append(Problem(what, place, "Shorten it, or set data.too_long: drop."))
    if blank and section.blank == "refuse":
        raise UnfitRows([*blank, *problems])
    if not problems and not rows:
        problems.append(Problem("No row of this file is short enough to train on.", str(path)))
    if problems:
        raise InputError(problems)
    return Rows(tuple(rows), tuple(dropped))


def additional_examples(root: Path, section: RowsSection) -> tuple[Task[Any, Any], DataFile]:
    """Return the task that a section names, and its examples. Raises InputError as `read_examples` does."""
    task = load_task(root, TaskSection(use=section.use or "", options=section.options))
    return task, read_file(root / section.data, task)


def _examples(
    root: Path, section: RowsSection, renderer: Renderer, max_length: int, too_long: Literal["refuse", "drop"]
) -> Rows:
    """Return the rows of a task's examples."""
    task, file = additional_examples(root, section)
    blank = blank_answers(task, file.examples, file.places)
    if blank and section.blank == "refuse":
        raise UnfitRows(list(blank.values()))
    kept = [example for example in file.examples if example.id not in blank]
    made = build_rows(task, renderer, kept, max_length, too_long, file.places, must_teach=True, part="replayed")
    left_out = tuple(Dropped(id, 0, "has an empty answer") for id in blank)
    return Rows(made.rows, (*made.dropped, *left_out))


def _rows(renderer: Renderer, dialogue: Dialogue, name: str, max_length: int) -> Iterator[tuple[int, Row]]:
    """Yield a row for each supervised turn, with the turn's index."""
    messages = [Message.of(turn.role, turn.content) for turn in dialogue.messages]
    for index, turn in enumerate(dialogue.messages):
        if turn.role == "assistant" and turn.weight:
            prompt = Prompt(FreeText(), max_length, tuple(messages[:index]))
            supervised = renderer.supervised(prompt, turn.content)
            yield index, Row(f"{name}/{index}", name, supervised.ids, supervised.answer_start)
