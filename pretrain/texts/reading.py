"""Read the public sets, each in its published layout."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kit.data.importing import load_importers
from kit.data.split import first_groups
from kit.project.template import find_template, list_templates
from pretrain.texts.documents import Document, Mark, Turn

CONTRACT_GROUPS = 300
"""`kit data import cuad --groups 300` trains on this many groups; all others are its test."""


def contracts(folder: Path) -> Iterator[Document]:
    """CUAD, read by the importer of the legal template, so that groups and split are the same."""
    examples = load_importers(find_template("legal").folder)["cuad"](folder, {"categories": "all"})
    _, others = first_groups(examples, CONTRACT_GROUPS)
    tested = {example.group for example in others}
    for example in examples:
        marks = tuple(Mark(clause.label, clause.start, clause.end) for clause in example.response.clauses)
        text = example.request.text
        yield Document("contracts", example.group, text, marks=marks, official_test=example.group in tested)


def agreements(folder: Path) -> Iterator[Document]:
    """ContractNLI: non-disclosure agreements."""
    for row in json.loads((folder / "dev.json").read_text(encoding="utf-8"))["documents"]:
        yield Document("agreements", str(row["id"]), row["text"])


def medical_answers(folder: Path) -> Iterator[Document]:
    """MedQuAD: questions and answers, grouped by subject."""
    for row in _lines(folder / "train.jsonl"):
        question, answer = row["question"].strip(), " ".join(row["answer"].split())
        if question and answer:
            turns: tuple[Turn, ...] = (("user", question), ("assistant", answer))
            yield Document("medical_answers", row["focus"], answer, turns, label=row["focus"])


def abstracts(folder: Path) -> Iterator[Document]:
    """PubMedQA: a question, an abstract without its conclusion, and the conclusion."""
    for name, row in json.loads((folder / "train.json").read_text(encoding="utf-8")).items():
        passage = "\n".join(row["CONTEXTS"])
        asked = f"{passage}\n\n{row['QUESTION']}"
        turns: tuple[Turn, ...] = (("user", asked), ("assistant", row["LONG_ANSWER"]))
        yield Document("abstracts", name, f"{row['QUESTION']}\n{passage}\n{row['LONG_ANSWER']}", turns)


def banking_queries(folder: Path) -> Iterator[Document]:
    """BANKING77: queries of bank customers with their intent."""
    with (folder / "train.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            text = " ".join(row["text"].split())
            yield Document("banking_queries", query_group(text), text, label=row["category"])


def assistant_queries(folder: Path) -> Iterator[Document]:
    """CLINC150: queries to an assistant with their intent; its validation rows are for testing."""
    data = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    for part in ("train", "oos_train", "val", "oos_val"):
        for text, label in data[part]:
            tested = part.endswith("val")
            yield Document("assistant_queries", query_group(text), text, label=label, official_test=tested)


def query_group(text: str) -> str:
    """Return the group of a single query: a digest of its words."""
    return hashlib.sha256(" ".join(text.lower().split()).encode()).hexdigest()[:16]


def service_chats(folder: Path) -> Iterator[Document]:
    """MultiDoGO: turns of customers in four domains, with intents; one document per conversation."""
    for domain in sorted(path for path in folder.iterdir() if path.is_dir()):
        for part in ("train", "dev", "test"):
            yield from _conversations(domain / f"{part}.tsv", part != "train")


def _conversations(file: Path, official_test: bool) -> Iterator[Document]:
    said: dict[str, list[tuple[str, str]]] = {}
    with file.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["utterance"] and row["intent"]:
                said.setdefault(row["conversationId"], []).append((row["utterance"], row["intent"]))
    for name, turns in said.items():
        text, marks = "", []
        for utterance, intent in turns:
            marks.append(Mark(intent, len(text), len(text) + len(utterance)))
            text += utterance + "\n"
        yield Document("service_chats", name, text, marks=tuple(marks), official_test=official_test)


def guidelines(folder: Path) -> Iterator[Document]:
    """ABCD: instructions for agents of a shop, one document per kind of request; kinds of one flow share steps."""
    for flow, content in json.loads((folder / "guidelines.json").read_text(encoding="utf-8")).items():
        for name, steps in content["subflows"].items():
            yield Document("guidelines", flow, f"{flow}: {name}\n{_outline(steps)}")


def sample_chats(folder: Path) -> Iterator[Document]:
    """ABCD's three published dialogues between a customer and an agent."""
    for row in json.loads((folder / "abcd_sample.json").read_text(encoding="utf-8")):
        lines = [f"{who}: {said}" for who, said in row["original"]]
        yield Document("sample_chats", str(row["convo_id"]), "\n".join(lines))


