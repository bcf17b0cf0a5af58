"""CUAD's three layouts give the same examples, and every fault in a copy is reported at once."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from legal_parts import make_task, module  # type: ignore[import-not-found]

from kit.errors import InputError
from kit.task import Completion, write_answer

cuad = module("importers").importers["cuad"]
Marks = dict[str, list[tuple[str, int]]]
Contracts = dict[str, tuple[str, Marks]]
LAW = "This Agreement is governed by\n   the law of Sweden."
SOLD = "The Seller sells. No party may assign it.  Neither may lend it."


def own_contracts() -> Contracts:
    """Three contracts of our own: blanks at the ends of marks, overlapping marks, and a text that occurs twice."""
    first = f"SUPPLY AGREEMENT\n\n1. {LAW}\n\n2. {SOLD}\n\n3. {LAW}\n"
    second = "LEASE of \U0001f3e0 “Quay House”\r\n\r\nThe tenant may not assign the lease to anyone.\r\nRent: £4,000."
    return {
        "Brindlewick_Supply.Agreement": (
            first,
            {
                "Governing Law": [(LAW, first.index(LAW))],
                "Anti-Assignment": [
                    ("No party may assign it.  Neither", first.index("No party")),
                    (" Neither may lend it.\n", first.index(" Neither")),
                ],
                "Cap On Liability": [],
            },
        ),
        "Quay_Lease": (
            second,
            {
                "Governing Law": [],
                "Anti-Assignment": [("may not assign the lease", second.index("may not"))],
                "Cap On Liability": [],
            },
        ),
        "Empty_Letter": ("Dear partners.", {"Governing Law": [], "Anti-Assignment": [], "Cap On Liability": []}),
    }


def as_lines(contracts: Contracts, folder: Path) -> Path:
    """Write contracts.jsonl and spans.jsonl."""
    texts = [{"contract": name, "text": text} for name, (text, _) in contracts.items()]
    spans = [
        {
            "contract": name,
            "category": category,
            "spans": [{"start": start, "end": start + len(text), "text": text} for text, start in marked],
            "answer": "",
        }
        for name, (_, marks) in contracts.items()
        for category, marked in marks.items()
    ]
    folder.mkdir()
    for file, rows in (("contracts.jsonl", texts), ("spans.jsonl", spans)):
        (folder / file).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def as_squad(contracts: Contracts, folder: Path) -> Path:
    """Write the SQuAD-style JSON."""
    folder.mkdir()
    data = [
        {
            "title": name,
            "paragraphs": [
                {
                    "context": text,
                    "qas": [
                        {
                            "id": f"{name}__{category}",
                            "question": f'Which parts of this contract concern "{category}"? Details: none.',
                            "answers": [{"text": quote, "answer_start": start} for quote, start in marked],
                            "is_impossible": not marked,
                        }
                        for category, marked in marks.items()
                    ],
                }
            ],
        }
        for name, (text, marks) in contracts.items()
    ]
    (folder / "CUAD_v1.json").write_text(json.dumps({"version": "own", "data": data}), encoding="utf-8")
    return folder


def as_csv(contracts: Contracts, folder: Path) -> Path:
    """Write master_clauses.csv and the folder of texts."""
    (folder / "full_contract_txt").mkdir(parents=True)
    categories = sorted({category for _, marks in contracts.values() for category in marks})
    with (folder / "master_clauses.csv").open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ["Filename", *(column for category in categories for column in (category, f"{category}-Answer"))]
        )
        for name, (text, marks) in contracts.items():
            (folder / "full_contract_txt" / f"{name}.txt").write_bytes(text.encode())
            cells = [[quote for quote, _ in marks.get(category, [])] for category in categories]
            writer.writerow(
                [f"{name}.pdf", *(cell for texts in cells for cell in (str(texts), "Yes" if texts else "No"))]
            )
    return folder


LAYOUTS: list[Callable[[Contracts, Path], Path]] = [as_lines, as_squad, as_csv]


def test_the_same_contracts_give_the_same_examples_through_all_three_layouts(tmp_path: Path) -> None:
    contracts = own_contracts()
    lines, squad, table = (cuad(write(contracts, tmp_path / write.__name__), {}) for write in LAYOUTS)
    assert lines == squad == table
    supply, empty, lease = lines
    assert [(clause.label, clause.exact) for clause in supply.response.clauses] == [
        ("governing_law", LAW),
        ("anti_assignment", "No party may assign it.  Neither may lend it."),
    ]
    assert [clause.exact for clause in lease.response.clauses] == ["may not assign the lease"]
    assert empty.response.clauses == ()
    assert [example.id for example in lines] == sorted(contracts)
    for example in lines:
        for clause in example.response.clauses:
            assert example.request.text[clause.start : clause.end] == clause.exact


@pytest.mark.parametrize("write", LAYOUTS)
def test_categories_are_chosen_by_their_names_and_an_unknown_one_is_refused(
    write: Callable[[Contracts, Path], Path], tmp_path: Path
) -> None:
    folder = write(own_contracts(), tmp_path / "set")
    only = cuad(folder, {"categories": "Governing Law"})
    assert {clause.label for example in only for clause in example.response.clauses} == {"governing_law"}
    every = cuad(folder, {"categories": "all"})
    assert {clause.label for example in every for clause in example.response.clauses} == {
        "governing_law",
        "anti_assignment",
    }
    with pytest.raises(InputError, match="Did you mean 'governing_law'"):
        cuad(folder, {"categories": "Governing Lwa"})
    with pytest.raises(InputError, match=r"no category 'indemnity'\. Known: .*governing_law"):
        cuad(folder, {"categories": "Indemnity"})


def test_an_omission_inside_a_marked_text_makes_two_clauses_of_it(tmp_path: Path) -> None:
    contracts = own_contracts()
    contracts["Quay_Lease"][1]["Anti-Assignment"] = [("The tenant may <omitted> assign the lease", 0)]
    _, _, lease = cuad(as_csv(contracts, tmp_path / "set"), {})
    assert [clause.exact for clause in lease.response.clauses] == ["The tenant may", "assign the lease"]


def test_a_contract_that_stands_twice_under_two_names_is_one_group(tmp_path: Path) -> None:
    contracts = own_contracts()
    text = contracts["Quay_Lease"][0]
    contracts["Quay_Lease_Copy"] = (text.replace("\r\n", "\n"), {"Governing Law": []})
    groups = {example.id: example.group for example in cuad(as_lines(contracts, tmp_path / "set"), {})}
    assert groups["Quay_Lease"] == groups["Quay_Lease_Copy"]
    assert len(set(groups.values())) == 3


def test_a_place_that_is_wrong_is_put_right_by_the_text(tmp_path: Path) -> None:
    contracts = own_contracts()
    text, marks = contracts["Quay_Lease"]
    marks["Anti-Assignment"] = [("may not assign the lease", 3)]
    _, _, lease = cuad(as_squad(contracts, tmp_path / "set"), {})
    (clause,) = lease.response.clauses
    assert text[clause.start : clause.end] == clause.exact == "may not assign the lease"


def problems_in(folder: Path, **settings: str) -> list[str]:
    """The sentences that an import of this folder ends with."""
    with pytest.raises(InputError) as caught:
        cuad(folder, settings)
    return [str(problem) for problem in caught.value.problems]


def test_every_bad_line_is_told_with_its_file_and_number(tmp_path: Path) -> None:
    folder = as_lines(own_contracts(), tmp_path / "set")
    with (folder / "spans.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"contract": "Quay_Lease"\n')
        stream.write('{"contract": "Quay_Lease", "category": "Governing Law"}\n')
        stream.write('{"contract": "Nowhere", "category": "Governing Law", "spans": []}\n')
        absent = {"start": 0, "end": 4, "text": "gone"}
        stream.write(json.dumps({"contract": "Quay_Lease", "category": "Governing Law", "spans": [absent]}) + "\n")
    reported = problems_in(folder)
    assert len(reported) == 4
    assert "spans.jsonl:10:26: This is not JSON" in reported[0]
    assert "spans.jsonl:11:1: spans: The key 'spans' is missing." in reported[1]
    assert "spans.jsonl:12: There is no contract 'Nowhere'." in reported[2]
    assert "spans.jsonl:13: The contract does not contain the marked text." in reported[3]


def test_every_bad_cell_and_every_missing_text_is_told(tmp_path: Path) -> None:
    folder = as_csv(own_contracts(), tmp_path / "set")
    (folder / "full_contract_txt/Empty_Letter.txt").unlink()
    table = folder / "master_clauses.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("['may not assign the lease']", "['may not"), "utf-8")
    reported = problems_in(folder)
    assert len(reported) == 2
    assert any("Anti-Assignment: This is not a list of texts." in sentence for sentence in reported)
    assert any("There is no text of 'Empty_Letter'." in sentence for sentence in reported)


def test_a_contract_out_of_shape_is_told_and_so_is_every_other_mistake(tmp_path: Path) -> None:
    folder = as_squad(own_contracts(), tmp_path / "set")
    file = folder / "CUAD_v1.json"
    whole = json.loads(file.read_text(encoding="utf-8"))
    del whole["data"][1]["paragraphs"]
    whole["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["text"] = "words from elsewhere"
    file.write_text(json.dumps(whole), encoding="utf-8")
    reported = problems_in(folder, colour="red")
    assert len(reported) == 3
    assert any("data.1.paragraphs: The key 'paragraphs' is missing." in sentence for sentence in reported)
    assert any(
        "data[0], governing_law: The contract does not contain the marked text" in sentence for sentence in reported
    )
    assert any("CUAD has no setting 'colour'." in sentence for sentence in reported)


def test_a_folder_that_is_no_layout_of_cuad_is_refused_with_what_is_wanted(tmp_path: Path) -> None:
    assert "master_clauses.csv" in problems_in(tmp_path)[0]
    (tmp_path / "CUAD_v1.json").write_text("[]", encoding="utf-8")
    assert "'data'" in problems_in(tmp_path)[0]


def edited_squad(folder: Path, edit: Callable[[Any], None], indent: int | None = None) -> Path:
    """Our contracts in SQuAD's layout, with something changed."""
    file = as_squad(own_contracts(), folder) / "CUAD_v1.json"
    whole = json.loads(file.read_text(encoding="utf-8"))
    edit(whole)
    file.write_text(json.dumps(whole, indent=indent), encoding="utf-8")
    return folder


