"""Data files: every mistake at once, each with its line and column; written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.data.formats import read_examples, read_file, write_examples
from kit.data.positions import positions
from kit.errors import InputError, UnfitRows
from kit.project import AnyTask, Project
from tests.kit.toy import make_toy, row


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> AnyTask:
    project = Project(make_toy(tmp_path_factory.mktemp("formats") / "toy"))
    return project.tasks(project.recipe())[0]


def told(path: Path, task: AnyTask) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_examples(path, task)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def file_of(folder: Path, *rows: str | bytes) -> Path:
    path = folder / "data.jsonl"
    path.write_bytes(b"".join((each.encode() if isinstance(each, str) else each) + b"\n" for each in rows))
    return path


def good(number: int = 0, **changes: object) -> str:
    return json.dumps(row("train", number, **changes))


def test_a_written_file_reads_back_as_the_same_examples(tmp_path: Path, task: AnyTask) -> None:
    source = file_of(tmp_path, good(1, tags=["short"], weight=0.5), good(2, provenance={"set": "ours"}))
    examples = read_examples(source, task)
    write_examples(tmp_path / "deep" / "copy.jsonl", examples)
    assert read_examples(tmp_path / "deep" / "copy.jsonl", task) == examples
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["copy.jsonl"]


def test_every_example_knows_its_line(tmp_path: Path, task: AnyTask) -> None:
    path = file_of(tmp_path, good(1), good(2))
    assert read_file(path, task).places == {"train-1": f"{path}:1", "train-2": f"{path}:2"}


def test_the_last_line_may_end_without_a_line_break(tmp_path: Path, task: AnyTask) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(good(1) + "\n" + good(2))
    assert len(read_examples(path, task)) == 2


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"id": "a",}', "2:12: This is not JSON: Expecting property name enclosed in double quotes."),
        ("", "2:1: The line is empty. Remove it: each line is one example."),
        ("[1]", "2:1: Input should be an object."),
        (b"\xef\xbb\xbf{}", "2:1: The line begins with a byte order mark. Save the file as UTF-8 without BOM."),
        (
            b'{"id": "caf\xe9"}',
            "2:12: Byte 0xe9 is not UTF-8; the file may be Latin-1 or Windows-1252. "
            "Convert it with: iconv -f latin1 -t utf-8",
        ),
        ("[" * 200_000, "2:1: The JSON is nested too deeply."),
    ],
)
def test_a_line_that_is_no_row_is_told_with_its_column(
    tmp_path: Path, task: AnyTask, line: str | bytes, problem: str
) -> None:
    assert told(file_of(tmp_path, good(1), line), task) == [problem]


def test_nothing_is_coerced(tmp_path: Path, task: AnyTask) -> None:
    line = good(1, weight="2", request={"text": 7})
    assert told(file_of(tmp_path, line), task) == [
        f"1:{line.index('text')}: request.text: Input should be a valid string.",
        f"1:{line.index('weight')}: weight: Input should be a valid number.",
    ]


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), 1e300, 1e-300])
def test_a_weight_that_is_none_is_told_once(tmp_path: Path, task: AnyTask, weight: float) -> None:
    assert len(told(file_of(tmp_path, good(1, weight=weight)), task)) == 1
    with pytest.raises(UnfitRows):
        read_examples(file_of(tmp_path, good(1, weight=weight), "no JSON"), task)


def test_what_is_only_badly_written_is_not_called_unfit(tmp_path: Path, task: AnyTask) -> None:
    with pytest.raises(InputError) as caught:
        read_examples(file_of(tmp_path, good(1, weight="2"), "no JSON", good(1, request={})), task)
    assert not isinstance(caught.value, UnfitRows)


def test_a_missing_key_points_at_the_object_that_lacks_it(tmp_path: Path, task: AnyTask) -> None:
    line = good(1, request={})
    at = line.index("{}") + 1
    assert told(file_of(tmp_path, line), task) == [f"1:{at}: request.text: The key 'text' is missing."]


def test_a_repeated_key_is_told_at_its_second_place(tmp_path: Path, task: AnyTask) -> None:
    line = good(1)[:-1] + ', "group": "again"}'
    assert told(file_of(tmp_path, line), task) == [
        f"1:{line.rindex('group')}: group: The key 'group' stands twice in one object."
    ]


def test_a_repeated_id_names_its_first_line(tmp_path: Path, task: AnyTask) -> None:
    path = file_of(tmp_path, good(1), good(2), good(1))
    assert told(path, task) == [f"3:1: The id 'train-1' is already used at {path}:1."]


def test_a_file_without_examples_is_told(tmp_path: Path, task: AnyTask) -> None:
    assert "There are no examples in this file." in told(file_of(tmp_path), task)[0]


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path: Path, task: AnyTask) -> None:
    path = file_of(tmp_path, good(1))
    before = path.read_bytes()
    example = read_examples(path, task)[0]
    unwritable = example.model_copy(update={"id": "half a pair: \ud800"})
    with pytest.raises(ValueError):
        write_examples(path, [unwritable])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(value=JSON, indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_positions_point_at_every_value_however_the_json_is_laid_out(
    value: object, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    found = positions(text)
    decoder = json.JSONDecoder()
    for path, at in found.values.items():
        expected = value
        for part in path:
            expected = expected[part]  # type: ignore[index]
        assert decoder.raw_decode(text, at)[0] == expected
    for path, at in found.keys.items():
        assert decoder.raw_decode(text, at)[0] == path[-1]
    assert (found.repeated, found.not_numbers) == ([], [])
