"""The steps of a split: read every line, assign the groups, write the files together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.data.assignment import PARTS, Part, assign, labelled
from kit.data.augmentation.provenance import is_augmented
from kit.data.formats import DataFile, read_file
from kit.data.tables.converting import AnyExample
from kit.errors import InputError, Problem
from kit.project.project import Data, Project
from kit.system.files import write_together
from kit.task import labels_of
from kit.workflows.events import Note, Report
from kit.workflows.splitting import Move, Split, SplitFile

_VALIDATION_SHARE = 0.1


@dataclass(frozen=True)
class Shares:
    """Shares of the groups. If `validation` is None, the recipe decides."""

    validation: float | None
    test: float


@dataclass(frozen=True)
class Line:
    """One example: its exact bytes in the file, and the file's path."""

    example: AnyExample
    text: bytes
    path: Path
    place: str


def plan_split(
    root: Path, shares: Shares, sources: Sequence[Path], task: str | None, replace: bool, report: Report
) -> Split:
    """Return the plan of a split. Raises InputError as `split_data` does."""
    project = Project.find(root)
    data = project.data(project.recipe(), task)
    paths = _paths(data)
    validation = _checked(shares, paths)
    pool = _pool(sources, paths)
    own = [path for path in paths.values() if path.exists() and path not in pool]
    found = [line for path in [*pool, *own] if path in pool or not replace for line in _read(path, data)]
    if not found:
        raise InputError("There are no examples in these files.", ", ".join(map(str, [*pool, *own])))
    lines, repeated = _once(found)
    report(Note(f"Splitting {len(lines)} examples of {len({line.example.group for line in lines})} groups."))
    free = set(pool) if sources else set(pool) & {paths["train"]}
    stays = _stays(found, paths, free)
    labels = _labels(lines, data)
    parts = assign(labelled(labels, stays), validation, shares.test)
    dropped = sum(_count(path) for path in own) if replace else 0
    files = tuple(_file(data, part, path, lines, parts) for part, path in paths.items())
    return Split(files, tuple(_moves(lines, paths, parts)), dropped + repeated)


def write_split(plan: Split) -> None:
    """Write the files whose content changes: all of them, or none.

    First each file gets what it gains, then each file loses what it loses. So if the machine fails in between, an
    example can be in two files, but none is lost, and the same command run again gives the same split.
    """
    old = {file.path: file.path.read_bytes() if file.path.exists() else b"" for file in plan.files}
    changed = {file.path: file.content for file in plan.files if file.content != old[file.path]}
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
    gained = {path: _with_gains(old[path], content) for path, content in changed.items()}
    first = {path: content for path, content in gained.items() if content != old[path]}
    write_together(first, {path: content for path, content in changed.items() if content != gained[path]})


def _with_gains(old: bytes, new: bytes) -> bytes:
    """Return a file that has got its new lines and has not yet lost any."""
    lines = set(new.split(b"\n"))
    lost = [line for line in old.split(b"\n") if line not in lines]
    return b"".join([new, *(line + b"\n" for line in lost)]) if lines - set(old.split(b"\n")) else old


def _paths(data: Data) -> dict[Part, Path]:
    settings = data.settings
    names = zip(PARTS, (settings.train, settings.validation, settings.test), strict=True)
    return {part: data.root / name for part, name in names if name is not None}


def _checked(shares: Shares, paths: Mapping[Part, Path]) -> float:
    """Return the share of validation. Raises InputError with everything that is wrong with the shares."""
    own = "validation" in paths
    validation = (_VALIDATION_SHARE if own else 0.0) if shares.validation is None else shares.validation
    problems = [
        Problem(f"A share must be at least 0 and below 1; this one is {share:g}.", f"--{part}")
        for part, share in (("validation", validation), ("test", shares.test))
        if not 0 <= share < 1
    ]
    if validation and not own:
        advice = (
            "Add data.validation to the recipe; without it, training holds out data.validation_share of its groups."
        )
        problems.append(Problem("The recipe names no validation file.", "--validation", advice))
    if not problems and validation + shares.test >= 1:
        problems.append(Problem("The two shares leave nothing to train on.", "--validation, --test"))
    if problems:
        raise InputError(problems)
    return validation