def _first(whole: Any) -> Any:
    return whole["data"][0]["paragraphs"][0]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda whole: whole.update(data=None), "This is not SQuAD-style JSON with a list named 'data'."),
        (lambda whole: whole.update(data=[]), "There are no contracts in this copy."),
        (lambda whole: whole["data"].insert(0, None), "data.0: This must be an object, with keys and values."),
        (
            lambda whole: whole["data"][0]["paragraphs"].append(_first(whole)),
            "data.0.paragraphs: This must have at most 1 item, and has 2.",
        ),
        (lambda whole: _first(whole).update(context=""), "data.0.paragraphs.0.context: This must not be empty."),
        (lambda whole: _first(whole).update(context=None), "data.0.paragraphs.0.context: This must be text."),
        (lambda whole: _first(whole).update(qas=None), "data.0.paragraphs.0.qas: This must be a list."),
        (
            lambda whole: _first(whole)["qas"][0]["answers"][0].update(answer_start="4"),
            "data.0.paragraphs.0.qas.0.answers.0.answer_start: This must be a whole number.",
        ),
        (lambda whole: _first(whole).update(qas=[]), "looked for none of the kinds."),
    ],
)
def test_json_out_of_shape_is_reported_with_its_place(tmp_path: Path, edit: Callable[[Any], None], said: str) -> None:
    (reported,) = problems_in(edited_squad(tmp_path / "set", edit))
    assert said in reported


