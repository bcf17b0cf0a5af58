"""Public sets as this template's examples.

PubMedQA (Jin et al. 2019, MIT): questions of yes, no or maybe on abstracts; ori_pqal.json or a file of the same layout.
MedQuAD (Ben Abacha and Demner-Fushman 2019, CC BY 4.0): questions with long answers; the lines of one JSONL file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from kit.errors import InputError, Problem, nearest
from kit.task import Example

from .schema import Decision, Evidence, MedicalAnswer, MedicalQuestion

MedicalExample = Example[MedicalQuestion, MedicalAnswer]
_PUBMEDQA_FILES = ("ori_pqal.json", "data/ori_pqal.json", "train.json", "pqal.json")
_TEST_FILES = ("test_ground_truth.json", "data/test_ground_truth.json")
_MEDQUAD_FILES = ("train.jsonl", "medquad.jsonl")
_DECISIONS = get_args(Decision)


def pubmedqa(path: Path, settings: Mapping[str, str]) -> Sequence[MedicalExample]:
    """PubMedQA, labelled questions on abstracts: ori_pqal.json, or a folder that has it.

    Items that test_ground_truth.json beside it lists are left out: they are the official test. The answer in words is
    the abstract's conclusion. Each question is a group.
    """
    _no_settings("PubMedQA", settings)
    file = _file(path, _PUBMEDQA_FILES, "PubMedQA")
    items = _json(file)
    if not isinstance(items, dict) or not items:
        raise InputError("This is no file of PubMedQA: it has no items by PubMed id.", str(file), _layout())
    kept = {name: item for name, item in items.items() if name not in _official_test(file)}
    problems: list[Problem] = []
    examples = [
        example
        for name, item in sorted(kept.items())
        for example in _pubmedqa_example(name, item, f"{file}: {name}", problems)
    ]
    if problems:
        raise InputError(problems)
    return examples


def medquad(path: Path, settings: Mapping[str, str]) -> Sequence[MedicalExample]:
    """MedQuAD, questions and long answers of public health pages: a JSONL file with question, answer and focus.

    The answer's first passage is the evidence, and its first sentences are the answer. Questions on one focus are a
    group.
    """
    _no_settings("MedQuAD", settings)
    file = _file(path, _MEDQUAD_FILES, "MedQuAD")
    problems: list[Problem] = []
    lines = file.read_text(encoding="utf-8").splitlines()
    examples = [
        example
        for number, line in enumerate(lines, start=1)
        if line.strip()
        for example in _medquad_example(line, f"{file}:{number}", problems)
    ]
    if problems:
        raise InputError(problems)
    return examples


importers = {"pubmedqa": pubmedqa, "medquad": medquad}


def _pubmedqa_example(name: str, item: Any, where: str, problems: list[Problem]) -> Iterator[MedicalExample]:
    wrong = _faults(item, {"QUESTION": str, "CONTEXTS": list, "LONG_ANSWER": str, "final_decision": str})
    if not wrong and item["final_decision"] not in _DECISIONS:
        wrong = [f"final_decision is none of {', '.join(_DECISIONS)}"]
    if not wrong and not any(str(text).strip() for text in item["CONTEXTS"]):
        wrong = ["CONTEXTS is empty"]
    if wrong:
        problems.append(Problem(f"This item cannot be read: {'; '.join(wrong)}.", where, _layout()))
        return
    texts = [str(text) for text in item["CONTEXTS"] if str(text).strip()]
    evidence = tuple(Evidence(id=f"{name}-{number}", text=text) for number, text in enumerate(texts, start=1))
    yield MedicalExample(
        id=f"pubmedqa-{name}",
        request=MedicalQuestion(question=item["QUESTION"], evidence=evidence),
        response=MedicalAnswer(
            status="answered",
            answer=item["LONG_ANSWER"],
            decision=item["final_decision"],
            evidence=tuple(each.id for each in evidence),
        ),
        group=name,  # the split by this hash keeps what the small base model was not trained on
        provenance={"set": "PubMedQA", "licence": "MIT"},
    )


def _medquad_example(line: str, where: str, problems: list[Problem]) -> Iterator[MedicalExample]:
    try:
        item = json.loads(line)
    except json.JSONDecodeError as error:
        problems.append(Problem(f"This line is not JSON: {error.msg}.", where))
        return
    wrong = _faults(item, {"id": str, "question": str, "answer": str, "focus": str})
    if wrong:
        problems.append(Problem(f"This line cannot be read: {'; '.join(wrong)}.", where))
        return
    passage = " ".join(item["answer"].split())[:1500]
    if not passage or not item["question"].strip():  # some pages have no answer
        return
    answer = passage[:300].rpartition(". ")[0] + "." if ". " in passage[:300] else passage[:300]
    evidence = (Evidence(id=item["id"], text=passage),)
    yield MedicalExample(
        id=f"medquad-{item['id']}",
        request=MedicalQuestion(question=item["question"], evidence=evidence),
        response=MedicalAnswer(status="answered", answer=answer, evidence=(item["id"],)),
        group=item["focus"] or item["id"],
        provenance={"set": "MedQuAD", "licence": "CC BY 4.0"},
    )


def _faults(item: Any, kinds: Mapping[str, type]) -> list[str]:
    if not isinstance(item, dict):
        return ["it is no object"]
    return [
        f"{name} is missing or no {kind.__name__}"
        for name, kind in kinds.items()
        if not isinstance(item.get(name), kind)
    ]


def _no_settings(name: str, settings: Mapping[str, str]) -> None:
    problems = [
        Problem(f"{name} has no setting '{each}'.", "--set", nearest(each, []) or "It has none.") for each in settings
    ]
    if problems:
        raise InputError(problems)


def _file(path: Path, names: Sequence[str], what: str) -> Path:
    for file in (path, *(path / name for name in names)):
        if file.is_file():
            return file
    raise InputError(
        f"There is no file of {what} here.", str(path), f"Name a file, or a folder with {', '.join(names)}."
    )


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError("This file is not JSON.", str(file), _layout()) from error


def _official_test(file: Path) -> frozenset[str]:
    """Return the ids of the official test, from the file that stands beside the set in its repository."""
    for name in _TEST_FILES:
        if (file.parent / name).is_file():
            return frozenset(_json(file.parent / name))
    return frozenset()


def _layout() -> str:
    return "Expected: {PubMed id: {QUESTION, CONTEXTS, LONG_ANSWER, final_decision}}, as in ori_pqal.json."
