"""`import_data`: the rows of a user's own table become examples of a task, all of them or none."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kit.data.formats import read_examples
from kit.errors import InputError
from kit.project.project import Project
from kit.project.template import plan_project
from kit.workflows import import_data, plan_import_data
from tests.kit.toy import make_toy

MAPPING = {"text": "body", "label": "kind"}
ROWS = [
    ("The breakfast in the garden was friendly and quick", "praise", "c1"),
    ("Nobody answered the telephone for two whole days", "complaint", "c2"),
    ("The room, at last, was ready; we slept well", "praise", "c2"),
]


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy(tmp_path / "toy")


def write_csv(path: Path, rows: Sequence[Sequence[Any]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([("body", "kind", "customer"), *rows])
    return path


def write_xlsx(path: Path, rows: Sequence[Sequence[Any]], notes: Sequence[str] = ()) -> Path:
    """Write the smallest workbook that a spreadsheet program opens; its second sheet holds `notes`, one in each row."""
    types = "application/vnd.openxmlformats-officedocument"
    main = "http://schemas.openxmlformats.org"

    def cell(value: Any) -> str:
        return f"<c><v>{value}</v></c>" if isinstance(value, int) else f'<c t="inlineStr"><is><t>{value}</t></is></c>'

    def sheet(rows: Sequence[Sequence[Any]]) -> str:
        cells = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
        return f'<worksheet xmlns="{main}/spreadsheetml/2006/main"><sheetData>{cells}</sheetData></worksheet>'

    parts = {
        "[Content_Types].xml": f'<Types xmlns="{main}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{types}.spreadsheetml.sheet.main+xml"/>'
        f'<Override PartName="/xl/sheet1.xml" ContentType="{types}.spreadsheetml.worksheet+xml"/>'
        f'<Override PartName="/xl/sheet2.xml" ContentType="{types}.spreadsheetml.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{main}/package/2006/relationships"><Relationship Id="r" '
        f'Type="{main}/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}/spreadsheetml/2006/main" '
        f'xmlns:r="{main}/officeDocument/2006/relationships">'
        '<sheets><sheet name="Tickets" sheetId="1" r:id="s"/>'
        '<sheet name="Notes" sheetId="2" r:id="t"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{main}/package/2006/relationships"><Relationship '
        f'Id="s" Type="{main}/officeDocument/2006/relationships/worksheet" Target="sheet1.xml"/><Relationship '
        f'Id="t" Type="{main}/officeDocument/2006/relationships/worksheet" Target="sheet2.xml"/></Relationships>',
        "xl/sheet1.xml": sheet([("body", "kind", "customer"), *rows]),
        "xl/sheet2.xml": sheet([(note,) for note in notes]),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def write_jsonl(path: Path, rows: Sequence[Sequence[Any]]) -> Path:
    made = ({"ticket": {"body": text}, "kind": kind, "customer": customer} for text, kind, customer in rows)
    path.write_text("".join(f"{json.dumps(each)}\n" for each in made))
    return path


def imported(toy: Path, file: str = "train.jsonl") -> list[dict[str, Any]]:
    """The examples after the sixty (training) that the project starts with."""
    return [json.loads(line) for line in (toy / "data" / file).read_text().splitlines()[60:]]


@pytest.mark.parametrize("kind", ["csv", "semicolons.csv", "tsv", "xlsx", "jsonl"])
def test_each_kind_of_table_gives_the_same_examples(toy: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"tickets.{kind}"
    mapping = MAPPING
    if kind == "xlsx":
        write_xlsx(file, ROWS)
    elif kind == "jsonl":
        write_jsonl(file, ROWS)
        mapping = {"text": "ticket.body", "label": "kind"}
    else:
        write_csv(file, ROWS, {"csv": ",", "tsv": "\t"}.get(kind, ";"))
    done = import_data(toy, file=file, mapping=mapping, group="customer")
    assert [(each["request"]["text"], each["response"]["label"], each["group"]) for each in imported(toy)] == ROWS
    assert (len(done.examples), done.groups, done.total) == (3, 2, 63)
    project = Project(toy)
    assert len(read_examples(done.path, project.data(project.recipe()).task)) == 63


def test_a_file_with_a_byte_order_mark_and_line_breaks_in_cells_is_read(toy: Path, tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    file.write_bytes(b'\xef\xbb\xbfbody,kind\r\n"Two\r\nlines ""quoted""",praise\r\n')
    import_data(toy, file=file, mapping=MAPPING)
    assert imported(toy)[0]["request"]["text"] == 'Two\r\nlines "quoted"'