def _outline(value: Any) -> str:
    """Return the texts in nested lists and mappings, one per line; numbers, booleans and null are no texts."""
    if isinstance(value, str):
        return value
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return "\n".join(filter(None, (_outline(item) for item in items)))


def small_programs(folder: Path) -> Iterator[Document]:
    """MBPP: a task in words, its solution and its tests."""
    for row in _lines(folder / "train.jsonl"):
        code = _newlines(row["code"]).strip()
        asked = f"{row['text']}\nYour code should pass these tests:\n" + "\n".join(row["test_list"])
        turns: tuple[Turn, ...] = (("user", asked), ("assistant", code))
        yield Document("small_programs", str(row["task_id"]), f"{row['text']}\n{code}\n", turns)


def standard_library(_: Path) -> Iterator[Document]:
    """The standard library of the running Python, without installed packages."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for file in sorted(root.rglob("*.py")):
        name = file.relative_to(root)
        if not {"site-packages", "__pycache__"} & set(name.parts):
            yield Document("standard_library", name.as_posix(), _newlines(file.read_bytes().decode("utf-8", "replace")))


def novels(folder: Path) -> Iterator[Document]:
    """English novels."""
    for file in sorted(folder.glob("*.txt")):
        yield Document("novels", file.stem, _newlines(file.read_text(encoding="utf-8-sig")))


def instructions(folder: Path) -> Iterator[Document]:
    """Instructions with answers, written by people."""
    for row in _lines(folder / "seed_tasks.jsonl"):
        for instance in row["instances"]:
            asked = f"{row['instruction']}\n\n{instance['input']}".strip()
            turns: tuple[Turn, ...] = (("user", asked), ("assistant", instance["output"]))
            yield Document("instructions", row["id"], f"{asked}\n{instance['output']}", turns)


def evaluation_programs(data: Path) -> Iterator[Document]:
    """HumanEval and its infilling forms: for evaluation, never for training."""
    for file in sorted((data / "code").glob("humaneval*/*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as stream:
            for row in map(json.loads, stream):
                text = row["prompt"] + row["canonical_solution"] + row.get("suffix", "")
                yield Document(file.parent.name, row["task_id"], text, official_test=True)


def transcripts(data: Path) -> Iterator[Document]:
    """CRD3: games of role play. Share-alike: for evaluation only."""
    for row in _lines(data / "npc" / "crd3" / "val.jsonl"):
        lines = [f"{'/'.join(turn['names'])}: {turn['text']}" for turn in row["turns"]]
        yield Document("transcripts", row["episode"], "\n".join(lines), official_test=True)


def game_lines(data: Path) -> Iterator[Document]:
    """The Mana World: dialogue of players and characters. Copyleft: for evaluation only."""
    for row in _lines(data / "npc" / "tmwa" / "pairs.jsonl"):
        text = "\n".join(filter(None, (row["player"], row["npc_reply"])))
        yield Document("game_lines", row["npc"], text, official_test=True)


def template_tests() -> Iterator[Document]:
    """The test rows of every template that comes with the kit."""
    for template in list_templates():
        file = template.folder / "data" / "test.jsonl"
        for number, row in enumerate(_lines(file) if file.is_file() else ()):
            yield Document(f"template {template.name}", str(number), _outline(row["request"]), official_test=True)


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _lines(file: Path) -> Iterator[Any]:
    with file.open(encoding="utf-8") as stream:
        yield from map(json.loads, stream)
