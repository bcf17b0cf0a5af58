"""What a row labels is taught and read back whole, or refused with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from legal_parts import make_task  # type: ignore[import-not-found]

from kit.base import NANO
from kit.chat import Renderer
from kit.data.formats import read_file
from kit.data.rows import build_rows
from kit.errors import InputError, UnfitRows
from kit.task import Completion, Task, write_answer

LAW = "This Agreement is governed by the law of Sweden."
TEXT = f"SUPPLY\n\n{LAW} It ends in June."
NUMBERS = make_task(answer="numbers", window=300)
QUOTES = make_task()


def clause(label: str = "governing_law", text: str = TEXT, exact: str = LAW, **changes: Any) -> dict[str, Any]:
    start = text.index(exact)
    return {"label": label, "exact": exact, "start": start, "end": start + len(exact), **changes}


def row(*clauses: dict[str, Any], text: str = TEXT, **request: Any) -> str:
    value = {"id": "a", "group": "a", "request": {"text": text, **request}, "response": {"clauses": list(clauses)}}
    return json.dumps(value, ensure_ascii=False)


def file_of(folder: Path, line: str) -> Path:
    path = folder / "data.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    return path


def problems_of_line(folder: Path, line: str) -> list[str]:
    """What reading this line as an example ends with, without the file's name."""
    path = file_of(folder, line)
    with pytest.raises(InputError) as caught:
        read_file(path, NUMBERS)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def problems_of_row(folder: Path, line: str, task: Task[Any, Any]) -> list[str]:
    """What making training rows of this line ends with, without the file's name."""
    path = file_of(folder, line)
    file = read_file(path, task)
    with pytest.raises(InputError) as caught:
        build_rows(task, Renderer(NANO), file.examples, 9_999, "refuse", file.places)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            clause(exact=LAW) | {"exact": "", "start": 3, "end": 3},
            "A clause has one character at least; this one starts at 3, ends at 3.",
        ),
        (clause() | {"start": 9, "end": 3}, "A clause has one character at least; this one starts at 9, ends at 3."),
        (
            clause() | {"exact": LAW[:-1]},
            "'exact' has 47 characters, but start and end say 48: count code points, not bytes or UTF-16 units.",
        ),
    ],
)
def test_a_clause_without_a_place_of_its_length_is_reported_with_line_and_column(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    line = row(clause(), wrong)
    column = line.index(json.dumps(wrong)) + 1
    assert problems_of_line(tmp_path, line) == [f"1:{column}: response.clauses.1: {said}"]


def test_a_clause_that_is_listed_twice_is_reported_with_line_and_column(tmp_path: Path) -> None:
    line = row(clause(), clause("renewal"), clause())
    (said,) = problems_of_line(tmp_path, line)
    start = TEXT.index(LAW)
    assert said == (
        f"1:{line.index('clauses')}: response.clauses: clauses[2] repeats clauses[0]: 'governing_law' at {start}."
    )


@pytest.mark.parametrize("task", [NUMBERS, QUOTES])
def test_categories_that_leave_out_a_labelled_kind_are_reported(tmp_path: Path, task: Task[Any, Any]) -> None:
    line = row(clause("renewal", exact="It ends in June."), clause(), categories=["renewal"])
    assert problems_of_row(tmp_path, line, task) == [
        "1: response.clauses[1]: Example 'a': The request's categories leave out 'governing_law', which is labelled."
    ]


def test_a_text_that_is_elsewhere_is_reported_with_its_clause(tmp_path: Path) -> None:
    line = row(clause(exact=LAW) | {"start": 0, "end": len(LAW)})
    assert problems_of_row(tmp_path, line, NUMBERS) == [
        f"1: response.clauses[0]: Example 'a': The document has a different text at 0 to {len(LAW)}."
    ]


def read_back(task: Task[Any, Any], line: str) -> tuple[Any, Any]:
    """A row's response, and what the task reads from a model that writes its targets."""
    example = task.example_type().model_validate_json(line)
    targets = task.targets(example.request, example.response)
    written = [Completion(write_answer(target)) for target in targets if target is not None]
    return example.response, task.read(example.request, written)


def test_an_example_that_was_not_asked_about_every_kind_teaches_no_absence_and_says_why(tmp_path: Path) -> None:
    path = file_of(tmp_path, row(text="It ends in June.", categories=["renewal"]))
    task = make_task(answer="numbers", window=300, categories=["renewal", "insurance", "exclusivity"])
    file = read_file(path, task)
    with pytest.raises(UnfitRows) as caught:
        build_rows(task, Renderer(NANO), file.examples, 999, "refuse", file.places, must_teach=True)
    assert "Its request does not ask for insurance, exclusivity: " in str(caught.value)
    asked = make_task(answer="numbers", window=300, categories=["renewal"])
    assert len(build_rows(asked, Renderer(NANO), file.examples, 999, "refuse", file.places, must_teach=True).rows) == 1


CHINESE = "供应协议\n\n本协议受瑞典法律管辖。本协议于六月终止！双方应当保密。否。价格每年调整一次。"
HINDI = "यह समझौता स्वीडन के कानून द्वारा शासित है। यह जून में समाप्त होता है॥ दोनों पक्ष गोपनीयता रखेंगे।"
TWO_KINDS = "The buyer may end this agreement on notice and the seller keeps all information secret. It is sold."


@pytest.mark.parametrize("task", [NUMBERS, QUOTES, make_task(answer="numbers", window=300, readings=2, threshold=0.6)])
@pytest.mark.parametrize(
    ("text", "labelled"),
    [
        (CHINESE, {"本协议受瑞典法律管辖。": ["governing_law"], "双方应当保密。": ["confidentiality"]}),
        (CHINESE * 9, {"本协议受瑞典法律管辖。": ["governing_law"]}),
        (
            HINDI,
            {"यह समझौता स्वीडन के कानून द्वारा शासित है।": ["governing_law"], "दोनों पक्ष गोपनीयता रखेंगे।": ["confidentiality"]},
        ),
        ("قانون السويد يحكم هذا العقد؟ نعم. انتهى", {"قانون السويد يحكم هذا العقد؟": ["governing_law"]}),
        (TWO_KINDS, {TWO_KINDS.removesuffix(" It is sold."): ["termination_for_convenience", "confidentiality"]}),
    ],
)
def test_a_model_that_writes_what_it_is_taught_gives_back_every_label(
    task: Task[Any, Any], text: str, labelled: dict[str, list[str]]
) -> None:
    clauses = [clause(label, text, exact) for exact, labels in labelled.items() for label in labels]
    expected, actual = read_back(task, row(*clauses, text=text))
    said = [(each.label, each.exact, each.start) for each in actual.clauses]
    assert sorted(said) == sorted((each.label, each.exact, each.start) for each in expected.clauses)
    assert task.metrics["clause_f1"].reduce([task.observe(expected, actual)]) == 1.0


def test_of_an_answer_that_was_cut_the_finished_kinds_of_a_sentence_are_kept() -> None:
    request = NUMBERS.request_type(text=TWO_KINDS)
    whole = '{"1":["confidentiality","renewal"],"2":"insurance"}'
    found = {
        cut: [each.label for each in NUMBERS.read(request, [Completion(whole[:cut], finish="length")]).clauses]
        for cut in (len(whole) - 1, whole.index('"2"'), whole.index(',"renewal'), whole.index('"renewal') + 3)
    }
    assert list(found.values()) == [
        ["confidentiality", "renewal", "insurance"],
        ["confidentiality", "renewal"],
        [],
        ["confidentiality"],
    ]


def test_several_readings_name_as_many_kinds_as_one_of_them_did() -> None:
    task = make_task(answer="numbers", window=300, readings=2)
    request = task.request_type(text="The term is a year.")
    said = ['{"1":["renewal","insurance"]}', '{"1":"renewal"}']
    for answers, labels in (
        (said, {"renewal", "insurance"}),
        (['{"1":"renewal"}', '{"1":"insurance"}'], {"renewal"}),
        (said[1:] * 2, {"renewal"}),
    ):
        read = task.read(request, [Completion(answer) for answer in answers])
        assert {each.label for each in read.clauses} == labels