def test_an_id_depends_on_the_content_alone_and_a_second_import_adds_nothing(toy: Path, tmp_path: Path) -> None:
    import_data(toy, file=write_csv(tmp_path / "tickets.csv", ROWS), mapping=MAPPING)
    ids = {each["request"]["text"]: each["id"] for each in imported(toy)}
    late = ("A bus came at midnight and took us home", "praise", "c9")
    done = import_data(toy, file=write_csv(tmp_path / "tickets.csv", [late, *reversed(ROWS)]), mapping=MAPPING)
    assert len(done.examples) == 1
    assert list(done.duplicates) == [
        "Row 3 is the same as train.jsonl:63.",
        "Row 4 is the same as train.jsonl:62.",
        "Row 5 is the same as train.jsonl:61.",
    ]
    again = plan_import_data(toy, file=tmp_path / "tickets.csv", mapping=MAPPING, to=tmp_path / "new.jsonl")
    assert again.examples == ()
    replaced = import_data(toy, file=tmp_path / "tickets.csv", mapping=MAPPING, replace=True)
    assert {each.request.text: each.id for each in replaced.examples if each.request.text in ids} == ids


def test_texts_that_are_nearly_the_same_share_a_group_and_two_answers_to_one_request_are_noted(
    toy: Path, tmp_path: Path
) -> None:
    words = [f"word{number}" for number in range(60)]
    near = [*words[:30], "other", *words[31:]]
    rows = [(" ".join(words), "praise", "c1"), (" ".join(near), "praise", "c2"), (" ".join(words), "complaint", "c3")]
    done = import_data(toy, file=write_csv(tmp_path / "tickets.csv", rows), mapping=MAPPING)
    assert len(done.examples) == 3
    assert {each.group for each in done.examples} == {done.examples[0].id}
    assert "Row 4 has a different response to the request of row 2; look at both." in done.notes


def test_a_group_that_another_file_holds_is_said_with_what_to_do(toy: Path, tmp_path: Path) -> None:
    rows = [("A quite different sentence about the weather", "praise", "test-3")]
    done = import_data(toy, file=write_csv(tmp_path / "t.csv", rows), mapping=MAPPING, group="customer")
    assert any("test.jsonl" in note and "kit data split" in note for note in done.notes)


def test_labels_outside_the_set_are_listed_once_with_counts_and_the_place_to_add_them(
    toy: Path, tmp_path: Path
) -> None:
    rows = [("one", "refund", 1), ("two", "refund", 2), ("three", "lost", 3), ("", "praise", 4)]
    before = (toy / "data" / "train.jsonl").read_bytes()
    with pytest.raises(InputError) as caught:
        import_data(toy, file=write_csv(tmp_path / "t.csv", rows), mapping=MAPPING)
    label, empty = caught.value.problems
    assert "2 labels are not among the task's: 'refund' (2 rows), 'lost' (1 row)" in label.what
    assert "task.py:8" in label.next
    assert empty.where == f"{tmp_path / 't.csv'}: row 5, column 'body'"
    assert (toy / "data" / "train.jsonl").read_bytes() == before


