"""Your own Python files and public sets as this template's examples."""

from __future__ import annotations

import gzip
import hashlib
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from kit.errors import InputError, Problem, nearest
from kit.recipe.validation import dotted, problems_of
from kit.system.decoding import decode, read_text
from kit.task import Example

from .gaps import draw
from .reading import parses
from .scan import licence_of, scan
from .schema import LONGEST, CodeCompletion, CompletionRequest

CodeExample = Example[CompletionRequest, CodeCompletion]
Line = TypeVar("Line", bound=BaseModel)
_GAPS = 4
_NOT_OWN = frozenset({"__pycache__", "site-packages", "node_modules", "venv", "build", "dist"})
_INFILLING = {"single-line": "HumanEval-SingleLineInfilling", "multi-line": "HumanEval-MultiLineInfilling"}
_OFFICIAL_TEST = range(11, 511)


class MbppLine(BaseModel):
    """A line of MBPP."""

    task_id: int
    text: str
    code: str
    test_setup_code: str = ""
    test_list: list[str]


class InfillingLine(BaseModel):
    """A line of HumanEval infilling."""

    task_id: str
    entry_point: str
    prompt: str
    suffix: str
    canonical_solution: str
    test: str


def files(path: Path, settings: Mapping[str, str]) -> Sequence[CodeExample]:
    """Your own Python files: every .py in a folder, without hidden folders and installed packages.

    Every file is scanned for secrets and restrictive licences first. Settings: `gaps`, how many gaps are cut out of
    each file (4); `unfit`, `refuse` (all such files are reported, and nothing is imported) or `skip`.
    """
    problems = list(_unknown(settings, ("gaps", "unfit")))
    count = _count(settings.get("gaps", str(_GAPS)), problems)
    skip = _one_of("unfit", settings.get("unfit", "refuse"), ("refuse", "skip"), problems) == "skip"
    if not path.exists():
        problems.append(Problem("There is no such file or folder.", str(path)))
    if problems:
        raise InputError(problems)
    sources, unfit = _sources(path)
    if unfit and not skip:
        raise InputError(unfit)
    examples = [each for name, text in sources.items() for each in _file_examples(name, text, count)]
    if not examples:
        raise InputError("No Python file here has code that a gap can be cut out of.", str(path))
    return examples


def mbpp(path: Path, settings: Mapping[str, str]) -> Sequence[CodeExample]:
    """MBPP, short Python programs with tests (CC BY 4.0): a file of lines, or the folder that holds it.

    Tasks 11 to 510 are the official test. They are left out, unless the setting `part` is `test`: then only they are
    read. Setting `gaps`: how many gaps are cut out of each program (2).
    """
    problems = list(_unknown(settings, ("gaps", "part")))
    count = _count(settings.get("gaps", "2"), problems)
    part = _one_of("part", settings.get("part", "train"), ("train", "test"), problems)
    file = _the_file(path, ("mbpp.jsonl", "train.jsonl", "test.jsonl"), "MBPP")
    examples: list[CodeExample] = []
    for line in _lines(file, MbppLine, problems):
        if (line.task_id in _OFFICIAL_TEST) == (part == "test"):
            examples += _mbpp_examples(line, count)
    if problems:
        raise InputError(problems)
    return examples


def humaneval_infilling(path: Path, settings: Mapping[str, str]) -> Sequence[CodeExample]:
    """HumanEval infilling, gaps in 164 functions with tests (MIT). For evaluation: its rows have the weight 0.

    Setting `kind`: `single-line` (1,033 gaps) or `multi-line` (5,815). Files may be compressed (.gz).
    """
    problems = list(_unknown(settings, ("kind",)))
    kind = _one_of("kind", settings.get("kind", "single-line"), tuple(_INFILLING), problems)
    if problems:
        raise InputError(problems)
    name = _INFILLING[kind]
    file = _the_file(path, (f"{name}.jsonl", f"{name}.jsonl.gz"), "HumanEval infilling")
    examples = [_infilling_example(line) for line in _lines(file, InfillingLine, problems)]
    if problems:
        raise InputError(problems)
    return examples


importers = {"files": files, "mbpp": mbpp, "humaneval-infilling": humaneval_infilling}


# --- from files to examples ------------------------------------------------------------------------------------------


def _sources(path: Path) -> tuple[dict[str, str], list[Problem]]:
    """Return the text of each file by its name, each text once, and what is wrong with the others."""
    found: dict[str, str] = {}
    unfit: list[Problem] = []
    for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
        inside = file.relative_to(path if path.is_dir() else path.parent)
        if any(part.startswith(".") or part in _NOT_OWN for part in inside.parts) or not file.is_file():
            continue
        try:
            text = _plain_lines(read_text(file))
        except InputError as error:
            unfit += error.problems
            continue
        wrong = _wrong_with(text, file)
        unfit += wrong
        if not wrong and text not in found.values():
            found[inside.as_posix()] = text
    return found, unfit


