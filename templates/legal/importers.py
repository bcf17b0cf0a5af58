"""Public sets as this template's examples.

CUAD (Contract Understanding Atticus Dataset, CC BY 4.0) comes in three layouts, all of which are read: the SQuAD-style
JSON, the CSV of clauses beside a folder of texts, and two JSONL files of contracts and spans.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from kit.errors import InputError, Problem, nearest
from kit.task import Example

from .locate import Source, fold
from .schema import Clause, Extraction, ExtractRequest

TEN_KINDS = (
    "anti_assignment", "audit_rights", "cap_on_liability", "expiration_date", "governing_law", "insurance",
    "license_grant", "non_compete", "renewal_term", "termination_for_convenience",
)  # fmt: skip
_PROVENANCE = {"set": "CUAD v1", "licence": "CC BY 4.0"}
_OMITTED = "<omitted>"


@dataclass(frozen=True)
class Mark:
    """A piece of text that an annotator marked; without a start where the layout does not give one."""

    category: str
    text: str
    start: int | None
    where: str


@dataclass
class Contract:
    """A contract as one of the layouts gives it; `kinds` are the categories that were looked for in it."""

    name: str
    text: str
    marks: list[Mark] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)

    @cached_property
    def source(self) -> Source:
        """The text, for marks whose place is not known."""
        return Source(self.text)


def cuad(path: Path, settings: Mapping[str, str]) -> Sequence[Example[ExtractRequest, Extraction]]:
    """CUAD, 41 kinds of clauses in commercial contracts: CUAD_v1.json, master_clauses.csv or contracts.jsonl.

    Setting `categories`: names separated by commas, or `all`; by default the ten kinds of the recipe's profile `cuad`.
    """
    problems = [
        Problem(f"CUAD has no setting '{name}'.", "--set", nearest(name, ["categories"]) or "Known: categories.")
        for name in settings
        if name != "categories"
    ]
    contracts = _layout(path)(path, problems)
    kinds = _chosen(settings.get("categories"), {kind for contract in contracts for kind in contract.kinds}, problems)
    examples = [_example(contract, kinds, problems) for contract in sorted(contracts, key=lambda item: item.name)]
    if problems:
        raise InputError(problems)
    return examples


importers = {"cuad": cuad}


def slug(name: str) -> str:
    """Return CUAD's name of a category as a label: `Cap On Liability` is `cap_on_liability`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _layout(path: Path) -> Callable[[Path, list[Problem]], list[Contract]]:
    if path.suffix == ".json" or list(path.glob("CUAD*.json")):
        return _from_squad
    if path.suffix == ".csv" or (path / "master_clauses.csv").is_file():
        return _from_csv
    if (path / "contracts.jsonl").is_file() and (path / "spans.jsonl").is_file():
        return _from_lines
    advice = "Give a folder with CUAD_v1.json, with master_clauses.csv, or with contracts.jsonl and spans.jsonl."
    raise InputError("This is none of CUAD's layouts.", str(path), advice)


def _chosen(setting: str | None, known: set[str], problems: list[Problem]) -> tuple[str, ...]:
    if setting == "all":
        return tuple(sorted(known))
    if setting is None:
        return TEN_KINDS
    kinds = tuple(slug(name) for name in setting.split(","))
    listed = f"Known: {', '.join(sorted(known))}."
    problems.extend(
        Problem(f"CUAD has no category '{kind}'.", "--set categories", nearest(kind, known) or listed)
        for kind in kinds
        if kind not in known
    )
    return kinds


# --- from marks to clauses --------------------------------------------------------------------------------------------


def _example(contract: Contract, kinds: Sequence[str], problems: list[Problem]) -> Example[ExtractRequest, Extraction]:
    spans: dict[str, list[tuple[int, int]]] = {kind: [] for kind in kinds}
    for mark in contract.marks:
        if mark.category not in spans:
            continue
        found = _span(contract, mark)
        if found is None:
            problems.append(Problem("The marked text does not stand in the contract.", mark.where))
        else:
            spans[mark.category].append(found)
    clauses = [
        Clause(label=kind, exact=contract.text[start:end], start=start, end=end)
        for kind, places in spans.items()
        for start, end in _merged(places)
    ]
    ordered = tuple(sorted(clauses, key=lambda clause: (clause.start, clause.end, clause.label)))
    return Example[ExtractRequest, Extraction](
        id=contract.name,
        request=ExtractRequest(text=contract.text),
        response=Extraction(clauses=ordered),
        group=_text_digest(contract.text),  # some contracts stand in the set twice, under two names
        provenance=_PROVENANCE,
    )


def _text_digest(text: str) -> str:
    return hashlib.sha256(fold(text).encode()).hexdigest()[:16]