def test_every_wrong_name_is_said_with_the_near_miss_before_anything_is_read_into_examples(
    toy: Path, tmp_path: Path
) -> None:
    file = write_csv(tmp_path / "t.csv", ROWS)
    with pytest.raises(InputError) as caught:
        import_data(toy, file=file, mapping={"txt": "body", "label": "knd"}, group="custmer")
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 3
    assert "Did you mean 'text'?" in said[0]
    assert "Did you mean 'kind'?" in said[1]
    assert said[2].startswith("--group")
    with pytest.raises(InputError, match="The response needs the field 'label'"):
        import_data(toy, file=file, mapping={"text": "body"})


TYPED = """\
from typing import Literal

from kit.metrics.reductions import mean_of
from kit.task import FreeText, Message, Prompt, Strict, Task


class Author(Strict):
    name: str
    age: int | None = None


class Letter(Strict):
    text: str
    author: Author
    topics: list[str] = []


class Reply(Strict):
    text: str
    urgent: bool = False
    stars: Literal[1, 2, 3] = 1


class Write(Task[Letter, Reply]):
    name = "write"
    route = "/v1/write"
    request_type = Letter
    response_type = Reply
    metrics = {"same": mean_of("same")}
    main_metric = "same"

    def prompts(self, request):
        return [Prompt(FreeText(), 32, (Message.of("user", request.text),))]

    def targets(self, request, response):
        return [response.text]

    def read(self, request, completions):
        return Reply(text=completions[0].text)

    def observe(self, expected, actual):
        return {"same": float(expected == actual)}
"""


@pytest.fixture
def writer(tmp_path: Path) -> Path:
    """A project whose types are nested, and whose request and response have a field of one name."""
    root = tmp_path / "writer"
    root.mkdir()
    (root / "task.py").write_text(TYPED)
    (root / "recipe.yaml").write_text("name: writer\nbase: {model: nano}\ntasks: [{use: 'task.py:Write'}]\n")
    return root


NESTED = {
    "request.text": "letter",
    "author.name": "who",
    "author.age": "age",
    "topics": "topics",
    "response.text": "answer",
    "urgent": "urgent",
    "stars": "stars",
}


def test_nested_fields_numbers_truths_and_lists_take_their_types(writer: Path, tmp_path: Path) -> None:
    file = tmp_path / "letters.csv"
    file.write_text(
        "letter,who,age,topics,answer,urgent,stars\n"
        '2024,Ada,36,"[""rent"", ""keys""]",12,True,3\n'
        "Hello,007,,,Dear you,false,1\n"
    )
    done = import_data(writer, file=file, mapping=NESTED)
    first, second = (json.loads(line) for line in done.path.read_text().splitlines())
    assert first["request"] == {"text": "2024", "author": {"name": "Ada", "age": 36}, "topics": ["rent", "keys"]}
    assert first["response"] == {"text": "12", "urgent": True, "stars": 3}
    assert second["request"] == {"text": "Hello", "author": {"name": "007"}}
    assert second["response"] == {"text": "Dear you", "urgent": False, "stars": 1}


def test_a_cell_of_the_wrong_type_is_quoted_with_file_row_and_column(writer: Path, tmp_path: Path) -> None:
    file = tmp_path / "letters.csv"
    file.write_text("letter,who,age,topics,answer,urgent,stars\nHi,Ada,old,rent,x,maybe,1\n")
    with pytest.raises(InputError) as caught:
        import_data(writer, file=file, mapping=NESTED)
    said = [str(problem) for problem in caught.value.problems]
    assert [line.split(": This")[0] for line in said] == [
        f"{file}: row 2, column '{name}'" for name in ("age", "topics", "urgent")
    ]
    assert "'old'" in said[0]


def test_a_name_that_is_in_request_and_response_needs_its_side(writer: Path, tmp_path: Path) -> None:
    file = tmp_path / "letters.csv"
    file.write_text("letter,who,answer\na,b,c\n")
    with pytest.raises(InputError, match=r"Write request\.text or response\.text"):
        import_data(writer, file=file, mapping={"text": "letter", "author.name": "who"})


