"""Public sets as this template's examples. You bring your own copy of each.

Financial PhraseBank v1.0 (Malo et al. 2014; CC BY-NC-SA 3.0: no commercial use) has sentences with one label each.
FiQA 2018, task 1, has headlines and posts with a score for each company that they name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kit.errors import InputError, Problem, nearest
from kit.recipe.validation import dotted
from kit.task import Example

from .schema import LABELS, SentimentRequest, SentimentResponse

AGREEMENT = {"all": "AllAgree", "75": "75Agree", "66": "66Agree", "50": "50Agree"}
FIQA_FILES = ("task1_headline_ABSA_train.json", "task1_post_ABSA_train.json")
NewsExample = Example[SentimentRequest, SentimentResponse]


def phrasebank(path: Path, settings: Mapping[str, str]) -> Sequence[NewsExample]:
    """Financial PhraseBank: the folder with Sentences_AllAgree.txt, or one of its files; lines are sentence@label.

    Setting `agreement`: the least share of annotators who agree, 50, 66, 75 or all (the default). A sentence that
    is there twice is taken once, or not at all if its labels differ.
    """
    problems = _unknown("PhraseBank", settings, ["agreement"])
    wanted = settings.get("agreement", "all")
    if wanted not in AGREEMENT:
        problems.append(Problem(f"'{wanted}' is no agreement.", "--set agreement", "Known: all, 75, 66, 50."))
    if problems:
        raise InputError(problems)
    labelled: dict[str, set[str]] = {}
    for text, label in _sentences(_phrasebank_file(path, AGREEMENT[wanted]), problems):
        labelled.setdefault(text, set()).add(label)
    examples = [
        _example(f"phrasebank-{_digest(text)}", text, [(None, next(iter(labels)))], "Financial PhraseBank v1.0")
        for text, labels in labelled.items()
        if len(labels) == 1
    ]
    return _whole(examples, problems, path)


def fiqa(path: Path, settings: Mapping[str, str]) -> Sequence[NewsExample]:
    """FiQA 2018, task 1: the folder with task1_headline_ABSA_train.json and task1_post_ABSA_train.json, or one of them.

    Setting `neutral`: scores from minus this to this are neutral; 0.1 by default.
    """
    problems = _unknown("FiQA", settings, ["neutral"])
    band = _band(settings.get("neutral", "0.1"), problems)
    if problems:
        raise InputError(problems)
    files = [path] if path.is_file() else [path / name for name in FIQA_FILES if (path / name).is_file()]
    if not files:
        raise InputError("There is no file of FiQA's task 1 here.", str(path), f"Expected: {' or '.join(FIQA_FILES)}.")
    scores: dict[str, dict[str, list[float]]] = {}
    for file in files:
        for text, target, score in _opinions(file, problems):
            scores.setdefault(text, {}).setdefault(target, []).append(score)
    examples = [
        _example(
            f"fiqa-{_digest(text)}", text, [(name, _label(each, band)) for name, each in named.items()], "FiQA 2018"
        )
        for text, named in scores.items()
    ]
    return _whole(examples, problems, path)


importers = {"phrasebank": phrasebank, "fiqa": fiqa}


# --- parts ------------------------------------------------------------------------------------------------------------


def _unknown(name: str, settings: Mapping[str, str], known: Sequence[str]) -> list[Problem]:
    return [
        Problem(f"{name} has no setting '{each}'.", "--set", nearest(each, known) or f"Known: {', '.join(known)}.")
        for each in settings
        if each not in known
    ]


def _phrasebank_file(path: Path, suffix: str) -> Path:
    file = path if path.is_file() else path / f"Sentences_{suffix}.txt"
    if not file.is_file():
        advice = "Name the folder FinancialPhraseBank-v1.0, or one of its files."
        raise InputError(f"There is no Sentences_{suffix}.txt here.", str(path), advice)
    return file


def _sentences(file: Path, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(file.read_bytes().decode("latin-1").split("\n"), 1):
        text, at, label = line.strip().rpartition("@")
        text = " ".join(text.split())
        if at and text and label in LABELS:
            yield text, label
        elif line.strip():
            problems.append(
                Problem("The line is not sentence@label.", f"{file}:{number}", f"Labels: {', '.join(LABELS)}.")
            )


def _band(written: str, problems: list[Problem]) -> float:
    if re.fullmatch(r"0(\.\d+)?", written):
        return float(written)
    problems.append(Problem(f"'{written}' is no number from 0 to below 1.", "--set neutral", "Such as 0.1."))
    return 0.0


def _opinions(file: Path, problems: list[Problem]) -> Iterator[tuple[str, str, float]]:
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        problems.append(Problem(f"The file is not JSON: {error}.", str(file)))
        return
    for key, entry in content.items() if isinstance(content, dict) else ():
        try:
            for each in entry["info"]:
                yield (
                    " ".join(entry["sentence"].split()),
                    " ".join(each["target"].split()),
                    float(each["sentiment_score"]),
                )
        except (KeyError, TypeError, ValueError, AttributeError):
            what = "The entry has no sentence, or no info with target and sentiment_score."
            problems.append(Problem(what, f"{file}: {key}"))


def _label(scores: Sequence[float], band: float) -> str:
    mean = sum(scores) / len(scores)
    return "neutral" if abs(mean) <= band else "positive" if mean > 0 else "negative"


def _example(name: str, text: str, labels: Sequence[tuple[str | None, str]], source: str) -> NewsExample | Problem:
    sentiments = [{"entity": entity, "label": label} for entity, label in labels]
    entities = [entity for entity, _ in labels if entity is not None]
    row = {"id": name, "request": {"text": text, "entities": entities}, "response": {"sentiments": sentiments}}
    group = _digest(re.sub(r"\d+", "0", text.casefold()))
    try:
        return NewsExample.model_validate({**row, "group": group, "provenance": {"set": source}})
    except ValidationError as error:
        first = error.errors()[0]
        return Problem(f"A text does not fit: {first['msg']}.", f"{name}: {dotted(first['loc'])}")


def _whole(examples: Sequence[NewsExample | Problem], problems: list[Problem], path: Path) -> Sequence[NewsExample]:
    problems += [each for each in examples if isinstance(each, Problem)]
    if problems:
        raise InputError(problems)
    if not examples:
        raise InputError("There are no labelled texts in this copy.", str(path))
    return [each for each in examples if not isinstance(each, Problem)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