def _span(contract: Contract, mark: Mark) -> tuple[int, int] | None:
    """Return where a mark stands, without blanks at its ends; its own place if that is right, else the first one."""
    words = mark.text.strip()
    if mark.start is not None:
        start = mark.start + len(mark.text) - len(mark.text.lstrip())
        if words and contract.text.startswith(words, start):
            return start, start + len(words)
    places = contract.source.places(words, 0, len(contract.text), most=1)
    return (places[0].start, places[0].end) if places else None


def _merged(places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


# --- the three layouts ------------------------------------------------------------------------------------------------


def _from_squad(path: Path, problems: list[Problem]) -> list[Contract]:
    file = path if path.is_file() else sorted(path.glob("CUAD*.json"))[0]
    try:
        documents = json.loads(file.read_text(encoding="utf-8"))["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("This is not SQuAD-style JSON with a list named 'data'.", str(file), str(error)) from None
    contracts: list[Contract] = []
    for index, document in enumerate(documents):
        where = f"{file}: data[{index}]"
        try:
            contracts.append(_squad_contract(document, where))
        except (KeyError, TypeError, IndexError) as error:
            problems.append(Problem(f"This contract is not as SQuAD has it: {error!r}.", where))
    return contracts


def _squad_contract(document: dict[str, Any], where: str) -> Contract:
    (paragraph,) = document["paragraphs"]
    contract = Contract(str(document["title"]), str(paragraph["context"]))
    for question in paragraph["qas"]:
        category = _asked(question)
        contract.kinds.add(category)
        contract.marks += [
            Mark(category, str(answer["text"]), int(answer["answer_start"]), f"{where}, {category}")
            for answer in question["answers"]
        ]
    return contract


def _asked(question: Mapping[str, Any]) -> str:
    """The category stands in the question in quotes, and at the end of its id."""
    quoted = re.search(r'"([^"]+)"', str(question.get("question", "")))
    return slug(quoted.group(1) if quoted else str(question["id"]).rpartition("__")[2])


def _from_csv(path: Path, problems: list[Problem]) -> list[Contract]:
    file = path if path.is_file() else path / "master_clauses.csv"
    folder = next((item for item in sorted(file.parent.glob("full_contract*_txt")) if item.is_dir()), None)
    if folder is None:
        raise InputError("The folder of contract texts is missing.", str(file.parent / "full_contract_txt"))
    texts = {item.stem: item for item in folder.glob("*.txt")}
    contracts: list[Contract] = []
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        if "Filename" not in (reader.fieldnames or []):
            raise InputError("There is no column 'Filename'.", f"{file}:1")
        for row in reader:
            name = re.sub(r"\.(pdf|txt)$", "", row.pop("Filename"), flags=re.IGNORECASE)
            if name not in texts:
                advice = nearest(name, texts)
                problems.append(Problem(f"There is no text of '{name}'.", f"{file}:{reader.line_num}", advice))
                continue
            contract = Contract(name, texts[name].read_bytes().decode("utf-8"))
            _fill_from_row(contract, row, f"{file}:{reader.line_num}", problems)
            contracts.append(contract)
    return contracts


def _fill_from_row(contract: Contract, row: Mapping[str, str], where: str, problems: list[Problem]) -> None:
    for column, cell in row.items():
        if re.search(r"-\s*Answer$", column):
            continue
        contract.kinds.add(slug(column))
        try:
            texts = ast.literal_eval(cell) if cell.strip() else []
            pieces = [piece for text in texts for piece in str(text).split(_OMITTED) if piece.strip()]
        except (ValueError, SyntaxError, TypeError):
            problems.append(Problem("This is not a list of texts.", f"{where}, {column}"))
            continue
        contract.marks += [Mark(slug(column), piece, None, f"{where}, {column}") for piece in pieces]


def _from_lines(path: Path, problems: list[Problem]) -> list[Contract]:
    contracts = {
        str(row["contract"]): Contract(str(row["contract"]), str(row["text"]))
        for _, row in _rows(path / "contracts.jsonl", ("contract", "text"), problems)
    }
    for where, row in _rows(path / "spans.jsonl", ("contract", "category", "spans"), problems):
        contract = contracts.get(row["contract"])
        if contract is None:
            problems.append(Problem(f"There is no contract '{row['contract']}'.", where))
            continue
        category = slug(row["category"])
        contract.kinds.add(category)
        contract.marks += [Mark(category, span["text"], span["start"], where) for span in row["spans"]]
    return list(contracts.values())


def _rows(file: Path, keys: Sequence[str], problems: list[Problem]) -> Iterator[tuple[str, dict[str, Any]]]:
    with file.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            where = f"{file}:{number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                problems.append(Problem(f"This line is not JSON: {error}.", where))
                continue
            missing = [key for key in keys if not isinstance(row, dict) or key not in row]
            if missing:
                problems.append(Problem(f"The line has no {' and no '.join(missing)}.", where))
            else:
                yield where, row
