"""Reads CUAD's three layouts into contracts with marks. Problems of a copy are reported with file and line."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from kit.data.formats import each_line
from kit.data.positions import positions
from kit.errors import InputError, Problem, nearest
from kit.recipe.validation import KeyPath, dotted, problems_of
from kit.system.decoding import read_text
from kit.text.quotes import Source

_OMITTED = "<omitted>"
NonEmpty = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True)
class Mark:
    """A text that an annotator marked. `start` is None if the layout does not give it."""

    category: str
    text: str
    start: int | None
    where: str


@dataclass
class Contract:
    """A contract from any layout. `kinds` are the categories that annotators looked for."""

    name: str
    text: str
    where: str
    marks: list[Mark] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)

    @cached_property
    def source(self) -> Source:
        """The text, to find marks whose place is unknown."""
        return Source(self.text)


class MarkedAnswer(BaseModel):
    """A marked text in SQuAD's layout."""

    text: str
    answer_start: Annotated[int, Field(ge=0)]


class Question(BaseModel):
    """A question about a contract in SQuAD's layout."""

    id: str = ""
    question: str = ""
    answers: list[MarkedAnswer]


class Paragraph(BaseModel):
    """A text in SQuAD's layout."""

    context: NonEmpty
    qas: list[Question]


class Document(BaseModel):
    """A contract in SQuAD's layout: its single paragraph has the whole text."""

    title: str
    paragraphs: Annotated[list[Paragraph], Field(min_length=1, max_length=1)]


class TextLine(BaseModel):
    """A line of contracts.jsonl."""

    contract: str
    text: NonEmpty


class MarkedSpan(BaseModel):
    """A marked text in spans.jsonl."""

    start: Annotated[int, Field(ge=0)]
    text: str


class SpansLine(BaseModel):
    """A line of spans.jsonl: the texts marked for one category."""

    contract: str
    category: str
    spans: list[MarkedSpan]


def slug(name: str) -> str:
    """Return CUAD's name of a category as a label: `Cap On Liability` gives `cap_on_liability`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def layout_of(path: Path) -> Callable[[Path, list[Problem]], list[Contract]]:
    """Return the reader for a copy's layout; it collects problems. Raises InputError for any other layout."""
    if path.suffix == ".json" or list(path.glob("CUAD*.json")):
        return _from_squad
    if path.suffix == ".csv" or (path / "master_clauses.csv").is_file():
        return _from_csv
    if (path / "contracts.jsonl").is_file() and (path / "spans.jsonl").is_file():
        return _from_lines
    advice = "Give a folder with CUAD_v1.json, with master_clauses.csv, or with contracts.jsonl and spans.jsonl."
    raise InputError("This has none of CUAD's layouts.", str(path), advice)


# --- JSON as SQuAD has it ---------------------------------------------------------------------------------------------


def _from_squad(path: Path, problems: list[Problem]) -> list[Contract]:
    file = path if path.is_file() else sorted(path.glob("CUAD*.json"))[0]
    text = read_text(file)

    def place(at: KeyPath) -> str:
        offset = positions(text).offset(at)
        line = text.count("\n", 0, offset) + 1
        return f"{file}:{line}:{offset - text.rfind(chr(10), 0, offset)}: {dotted(at)}"

    contracts: list[Contract] = []
    for index, row in enumerate(_documents(text, file)):
        at: KeyPath = ("data", index)
        try:
            document = Document.model_validate(row, strict=True)
        except ValidationError as error:
            problems += problems_of(error, Document, lambda path, at=at: place((*at, *path)))  # type: ignore[misc]
        else:
            contracts.append(_squad_contract(document, f"{file}: data[{index}]"))
    return contracts


def _documents(text: str, file: Path) -> list[Any]:
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"This is not JSON: {error.msg}.", f"{file}:{error.lineno}:{error.colno}") from None
    except (RecursionError, ValueError):
        raise InputError("This JSON is nested too deeply, or has a number with too many digits.", str(file)) from None
    found = whole.get("data") if isinstance(whole, dict) else None
    if not isinstance(found, list):
        raise InputError("This is not SQuAD-style JSON with a list named 'data'.", str(file))
    return found


def _squad_contract(document: Document, where: str) -> Contract:
    (paragraph,) = document.paragraphs
    contract = Contract(document.title, paragraph.context, where)
    for question in paragraph.qas:
        category = _asked(question)
        contract.kinds.add(category)
        contract.marks += [
            Mark(category, answer.text, answer.answer_start, f"{where}, {category}") for answer in question.answers
        ]
    return contract


