"""Public sets as this template's examples.

CUAD (Contract Understanding Atticus Dataset, CC BY 4.0) comes in three layouts, all supported: the SQuAD-style
JSON, the CSV of clauses with a folder of texts, and two JSONL files of contracts and spans.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kit.errors import InputError, Problem, nearest
from kit.task import Example
from kit.text.quotes import fold

from .layouts import Contract, Mark, layout_of, slug
from .schema import LABEL, LONGEST_LABEL, Clause, Extraction, ExtractRequest

TEN_KINDS = (
    "anti_assignment", "audit_rights", "cap_on_liability", "expiration_date", "governing_law", "insurance",
    "license_grant", "non_compete", "renewal_term", "termination_for_convenience",
)  # fmt: skip
_PROVENANCE = {"set": "CUAD v1", "licence": "CC BY 4.0"}
CuadExample = Example[ExtractRequest, Extraction]


def cuad(path: Path, settings: Mapping[str, str]) -> Sequence[CuadExample]:
    """CUAD, 41 kinds of clauses in commercial contracts: CUAD_v1.json, master_clauses.csv or contracts.jsonl.

    Setting `categories`: names separated by commas, or `all`; by default those of the ten kinds of the recipe's profile
    `cuad` that the copy asks about. Each request names the kinds that its contract was asked about.
    """
    problems = [
        Problem(f"CUAD has no setting '{name}'.", "--set", nearest(name, ["categories"]) or "Known: categories.")
        for name in settings
        if name != "categories"
    ]
    contracts = layout_of(path)(path, problems)
    if not contracts and not problems:
        raise InputError("There are no contracts in this copy.", str(path))
    known = {kind for contract in contracts for kind in contract.kinds}
    kinds = _chosen(settings.get("categories"), known, path, problems)
    ordered = sorted(contracts, key=lambda item: item.name) if kinds else []
    examples = [example for contract in ordered for example in _example(contract, kinds, problems)]
    if problems:
        raise InputError(problems)
    return examples


importers = {"cuad": cuad}


def _chosen(setting: str | None, known: set[str], path: Path, problems: list[Problem]) -> tuple[str, ...]:
    """Return the kinds to import. If there are none, add a problem."""
    if setting is None:
        kinds = tuple(kind for kind in TEN_KINDS if kind in known)
        if known and not kinds:
            advice = f"Choose with --set categories=…: {', '.join(sorted(known)[:10])}"
            problems.append(Problem("This copy asks about none of the ten kinds.", str(path), advice))
        return kinds
    kinds = tuple(sorted(known)) if setting == "all" else tuple(dict.fromkeys(map(slug, setting.split(","))))
    listed = f"Known: {', '.join(sorted(known))}."
    wrong = [
        Problem(f"CUAD has no category '{kind}'.", "--set categories", nearest(kind, known) or listed)
        for kind in kinds
        if kind not in known
    ]
    wrong += [
        Problem(f"The category '{kind}' cannot be a label.", str(path), "A label must start with a letter from a to z.")
        for kind in kinds
        if kind in known and not (re.match(LABEL, kind) and len(kind) <= LONGEST_LABEL)
    ]
    problems.extend(wrong)
    return () if wrong else kinds


# --- from marks to clauses --------------------------------------------------------------------------------------------


def _example(contract: Contract, kinds: Sequence[str], problems: list[Problem]) -> Iterator[CuadExample]:
    """Yield the example of a contract, if annotators looked for any of these kinds; only those can be absent."""
    asked = tuple(kind for kind in kinds if kind in contract.kinds)
    if not asked:
        advice = "Remove it from your copy, or choose kinds that they looked for with --set categories=…"
        problems.append(
            Problem(f"The annotators of '{contract.name}' looked for none of the kinds.", contract.where, advice)
        )
        return
    spans: dict[str, list[tuple[int, int]]] = {kind: [] for kind in kinds}
    for mark in contract.marks:
        if mark.category not in spans:
            continue
        found = _span(contract, mark)
        if found is None:
            problems.append(Problem("The contract does not contain the marked text.", mark.where))
        else:
            spans[mark.category].append(found)
    clauses = [
        Clause(label=kind, exact=contract.text[start:end], start=start, end=end)
        for kind, places in spans.items()
        for start, end in _merged(places)
    ]
    ordered = tuple(sorted(clauses, key=lambda clause: (clause.start, clause.end, clause.label)))
    yield CuadExample(
        id=contract.name,
        request=ExtractRequest(text=contract.text, categories=asked),
        response=Extraction(clauses=ordered),
        group=_text_digest(contract.text),  # some contracts are in the set twice, under two names
        provenance=_PROVENANCE,
    )


def _text_digest(text: str) -> str:
    return hashlib.sha256(fold(text).encode()).hexdigest()[:16]


def _span(contract: Contract, mark: Mark) -> tuple[int, int] | None:
    """Return the place of a mark, without white space at its ends: as given, or else the first place of its text."""
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
