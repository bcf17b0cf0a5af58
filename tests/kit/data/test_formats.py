"""Data files: every mistake at once, each with its line and column; written whole or not at all."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.data.additional import Dialogue
from kit.data.formats import read_examples, read_file, read_records, write_examples
from kit.data.positions import positions
from kit.errors import InputError, UnfitRows
from kit.project.project import AnyTask, Project
from tests.kit.toy import make_toy, row


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> AnyTask:
    project = Project(make_toy(tmp_path_factory.mktemp("formats") / "toy"))
    return project.tasks(project.recipe())[0]


def shown(path: Path, task: AnyTask) -> list[str]:
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
        ("[1]", "2:1: This must be an object, with keys and values."),
        (b"\xef\xbb\xbf{}", "2:1: The line starts with a byte order mark. Save the file as UTF-8 without BOM."),
        ("[" * 200_000, "2:1: The JSON is nested too deeply."),
    ],
)
def test_a_line_that_is_no_row_is_told_with_its_column(
    tmp_path: Path, task: AnyTask, line: str | bytes, problem: str
) -> None:
    assert shown(file_of(tmp_path, good(1), line), task) == [problem]


def test_nothing_is_coerced(tmp_path: Path, task: AnyTask) -> None:
    line = good(1, weight="2", request={"text": 7})
    assert shown(file_of(tmp_path, line), task) == [
        f"1:{line.index('text')}: request.text: This must be text.",
        f"1:{line.index('weight')}: weight: This must be a number.",
    ]


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), 1e300, 1e-300])
def test_a_weight_that_is_none_is_told_once(tmp_path: Path, task: AnyTask, weight: float) -> None:
    assert len(shown(file_of(tmp_path, good(1, weight=weight)), task)) == 1
    with pytest.raises(UnfitRows):
        read_examples(file_of(tmp_path, good(1, weight=weight), "no JSON"), task)


def test_what_is_only_badly_written_is_not_called_unfit(tmp_path: Path, task: AnyTask) -> None:
    with pytest.raises(InputError) as caught:
        read_examples(file_of(tmp_path, good(1, weight="2"), "no JSON", good(1, request={})), task)
    assert not isinstance(caught.value, UnfitRows)


def test_a_missing_key_points_at_the_object_that_lacks_it(tmp_path: Path, task: AnyTask) -> None:
    line = good(1, request={})
    at = line.index("{}") + 1
    assert shown(file_of(tmp_path, line), task) == [f"1:{at}: request.text: The key 'text' is missing."]


def test_a_repeated_key_is_told_at_its_second_place(tmp_path: Path, task: AnyTask) -> None:
    line = good(1)[:-1] + ', "group": "again"}'
    assert shown(file_of(tmp_path, line), task) == [
        f"1:{line.rindex('group')}: group: The key 'group' is repeated in one object."
    ]


def test_a_repeated_id_names_its_first_line(tmp_path: Path, task: AnyTask) -> None:
    path = file_of(tmp_path, good(1), good(2), good(1))
    assert shown(path, task) == [f"3:1: The id 'train-1' is already used at {path}:1."]


def test_a_file_without_examples_is_told(tmp_path: Path, task: AnyTask) -> None:
    assert "There are no examples in this file." in shown(file_of(tmp_path), task)[0]


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path: Path, task: AnyTask) -> None:
    path = file_of(tmp_path, good(1))
    before = path.read_bytes()
    example = read_examples(path, task)[0]
    unwritable = example.model_copy(update={"id": "half a pair: \ud800"})
    with pytest.raises(ValueError):
        write_examples(path, [unwritable])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


ROW_SHAPE = '{"id": …, "request": {"text": …}, "response": {"label": …}, "group": …}'
IMPORT = (
    f"Import it with: kit data import csv FILE --map FIELD=COLUMN. Or write each row as one line of JSON: {ROW_SHAPE}."
)


def refusal(path: Path, task: AnyTask) -> str:
    """The one sentence that a file is refused with, its path written as FILE."""
    with pytest.raises(InputError) as caught:
        read_examples(path, task)
    (problem,) = caught.value.problems
    return str(problem).replace(str(path), "FILE")


def both(count: int = 2) -> list[str]:
    return [good(number, request={"text": f"caf\u00e9 {number}"}) for number in range(count)]


ROWS = "".join(json.dumps(json.loads(line), ensure_ascii=False) + "\n" for line in both())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(ROWS.encode()), "FILE: This file is compressed with gzip. Unpack it with: zcat FILE > NEW"),
        (
            ROWS.encode("utf-16"),
            "FILE: This file is UTF-16, not UTF-8. Convert it with: iconv -f utf-16 -t utf-8 FILE > NEW.jsonl",
        ),
        (
            ROWS.encode("utf-16-le"),
            "FILE: This file is UTF-16LE, not UTF-8. Convert it with: iconv -f utf-16le -t utf-8 FILE > NEW.jsonl",
        ),
        (
            ROWS.encode("utf-32"),
            "FILE: This file is UTF-32, not UTF-8. Convert it with: iconv -f utf-32 -t utf-8 FILE > NEW.jsonl",
        ),
        (
            ROWS.encode("cp1252"),
            f"FILE:1:{ROWS.index('é') + 1}: Byte 0xe9 is not UTF-8; the file may be Windows-1252. "
            "1 more lines have this problem. Convert it with: iconv -f cp1252 -t utf-8 FILE > NEW.jsonl",
        ),
        (
            b"PK\x03\x04rest",
            "FILE: This file is a zip archive (Excel and Word files are archives too). "
            "Unpack it with: unzip -p FILE > NEW",
        ),
        (
            b"text,label\n" + b"It works,praise\n" * 1_738,
            f"FILE: This file is CSV (columns: text, label), not lines of JSON. {IMPORT}",
        ),
        (
            b'text;label\n"It works; well";praise\n',
            f"FILE: This file is CSV with semicolons (columns: text, label), not lines of JSON. {IMPORT}",
        ),
        (
            f"[{','.join(both())}]".encode(),
            "FILE: This file is one JSON array, not lines of JSON. Convert it with: jq -c '.[]' FILE > NEW.jsonl",
        ),
        (
            json.dumps([1, 2], indent=1).encode(),
            "FILE: This file is one JSON array, not lines of JSON. Convert it with: jq -c '.[]' FILE > NEW.jsonl",
        ),
        (
            json.dumps({"data": [{"id": 1}]}, indent=1).encode(),
            "FILE: This file is one JSON object with a list under 'data', not lines of JSON. "
            "Convert it with: jq -c '.[\"data\"][]' FILE > NEW.jsonl",
        ),
        (
            json.dumps(json.loads(good(1)), indent=1).encode(),
            "FILE: This file has JSON over several lines; each example must be one line. "
            "Convert it with: jq -c . FILE > NEW.jsonl",
        ),
        (
            b"one\ntwo\nthree\n",
            f"FILE: None of the 3 lines of this file is JSON. Write each example as one line of JSON: {ROW_SHAPE}",
        ),
    ],
)
def test_a_file_that_is_not_lines_of_json_is_refused_with_one_sentence_and_a_command(
    tmp_path: Path, task: AnyTask, content: bytes, said: str
) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    assert refusal(path, task) == said


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_the_command_that_is_advised_makes_a_file_that_reads(tmp_path: Path, task: AnyTask, encoding: str) -> None:
    path = tmp_path / "my data.jsonl"
    path.write_bytes(ROWS.encode(encoding))
    with pytest.raises(InputError) as caught:
        read_examples(path, task)
    command = caught.value.problems[0].next.partition("with: ")[2]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    assert [each.request.text for each in read_examples(tmp_path / "NEW.jsonl", task)] == ["café 0", "café 1"]


def test_a_damaged_line_of_a_utf8_file_is_not_called_another_encoding(tmp_path: Path, task: AnyTask) -> None:
    line = ROWS.split("\n")[0]
    path = file_of(tmp_path, line, ROWS.split("\n")[1].replace("é", "#").encode().replace(b"#", b"\xff"))
    path.write_bytes(path.read_bytes().replace("é".encode(), "éé".encode()))
    assert "but the rest of the file is: the line is damaged." in refusal(path, task)


@pytest.mark.parametrize("escape", ["\\ud83d", "\\ude00", "\\ude00\\ud83d", "\\\\\\ud83d"])
def test_half_of_a_surrogate_pair_is_reported_at_its_own_place(tmp_path: Path, task: AnyTask, escape: str) -> None:
    line = good(1, request={"text": "HERE"}).replace("HERE", f"so {escape} it")
    half = escape[-6:] if escape.startswith("\\\\") else escape[:6]
    assert shown(file_of(tmp_path, line), task) == [
        f"1:{line.index(half) + 1}: request.text: {half} is half of a surrogate pair, not a character. "
        "Write the character itself, or both halves of its pair."
    ]


@pytest.mark.parametrize("escape", ["\\ud83d\\ude00", "\\\\ud83d", "\\u00e9"])
def test_a_whole_pair_and_an_escaped_backslash_are_no_halves(tmp_path: Path, task: AnyTask, escape: str) -> None:
    line = good(1, request={"text": "HERE"}).replace("HERE", escape)
    assert read_examples(file_of(tmp_path, line), task)[0].request.text == json.loads(f'"{escape}"')


def test_nesting_too_deep_for_the_types_is_reported_as_such(tmp_path: Path, task: AnyTask) -> None:
    line = good(1, provenance={"deep": 0}).replace('"deep": 0', f'"deep": {"[" * 400}{"]" * 400}')
    assert shown(file_of(tmp_path, good(2), line), task) == ["2:1: The JSON is nested too deeply."]


def test_dialogues_are_refused_in_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text("role,content\nuser,Hello\n")
    with pytest.raises(InputError) as caught:
        read_records(path, Dialogue)
    assert '{"messages": [{"role": …, "content": …}, …]}' in str(caught.value)
    path.write_text('{"messages": [{"role": "user", "content": "Hello"}]}\n')
    with pytest.raises(InputError) as caught:
        read_records(path, Dialogue)
    assert str(caught.value) == f"{path}:1:2: messages: This must have at least 2 items, and has 1."


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