def _pool(sources: Sequence[Path], paths: Mapping[Part, Path]) -> list[Path]:
    """Return the files to split; the project's own files keep the paths that the recipe gives them."""
    if not sources:
        if not paths["train"].is_file():
            advice = "To split the groups of another file: --from FILE"
            raise InputError("There is no such data file.", str(paths["train"]), advice)
        return [path for path in paths.values() if path.exists()]
    missing = [Problem("There is no such data file.", str(path)) for path in sources if not path.is_file()]
    if missing:
        raise InputError(missing)
    own = [path for path in paths.values() if path.exists()]
    named = [next((each for each in own if each.samefile(path)), path.absolute()) for path in sources]
    return list(dict.fromkeys(named))


def _read(path: Path, data: Data) -> list[Line]:
    """Return the lines of a file. An earlier split can have left it empty."""
    if not path.stat().st_size:
        return []
    file: DataFile = read_file(path, data.task)
    texts = [text for text in path.read_bytes().split(b"\n") if text]
    return [
        Line(example, text + b"\n", path, file.places[example.id])
        for example, text in zip(file.examples, texts, strict=True)
    ]


def _once(lines: Iterable[Line]) -> tuple[list[Line], int]:
    """Return the distinct examples, and the number of duplicates. Raises InputError for one id with two contents."""
    first: dict[str, Line] = {}
    problems, repeated = [], 0
    for line in lines:
        known = first.setdefault(line.example.id, line)
        if known is line:
            continue
        repeated += 1
        if known.example != line.example:
            what = f"The id '{line.example.id}' is already used at {known.place} for another example."
            problems.append(Problem(what, line.place, "Give it another id."))
    if problems:
        raise InputError(problems)
    return list(first.values()), repeated


def _stays(lines: Sequence[Line], paths: Mapping[Part, Path], free: set[Path]) -> dict[str, Part]:
    """Return the groups that must not move, with their part. A group in both files stays in test, not in validation.

    Augmented examples are only trained on, with the rest of their group.
    """
    stays: dict[str, Part] = {}
    for part in PARTS:
        here = paths.get(part)
        stays |= {line.example.group: part for line in lines if line.path == here and here not in free}
    return stays | {line.example.group: "train" for line in lines if is_augmented(line.example)}


def _labels(lines: Sequence[Line], data: Data) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        labels = labels_of(data.task, line.example.request, line.example.response)
        found.setdefault(line.example.group, []).extend(labels)
    return found


def _file(data: Data, part: Part, path: Path, lines: Sequence[Line], parts: Mapping[str, Part]) -> SplitFile:
    """Return a data file after the split: its own examples in their order, then those from other files."""
    inside = [line for line in lines if parts[line.example.group] == part]
    ordered = sorted(inside, key=lambda line: line.path != path)
    labels = Counter(
        label for line in inside for label in labels_of(data.task, line.example.request, line.example.response)
    )
    groups = len({line.example.group for line in inside})
    return SplitFile(
        part, path, len(inside), groups, dict(sorted(labels.items())), b"".join(line.text for line in ordered)
    )


def _moves(lines: Sequence[Line], paths: Mapping[Part, Path], parts: Mapping[str, Part]) -> list[Move]:
    moved: dict[tuple[Path, Path], list[Line]] = {}
    for line in lines:
        target = paths[parts[line.example.group]]
        if target != line.path:
            moved.setdefault((line.path, target), []).append(line)
    return [
        Move(source, target, tuple(dict.fromkeys(line.example.group for line in found)), len(found))
        for (source, target), found in moved.items()
    ]


def _count(path: Path) -> int:
    return len(path.read_bytes().splitlines())
