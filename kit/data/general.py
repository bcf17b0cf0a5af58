"""Rows beside the tasks' own, for replay and as a reference: dialogues in OpenAI's format, or examples of any task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kit.chat import Renderer
from kit.data.formats import NOTHING_TO_LEARN, read_file, read_records
from kit.data.rows import Dropped, Row, Rows, build_rows
from kit.errors import InputError, Problem
from kit.loader import load_task
from kit.recipe import RowsSection, TaskSection
from kit.task import FreeText, Message, Prompt, Role, Strict


class Turn(Strict):
    """One message of a dialogue; an assistant's turn of weight 0 is read and not learned."""

    role: Role
    content: str
    weight: Literal[0, 1] = 1


class Dialogue(BaseModel):
    """A line of a file of dialogues. Public sets carry columns of their own; they are not read."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    messages: Annotated[tuple[Turn, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _answered(self) -> Dialogue:
        if self.messages[0].role == "assistant":
            raise ValueError("a dialogue does not begin with the assistant")
        if not any(turn.role == "assistant" and turn.weight for turn in self.messages):
            raise PydanticCustomError(NOTHING_TO_LEARN, "no turn of the assistant is there to learn from")
        return self


def general_rows(
    root: Path, section: RowsSection, renderer: Renderer, max_length: int, too_long: Literal["refuse", "drop"]
) -> Rows:
    """Return one row per supervised turn of a dialogue, or the rows of a task's examples; `root` is the project.

    Raises InputError with every problem of the file, every row that is too long unless they are to be dropped, and
    where nothing is left; UnfitRows as `read_examples` and `build_rows` do.
    """
    path = root / section.data
    if section.use is not None:
        task = load_task(root, TaskSection(use=section.use, options=section.options))
        file = read_file(path, task)
        return build_rows(task, renderer, file.examples, max_length, too_long, file.places, must_teach=True)
    rows, dropped, problems = list[Row](), list[Dropped](), list[Problem]()
    for number, (place, dialogue) in enumerate(read_records(path, Dialogue), start=1):
        for row in _rows(renderer, dialogue, f"line-{number}", max_length):
            if len(row.ids) <= max_length:
                rows.append(row)
            elif too_long == "drop":
                dropped.append(Dropped(row.example, len(row.ids)))
            else:
                what = f"The dialogue makes a row of {len(row.ids)} tokens; the longest allowed is {max_length}."
                problems.append(Problem(what, place, "Shorten it, or set data.too_long: drop."))
    if not problems and not rows:
        problems.append(Problem("No row of this file is short enough to train on.", str(path)))
    if problems:
        raise InputError(problems)
    return Rows(tuple(rows), tuple(dropped))


def _rows(renderer: Renderer, dialogue: Dialogue, name: str, max_length: int) -> Iterator[Row]:
    messages = [Message.of(turn.role, turn.content) for turn in dialogue.messages]
    for index, turn in enumerate(dialogue.messages):
        if turn.role == "assistant" and turn.weight:
            prompt = Prompt(FreeText(), max_length, tuple(messages[:index]))
            supervised = renderer.supervised(prompt, turn.content)
            yield Row(f"{name}/{index}", name, supervised.ids, supervised.answer_start)