def _wrong_with(text: str, file: Path) -> list[Problem]:
    advice = "Remove it from the file, or leave such files out with --set unfit=skip"
    wrong = [Problem(f"This file has {each.what}.", f"{file}:{each.line}", advice) for each in scan(text)]
    if len(text) > LONGEST:
        wrong.append(Problem(f"This file has {len(text):,} characters; {LONGEST:,} are the most.", str(file), advice))
    elif not parses(text):
        wrong.append(Problem("This file is not Python that this version of Python can read.", str(file), advice))
    return wrong


def _file_examples(name: str, text: str, count: int) -> Iterator[CodeExample]:
    provenance = {"set": "files", "licence": licence_of(text) or "not stated"}
    for number, (request, response, kind) in enumerate(_gaps(text, count, name)):
        yield CodeExample(
            id=f"{name}:{number}",
            request=request.model_copy(update={"path": name}) if len(name) <= 400 else request,
            response=response,
            group=name,
            tags=(kind,),
            provenance=provenance,
        )


def _gaps(text: str, count: int, seed: str) -> Iterator[tuple[CompletionRequest, CodeCompletion, str]]:
    """Yield gaps of a text; the same text and seed give the same gaps."""
    rng = random.Random(hashlib.sha256(f"{seed}\0{text}".encode()).hexdigest())
    for cut in draw(text, count, rng):
        request = CompletionRequest(prefix=text[: cut.start], suffix=text[cut.end :])
        yield request, CodeCompletion(completion=text[cut.start : cut.end], parses=True), cut.kind


def _plain_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


# --- public sets -----------------------------------------------------------------------------------------------------


def _mbpp_examples(line: MbppLine, count: int) -> Iterator[CodeExample]:
    words = " ".join(line.text.split())
    text = f"# {words}\n{_plain_lines(line.code).strip()}\n"
    tests = "\n".join([line.test_setup_code, *line.test_list]).strip()
    name = f"mbpp-{line.task_id}"
    for number, (request, response, kind) in enumerate(_gaps(text, count, name)):
        provenance = {"set": "MBPP", "licence": "CC BY 4.0", "test": tests}
        yield CodeExample(
            id=f"{name}-{number}", request=request, response=response, group=name, tags=(kind,), provenance=provenance
        )


def _infilling_example(line: InfillingLine) -> CodeExample:
    group = re.sub(r"^\w+/(HumanEval/\d+)/.*$", r"\1", line.task_id)
    whole = f"{line.prompt}{line.canonical_solution}{line.suffix}"
    tests = f"{line.test}\n\ncheck({line.entry_point})\n"
    return CodeExample(
        id=line.task_id,
        request=CompletionRequest(prefix=line.prompt, suffix=line.suffix),
        response=CodeCompletion(completion=line.canonical_solution, parses=parses(whole)),
        group=group,
        weight=0,
        tags=("evaluation",),
        provenance={"set": "HumanEval infilling", "licence": "MIT", "test": tests},
    )


def _the_file(path: Path, names: Sequence[str], what: str) -> Path:
    """Return the file itself, or the first of these names in a folder."""
    if path.is_file():
        return path
    for name in names:
        if (path / name).is_file():
            return path / name
    raise InputError(f"This is no copy of {what}.", str(path), f"Give a file, or a folder with {' or '.join(names)}.")


def _lines(file: Path, kind: type[Line], problems: list[Problem]) -> Iterator[Line]:
    """Yield the valid lines of a file; every other one is a problem with its line."""
    content = file.read_bytes()
    if file.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise InputError(f"This file cannot be unpacked: {error}.", str(file)) from None
    for number, line in enumerate(decode(content, file).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield kind.model_validate_json(line)
        except ValidationError as error:
            problems += problems_of(error, kind, lambda at, number=number: _place(file, number, at))  # type: ignore[misc]


def _place(file: Path, number: int, at: Any) -> str:
    return f"{file}:{number}: {dotted(at)}" if at else f"{file}:{number}"


# --- settings --------------------------------------------------------------------------------------------------------


def _unknown(settings: Mapping[str, str], known: Sequence[str]) -> Iterator[Problem]:
    for name in settings:
        if name not in known:
            advice = nearest(name, known) or f"Known: {', '.join(known)}."
            yield Problem(f"This importer has no setting '{name}'.", "--set", advice)


def _count(value: str, problems: list[Problem]) -> int:
    if value.isdecimal() and 1 <= int(value) <= 1000:
        return int(value)
    problems.append(Problem(f"'{value}' is no number of gaps.", "--set gaps", "Write a number from 1 to 1000."))
    return 1


def _one_of(name: str, value: str, known: Sequence[str], problems: list[Problem]) -> str:
    if value in known:
        return value
    advice = nearest(value, known) or f"Known: {', '.join(known)}."
    problems.append(Problem(f"'{value}' is no value of '{name}'.", f"--set {name}", advice))
    return known[0]