def _asked(question: Question) -> str:
    """The category is in quotes in the question, at the end of the question's id, or the question itself."""
    quoted = re.search(r'"([^"]+)"', question.question)
    if quoted:
        return slug(quoted[1])
    return slug(question.id.rpartition("__")[2] if "__" in question.id else question.question or question.id)


# --- a table of clauses and a folder of texts ------------------------------------------------------------------------


def _from_csv(path: Path, problems: list[Problem]) -> list[Contract]:
    file = path if path.is_file() else path / "master_clauses.csv"
    folder = next((item for item in sorted(file.parent.glob("full_contract*_txt")) if item.is_dir()), None)
    if folder is None:
        raise InputError("The folder of contract texts is missing.", str(file.parent / "full_contract_txt"))
    texts = {item.stem: item for item in folder.glob("*.txt")}
    contracts: list[Contract] = []
    for where, row in _table(file, problems):
        name = re.sub(r"\.(pdf|txt)$", "", row.pop("Filename"), flags=re.IGNORECASE)
        text = _contract_text(name, texts, where, problems)
        if text is not None:
            contracts.append(_filled(Contract(name, text, where), row, problems))
    return contracts


def _table(file: Path, problems: list[Problem]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each row with its file and line; add a problem for rows without the header's columns."""
    reader = csv.reader(io.StringIO(read_text(file), newline=""))
    header: list[str] | None = None
    try:
        for cells in reader:
            where = f"{file}:{reader.line_num}"
            if header is None:
                header = _header(cells, where)
            elif len(cells) != len(header):
                what = f"This row has {len(cells)} cells, and the header has {len(header)}."
                problems.append(Problem(what, where, "Quote a cell that contains a comma or a line break."))
            else:
                yield where, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        problems.append(Problem(f"This CSV cannot be read: {error}.", f"{file}:{reader.line_num}"))
    if header is None:
        raise InputError("This file is empty.", str(file))


def _header(cells: Sequence[str], where: str) -> list[str]:
    if "Filename" not in cells:
        raise InputError("There is no column 'Filename'.", where)
    repeated = [name for name, count in Counter(cells).items() if count > 1]
    if repeated:
        raise InputError([Problem(f"Two columns have the name '{name}'.", where) for name in repeated])
    return list(cells)


def _contract_text(name: str, texts: Mapping[str, Path], where: str, problems: list[Problem]) -> str | None:
    if name not in texts:
        problems.append(Problem(f"There is no text of '{name}'.", where, nearest(name, texts)))
        return None
    try:
        text = read_text(texts[name])
    except InputError as error:
        problems += error.problems
        return None
    if not text:
        problems.append(Problem("This contract has no text.", str(texts[name])))
    return text or None


def _filled(contract: Contract, row: Mapping[str, str], problems: list[Problem]) -> Contract:
    """Add the marks of a row to its contract."""
    for column, cell in row.items():
        if re.search(r"-\s*Answer$", column):
            continue
        contract.kinds.add(slug(column))
        where = f"{contract.where}, {column}"
        texts = _list_of_texts(cell)
        if texts is None:
            problems.append(Problem("This is not a list of texts.", where, "Write ['first text', 'second text']."))
            continue
        pieces = [piece for text in texts for piece in text.split(_OMITTED) if piece.strip()]
        contract.marks += [Mark(slug(column), piece, None, where) for piece in pieces]
    return contract


def _list_of_texts(cell: str) -> list[str] | None:
    try:
        texts = ast.literal_eval(cell.strip()) if cell.strip() else []
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    return texts if isinstance(texts, list) and all(isinstance(text, str) for text in texts) else None


# --- two files of lines -----------------------------------------------------------------------------------------------


def _from_lines(path: Path, problems: list[Problem]) -> list[Contract]:
    wrong: list[InputError] = []
    contracts: dict[str, Contract] = {}
    for where, line in each_line(path / "contracts.jsonl", TextLine, wrong):
        if line.contract in contracts:
            first = contracts[line.contract].where
            problems.append(Problem(f"The contract '{line.contract}' is already given at {first}.", where))
        contracts.setdefault(line.contract, Contract(line.contract, line.text, where))
    for where, row in each_line(path / "spans.jsonl", SpansLine, wrong):
        contract = contracts.get(row.contract)
        if contract is None:
            problems.append(Problem(f"There is no contract '{row.contract}'.", where))
            continue
        category = slug(row.category)
        contract.kinds.add(category)
        contract.marks += [Mark(category, span.text, span.start, where) for span in row.spans]
    problems[:0] = [problem for error in wrong for problem in error.problems]
    return list(contracts.values())
