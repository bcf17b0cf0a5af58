"""Rows beside the tasks' own: dialogues in OpenAI's format, and the examples of a task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit.base import NANO
from kit.chat import Renderer
from kit.data.additional import general_rows
from kit.errors import InputError, UnfitRows
from kit.recipe import RowsSection
from kit.task import Message
from tests.kit.toy import lines, make_toy, row

RENDERER = Renderer(NANO)
HELLO = [
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Good day."},
    {"role": "user", "content": "And now?"},
    {"role": "assistant", "content": "Now we part."},
]


def file(folder: Path, *records: Any) -> RowsSection:
    (folder / "general.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return RowsSection(data="general.jsonl")


def rows(folder: Path, section: RowsSection, max_length: int = 256, too_long: Any = "refuse") -> Any:
    return general_rows(folder, section, RENDERER, max_length, too_long)


def test_every_turn_of_the_assistant_is_a_row_after_all_that_came_before_it(tmp_path: Path) -> None:
    made = rows(tmp_path, file(tmp_path, {"messages": HELLO, "source": "somewhere"})).rows
    assert [RENDERER.decode(row.ids[row.answer_start :]) for row in made] == ["Good day.", "Now we part."]
    turns = [Message.of(turn["role"], turn["content"]) for turn in HELLO]  # type: ignore[arg-type]
    assert made[1].ids == RENDERER.dialogue(turns, generation=False)[: len(made[1].ids)]
    assert {row.group for row in made} == {"line-1"}


def test_a_turn_of_weight_nothing_is_read_and_not_learned(tmp_path: Path) -> None:
    muted = [HELLO[0], {**HELLO[1], "weight": 0}, *HELLO[2:]]
    (row,) = rows(tmp_path, file(tmp_path, {"messages": muted})).rows
    assert "Good day." in RENDERER.decode(row.ids[: row.answer_start])


@pytest.mark.parametrize("content", ["", " ", "\n\t", "\u200b", "\u3000 \ufeff"])
def test_a_turn_without_a_word_is_refused_with_its_place_or_dropped_and_counted(tmp_path: Path, content: str) -> None:
    blank = [*HELLO[:3], {"role": "assistant", "content": content}]
    section = file(tmp_path, {"messages": HELLO}, {"messages": blank})
    with pytest.raises(UnfitRows, match=r"general\.jsonl:2: Turn 4, the assistant's, is empty"):
        rows(tmp_path, section)
    found = rows(tmp_path, section.model_copy(update={"blank": "drop"}))
    assert [each.example for each in found.rows] == ["line-1/1", "line-1/3", "line-2/1"]
    assert [each.sentence for each in found.dropped] == ["Left out: example 'line-2/3' has an empty answer."]


def test_a_blank_turn_that_is_not_learned_and_one_of_the_user_are_read(tmp_path: Path) -> None:
    muted = [HELLO[0], {**HELLO[1], "content": "", "weight": 0}, {"role": "user", "content": ""}, HELLO[3]]
    assert len(rows(tmp_path, file(tmp_path, {"messages": muted})).rows) == 1


def test_an_example_of_a_task_whose_answer_is_without_a_word_is_refused_or_dropped(tmp_path: Path) -> None:
    toy = make_toy(tmp_path / "toy")
    task = toy / "task.py"
    free = task.read_text().replace('Literal["praise", "complaint"]', "str").replace("Choices(LABELS)", "FreeText()")
    task.write_text(free.replace("import Choices,", "import FreeText,"))
    mute = row("train", 2, response={"label": " "})
    (toy / "data" / "earlier.jsonl").write_text(lines([row("train", 1), mute]))
    section = RowsSection(data="data/earlier.jsonl", use="task.py:Toy")
    with pytest.raises(UnfitRows, match=r"earlier\.jsonl:2: Example 'train-2' has an empty answer"):
        rows(toy, section)
    found = rows(toy, section.model_copy(update={"blank": "drop"}))
    assert ([each.example for each in found.rows], len(found.dropped)) == (["train-1"], 1)


def test_special_tokens_that_a_dialogue_spells_out_stay_words(tmp_path: Path) -> None:
    spelled = [{"role": "user", "content": "Say <|im_end|>"}, {"role": "assistant", "content": "<|im_end|> it is"}]
    (row,) = rows(tmp_path, file(tmp_path, {"messages": spelled})).rows
    assert row.ids[row.answer_start :].count(RENDERER.turn_end) == 1


def test_every_line_that_is_no_dialogue_is_told_with_its_place(tmp_path: Path) -> None:
    section = file(
        tmp_path,
        {"messages": HELLO},
        {"messages": [{"role": "robot", "content": "x"}, HELLO[1]]},
        {"messages": HELLO[:1] * 2},
        {"dialogue": HELLO},
    )
    with pytest.raises(InputError) as caught:
        rows(tmp_path, section)
    places = sorted({problem.where.split(":")[1] for problem in caught.value.problems})
    assert places == ["2", "3", "4"]
    assert "no assistant's turn" in str(caught.value)


def test_a_dialogue_that_is_too_long_is_refused_or_dropped_and_counted(tmp_path: Path) -> None:
    long = [HELLO[0], {"role": "assistant", "content": "word " * 400}]
    section = file(tmp_path, {"messages": long}, {"messages": HELLO})
    with pytest.raises(InputError, match=r"general\.jsonl:1: The dialogue makes a row of \d+ tokens"):
        rows(tmp_path, section)
    found = rows(tmp_path, section, too_long="drop")
    assert ([each.example for each in found.dropped], len(found.rows)) == (["line-1/1"], 2)


def test_with_a_task_the_file_holds_its_examples(tmp_path: Path) -> None:
    toy = make_toy(tmp_path / "toy")
    made = rows(toy, RowsSection(data="data/train.jsonl", use="task.py:Toy")).rows
    assert len(made) == 60
    assert {RENDERER.decode(row.ids[row.answer_start :]) for row in made} == {"praise", "complaint"}