def test_a_template_takes_a_table_too(tmp_path: Path) -> None:
    root = tmp_path / "legal"
    plan_project("legal", root).make()
    text = "This Agreement is governed by the laws of Ontario."
    clause = {"label": "governing_law", "exact": text, "start": 0, "end": len(text)}
    file = tmp_path / "contracts.jsonl"
    file.write_text(json.dumps({"contract": text, "found": [clause]}) + "\n")
    done = import_data(root, file=file, mapping={"text": "contract", "clauses": "found"})
    assert [each.response.clauses[0].exact for each in done.examples] == [text]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.parquet", b"PAR1", "does not say what kind of table this is"),
        ("t.csv", b"", "This file is empty"),
        ("t.csv", b"body,kind\n", "a header and no rows"),
        ("t.csv", b"body,body\na,b\n", "Two columns have the name 'body'"),
        ("t.csv", b"body,kind\na,b,c\n", "This row has 3 cells; the header has 2"),
        ("t.csv", b'body,kind\na,b\n"c,d\ne,f\n', r"t\.csv:3: This is not CSV, in the row that begins here"),
        ("t.csv", b"body,kind\ncaf\xe9,praise\n", "may be Windows-1252"),
        ("t.xlsx", b"no workbook", "The workbook cannot be read"),
        ("t.jsonl", b'{"body": "a"}\nnothing\n', "This is not JSON"),
    ],
)
def test_what_is_no_table_is_named_for_what_it_is(
    toy: Path, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InputError, match=said):
        import_data(toy, file=file, mapping=MAPPING)


def test_a_number_in_a_workbook_can_be_text(toy: Path, tmp_path: Path) -> None:
    import_data(toy, file=write_xlsx(tmp_path / "t.xlsx", [(42, "praise", 7)]), mapping=MAPPING, id="customer")
    assert [(each["request"]["text"], each["id"]) for each in imported(toy)] == [("42", "7")]


def test_of_several_sheets_one_has_to_be_named(toy: Path, tmp_path: Path) -> None:
    file = write_xlsx(tmp_path / "t.xlsx", ROWS, notes=["Tickets of May"])
    with pytest.raises(InputError, match=r"2 sheets with rows: 'Tickets', 'Notes'\. Say which one to import: --sheet"):
        import_data(toy, file=file, mapping=MAPPING)
    with pytest.raises(InputError, match="Did you mean 'Tickets'"):
        import_data(toy, file=file, mapping=MAPPING, sheet="Tickts")
    assert len(import_data(toy, file=file, mapping=MAPPING, sheet="Tickets").examples) == 3
    with pytest.raises(InputError, match="Only a workbook has sheets"):
        import_data(toy, file=write_csv(tmp_path / "t.csv", ROWS), mapping=MAPPING, sheet="Tickets")


def test_a_cell_of_white_space_is_empty(toy: Path, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "t.csv", [("Good", "praise", 1), (" \n", "praise", 2)])
    with pytest.raises(InputError, match="row 3, column 'body': This cell is empty"):
        import_data(toy, file=file, mapping=MAPPING)


def test_people_whose_requests_are_equal_become_one_group_with_all_of_their_rows(toy: Path, tmp_path: Path) -> None:
    rows = [
        ("The lift is out of order", "complaint", "Ada"),
        ("A lovely garden", "praise", "Ada"),
        ("The lift is out of order", "praise", "Bob"),
        ("Nobody answers the phone", "complaint", "Bob"),
        ("A bus came at midnight", "praise", "Cy"),
    ]
    done = import_data(toy, file=write_csv(tmp_path / "t.csv", rows), mapping=MAPPING, group="customer")
    assert [each.group for each in done.examples] == ["Ada", "Ada", "Ada", "Ada", "Cy"]
    assert any("The groups 'Ada' and 'Bob' are now one, 'Ada'" in note for note in done.notes)
    late = [("The lift is in order", "praise", "Dee"), ("Too many stairs", "complaint", "Dee")]
    more = [("Nobody answers the phone", "praise", "Dee"), ("A bus came at midnight", "complaint", "Ada")]
    done = import_data(toy, file=write_csv(tmp_path / "t.csv", late + more), mapping=MAPPING, group="customer")
    assert [each.group for each in done.examples] == ["Ada", "Ada", "Ada", "Cy"]
    assert any("It is in the group 'Cy', not in 'Ada'" in note for note in done.notes)