def test_json_out_of_shape_is_reported_with_line_and_column(tmp_path: Path) -> None:
    folder = edited_squad(tmp_path / "set", lambda whole: _first(whole).update(context=None), indent=1)
    lines = (folder / "CUAD_v1.json").read_text(encoding="utf-8").split("\n")
    (line,) = (number for number, line in enumerate(lines, 1) if '"context": null' in line)
    (reported,) = problems_in(folder)
    assert f"CUAD_v1.json:{line}:{lines[line - 1].index('context')}: data.0.paragraphs.0.context" in reported


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("cp1252", ":3:22: Byte 0x93 is not UTF-8; the file may be Windows-1252. Convert it with: iconv -f cp1252"),
        ("utf-16", ": This file is UTF-16, not UTF-8. Convert it with: iconv -f utf-16"),
    ],
)
def test_a_table_in_another_encoding_is_named_with_the_command_that_converts_it(
    tmp_path: Path, encoding: str, said: str
) -> None:
    contracts = own_contracts()
    folder = as_csv(contracts, tmp_path / "set")
    table = folder / "master_clauses.csv"
    text = table.read_text(encoding="utf-8-sig").replace("may not assign", "\u201cmay\u201d not assign")
    line = next(line for line in text.split("\n") if "\u201c" in line)
    table.write_bytes(text.encode(encoding))
    (reported,) = problems_in(folder)
    number = text.split("\n").index(line) + 1
    expected = said.replace(":3:22:", f":{number}:{line.index(chr(0x201C)) + 1}:")
    assert f"master_clauses.csv{expected}" in reported


def test_a_contract_in_another_encoding_is_named_by_its_file(tmp_path: Path) -> None:
    folder = as_csv(own_contracts(), tmp_path / "set")
    (folder / "full_contract_txt/Empty_Letter.txt").write_bytes("Rent: \u00a34".encode("cp1252"))
    (reported,) = problems_in(folder)
    assert "full_contract_txt/Empty_Letter.txt:1:7: Byte 0xa3 is not UTF-8" in reported


