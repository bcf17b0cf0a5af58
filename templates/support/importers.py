"""Public sets of intents as examples of the task in intents.py; each goes with the profile of its name.

BANKING77 (CC BY 4.0, Casanueva et al. 2020): CSV files with the columns text and category. CLINC150 (CC BY 3.0, Larson
et al. 2019): one JSON file whose lists hold pairs of a text and an intent, with `oos` for what is out of scope.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kit.errors import InputError, Problem, nearest
from kit.task import Example

from .intents import OUT_OF_SCOPE, IntentOf, Utterance

IntentExample = Example[Utterance, IntentOf]
CLINC_FILES = ("data_full.json", "data.json", "data_oos_plus.json", "data_small.json", "data_imbalanced.json")
CLINC_LISTS = ("train", "val", "test", "oos_train", "oos_val", "oos_test")
Row = tuple[str, str, str]
"""Where it stands, the text, the intent."""


def banking77(path: Path, settings: Mapping[str, str]) -> Sequence[IntentExample]:
    """BANKING77, 77 intents of bank customers: a folder with train.csv and, if you have it, test.csv; or one CSV."""
    problems = _unknown("BANKING77", settings, ())
    files = [path] if path.is_file() else [path / name for name in ("train.csv", "test.csv") if (path / name).is_file()]
    if not files:
        advice = "Give the folder that has train.csv, with the columns text and category."
        problems.append(Problem("There is no train.csv here.", str(path), advice))
    rows = [row for file in files for row in _table(file, problems)]
    return _examples(rows, "banking77", {"set": "BANKING77", "licence": "CC BY 4.0"}, problems)


def clinc150(path: Path, settings: Mapping[str, str]) -> Sequence[IntentExample]:
    """CLINC150, 150 intents and out-of-scope messages: data_full.json (or data.json), or its folder.

    Setting `lists`: names of the file's lists separated by commas; by default all of them.
    """
    problems = _unknown("CLINC150", settings, ("lists",))
    file = path
    if path.is_dir():
        file = next((path / name for name in CLINC_FILES if (path / name).is_file()), path / CLINC_FILES[0])
    wanted = tuple(settings["lists"].split(",")) if "lists" in settings else CLINC_LISTS
    problems += [
        Problem(f"CLINC150 has no list '{name}'.", "--set lists", nearest(name, CLINC_LISTS))
        for name in wanted
        if name not in CLINC_LISTS
    ]
    rows = list(_lists(file, wanted, problems))
    return _examples(rows, "clinc150", {"set": "CLINC150", "licence": "CC BY 3.0"}, problems)


importers = {"banking77": banking77, "clinc150": clinc150}


def _table(file: Path, problems: list[Problem]) -> Iterator[Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = {"text", "category"} - set(reader.fieldnames or ())
            if missing:
                found = f"The table has no column {' and no column '.join(sorted(missing))}."
                problems.append(Problem(found, str(file), "The first line must be: text,category"))
                return
            for row in reader:
                yield f"{file}:{reader.line_num}", row["text"] or "", row["category"] or ""
    except UnicodeDecodeError:
        problems.append(Problem("The file is not UTF-8.", str(file), "Convert it with iconv."))
    except OSError as error:
        problems.append(Problem(f"It cannot be read: {error.strerror}.", str(file)))


def _lists(file: Path, wanted: Sequence[str], problems: list[Problem]) -> Iterator[Row]:
    advice = f"Give one of: {', '.join(CLINC_FILES)}."
    try:
        whole = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        problems.append(Problem(f"It cannot be read: {error.strerror}.", str(file), advice))
        return
    except ValueError as error:
        problems.append(Problem(f"It is not JSON: {error}.", str(file), advice))
        return
    if not isinstance(whole, dict) or not any(isinstance(whole.get(name), list) for name in CLINC_LISTS):
        problems.append(Problem("This is not an object with lists such as train and oos_train.", str(file), advice))
        return
    for name in wanted:
        for number, pair in enumerate(whole.get(name) or ()):
            place = f"{file}: {name}[{number}]"
            if isinstance(pair, list) and len(pair) == 2 and all(isinstance(each, str) for each in pair):
                yield place, pair[0], pair[1]
            else:
                problems.append(Problem("This is not a pair of a text and an intent.", place))


def _examples(
    rows: Sequence[Row], name: str, provenance: Mapping[str, str], problems: list[Problem]
) -> list[IntentExample]:
    """Return one example for each text; texts that differ only in case and spaces are one."""
    examples: dict[str, IntentExample] = {}
    for place, text, intent in rows:
        words, label = " ".join(text.split()), intent.strip()
        if not words or not label:
            problems.append(Problem("The text or the intent is empty.", place))
            continue
        group = hashlib.sha256(words.casefold().encode()).hexdigest()[:16]
        example = IntentExample(
            id=f"{name}-{group}",
            request=Utterance(text=words),
            response=IntentOf(intent=label),
            group=group,
            tags=("out_of_scope",) if label == OUT_OF_SCOPE else (),
            provenance=provenance,
        )
        examples.setdefault(group, example)
    if problems:
        raise InputError(problems)
    if not examples:
        raise InputError("There are no messages in this copy.", name)
    return [examples[key] for key in sorted(examples)]


def _unknown(name: str, settings: Mapping[str, str], known: Sequence[str]) -> list[Problem]:
    said = f"Known: {', '.join(known)}." if known else "It has none."
    return [
        Problem(f"{name} has no setting '{key}'.", "--set", nearest(key, known) or said)
        for key in settings
        if key not in known
    ]