def test_lines_of_the_data_file_that_do_not_fit_the_task_are_counted(toy: Path, tmp_path: Path) -> None:
    with (toy / "data" / "train.jsonl").open("a") as stream:
        stream.write('{"id": "old", "request": {"text": "x"}, "response": {"label": "refund"}, "group": "g"}\n')
    file = write_csv(tmp_path / "t.csv", ROWS)
    note = "train.jsonl has other lines, and 1 line of it does not fit the task."
    assert any(note in each for each in import_data(toy, file=file, mapping=MAPPING).notes)
    assert import_data(toy, file=file, mapping=MAPPING, replace=True).notes == ("Columns that are not used: customer.",)


def test_a_label_that_is_nearly_a_known_one_is_said_with_it(toy: Path, tmp_path: Path) -> None:
    rows = [("one", "Praise ", 1), ("two", "praise ", 2), ("three", "lost", 3)]
    with pytest.raises(InputError) as caught:
        import_data(toy, file=write_csv(tmp_path / "t.csv", rows), mapping=MAPPING)
    assert "'praise ' (1 row; did you mean 'praise'?)" in str(caught.value)
    assert "'Praise ' (1 row; did you mean 'praise'?)" in str(caught.value)
    assert "'lost' (1 row)" in str(caught.value)


def test_a_cell_that_has_to_hold_json_is_said_with_its_keys(tmp_path: Path) -> None:
    root = tmp_path / "extract"
    plan_project("extract", root).make()
    shape = re.escape('[{"label": …, "text": …, "start": …, "end": …}, …]')
    file = tmp_path / "letters.csv"
    file.write_text('letter,amount\n"Pay £5.",£5\n"Pay £6.","[{""label"": ""amount"", ""text"": ""£6""}]"\n')
    with pytest.raises(InputError, match=f"needs the field 'spans'.*Each cell of this column holds JSON: {shape}"):
        import_data(root, file=file, mapping={"text": "letter"})
    with pytest.raises(InputError) as caught:
        import_data(root, file=file, mapping={"text": "letter", "spans": "amount"})
    assert "This must be a list: '£5'. A cell of this field holds JSON: [{" in str(caught.value)
    assert "row 3, column 'amount': 0.start: The key is missing" in str(caught.value)


def test_an_id_that_names_something_else_is_refused(toy: Path, tmp_path: Path) -> None:
    rows = [("one", "praise", "train-3"), ("two", "praise", "x"), ("three", "praise", "x")]
    with pytest.raises(InputError, match="The id 'x' is already used in row 3"):
        import_data(toy, file=write_csv(tmp_path / "t.csv", rows), mapping=MAPPING, id="customer")
    with pytest.raises(InputError, match=r"The id 'train-3' is already used at train\.jsonl:4"):
        import_data(toy, file=write_csv(tmp_path / "t.csv", rows[:1]), mapping=MAPPING, id="customer")


def test_the_target_is_a_part_or_a_jsonl_file_and_a_slip_is_named(toy: Path, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "t.csv", ROWS)
    assert import_data(toy, file=file, mapping=MAPPING, to="test").path == toy / "data" / "test.jsonl"
    with pytest.raises(InputError, match="Did you mean 'train'"):
        import_data(toy, file=file, mapping=MAPPING, to="tran")
    with pytest.raises(InputError, match="names no validation file"):
        import_data(toy, file=file, mapping=MAPPING, to="validation")