def test_rows_that_are_short_or_long_and_texts_that_are_empty_are_reported_with_their_lines(tmp_path: Path) -> None:
    folder = as_csv(own_contracts(), tmp_path / "set")
    (folder / "full_contract_txt/Quay_Lease.txt").write_bytes(b"")
    with (folder / "master_clauses.csv").open("a", encoding="utf-8") as stream:
        stream.write("Quay_Lease.pdf,[]\r\nQuay_Lease.pdf,[],No,[],No,[],No,more\r\n")
    reported = problems_in(folder)
    rows = [sentence for sentence in reported if "cells, and the header has 7" in sentence]
    assert ["This row has 2 cells" in rows[0], "This row has 8 cells" in rows[1]] == [True, True]
    assert all(f"master_clauses.csv:{number}: " in row for number, row in zip((5, 6), rows, strict=True))
    assert any("Quay_Lease.txt: This contract has no text." in sentence for sentence in reported)
    assert len(reported) == 3


@pytest.mark.parametrize("cell", ["'a text without a list'", "[1, 2]", "{'a': 1}", "[" * 3_000, "7"])
def test_a_cell_that_is_no_list_of_texts_is_reported(tmp_path: Path, cell: str) -> None:
    folder = as_csv(own_contracts(), tmp_path / "set")
    table = folder / "master_clauses.csv"
    old = (
        "\"['may not assign the lease']\""
        if "\"['may" in table.read_text(encoding="utf-8")
        else "['may not assign the lease']"
    )
    table.write_text(table.read_text(encoding="utf-8").replace(old, f'"{cell}"'), encoding="utf-8")
    (reported,) = problems_in(folder)
    assert "Anti-Assignment: This is not a list of texts." in reported


def test_a_contract_that_is_given_twice_is_reported(tmp_path: Path) -> None:
    folder = as_lines(own_contracts(), tmp_path / "set")
    file = folder / "contracts.jsonl"
    lines = file.read_text(encoding="utf-8")
    file.write_text(lines + lines.split("\n")[0] + "\n", encoding="utf-8")
    (reported,) = problems_in(folder)
    assert f"contracts.jsonl:4: The contract 'Brindlewick_Supply.Agreement' is already given at {file}:1." in reported


@pytest.mark.parametrize("write", [as_lines, as_squad])
def test_only_the_kinds_that_were_asked_about_can_be_absent(
    write: Callable[[Contracts, Path], Path], tmp_path: Path
) -> None:
    contracts = own_contracts()
    for _, marks in contracts.values():
        for category in ("Anti-Assignment", "Cap On Liability"):
            del marks[category]
    examples = cuad(write(contracts, tmp_path / "set"), {})
    assert {example.request.categories for example in examples} == {("governing_law",)}
    ten = make_task(answer="numbers", window=300, categories=list(module("importers").TEN_KINDS))
    one = make_task(answer="numbers", window=300, categories=["governing_law"])
    for example in examples:
        taught = [target for target in ten.targets(example.request, example.response) if target is not None]
        assert all(write_answer(target) != "{}" for target in taught), "nothing is taught as absent"
        assert None not in one.targets(example.request, example.response)
        answer = ten.read(example.request, [Completion("{}") for _ in ten.prompts(example.request)])
        assert answer.not_present == ("governing_law",)


def test_a_question_without_quotes_is_a_kind_by_its_own_words(tmp_path: Path) -> None:
    def plain(whole: Any) -> None:
        for document in whole["data"]:
            document["paragraphs"][0]["qas"] = document["paragraphs"][0]["qas"][:1]
            document["paragraphs"][0]["qas"][0].update(question="Governing Law", id="q1")

    examples = cuad(edited_squad(tmp_path / "set", plain), {})
    assert {example.request.categories for example in examples} == {("governing_law",)}
    assert [len(example.response.clauses) for example in examples] == [1, 0, 0]


@pytest.mark.public_data
@pytest.mark.skipif("DOMAINKIT_DATA" not in os.environ, reason="DOMAINKIT_DATA does not name a folder of public sets")
def test_three_shared_contracts_are_the_same_through_all_layouts(tmp_path: Path) -> None:
    folder = Path(os.environ["DOMAINKIT_DATA"]) / "legal/cuad"
    contracts: Contracts = {}
    with (folder / "contracts.jsonl").open(encoding="utf-8") as stream:
        for row in map(json.loads, stream):
            if len(contracts) < 3 and "\r" not in row["text"] and len(row["text"]) < 60_000:
                contracts[row["contract"]] = (row["text"], {})
    with (folder / "spans.jsonl").open(encoding="utf-8") as stream:
        for row in map(json.loads, stream):
            if row["contract"] in contracts:
                marked = [(span["text"], span["start"]) for span in row["spans"]]
                contracts[row["contract"]][1][row["category"]] = marked
    task = make_task(categories=list(module("importers").TEN_KINDS))
    read: list[Any] = [cuad(write(contracts, tmp_path / write.__name__), {}) for write in LAYOUTS]
    assert sum(len(example.response.clauses) for example in read[0]) > 5
    for left, middle, right in zip(*read, strict=True):
        assert left == middle == right
        assert task.targets(left.request, left.response)
