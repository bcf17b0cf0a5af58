"""The steps of an import: read, convert, group, and write in one step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.data.assignment import PARTS
from kit.data.importing import Import, find_importer, load_importers, plan_import, read_set
from kit.data.tables.converting import AnyExample, convert
from kit.data.tables.document_column import with_documents
from kit.data.tables.existing import Known, known_examples, lines_of
from kit.data.tables.grouping import grouped
from kit.data.tables.mapping import resolve
from kit.data.tables.reading import Table, read_table
from kit.errors import InputError, nearest
from kit.project.project import Data, Project
from kit.system.files import write_together
from kit.workflows.events import Note, Report
from kit.workflows.importing import SetImport, SetPart, TableImport


@dataclass(frozen=True)
class File:
    """The file of a table; what it is, where its name does not say so; and the sheet, in a workbook."""

    path: Path
    kind: str | None
    sheet: str | None


@dataclass(frozen=True)
class Columns:
    """The columns of a table to use, by their purpose."""

    mapping: Mapping[str, str]
    group: str | None
    id: str | None
    documents: str | None = None


def plan_table(
    root: Path, file: File, columns: Columns, to: str | Path, task: str | None, replace: bool, report: Report
) -> TableImport:
    """Return what a table adds to a data file. Raises InputError with all problems of one kind at once."""
    project = Project.find(root)
    data = project.data(project.recipe(), task)
    target = _target(data, to)
    table = read_table(file.path, file.kind, file.sheet)
    named = {"--group": columns.group, "--id": columns.id, "--documents": columns.documents}
    sources = resolve(columns.mapping, data.task, table, {option: name for option, name in named.items() if name})
    report(Note(f"Reading {len(table.rows)} rows of {file.path.name}."))
    if columns.documents:
        table = with_documents(table, columns.documents)
    found = convert(table, data.task, sources, columns.id, columns.group)
    dropped = {target} if replace else set[Path]()
    known = list(known_examples([path for path in _files(data, target) if path not in dropped], data.task))
    made = grouped(table, found, known)
    unfit = [] if replace else _unfit(target, known)
    notes = [*unfit, *made.notes, *_parted(made.examples, known, target), *_unused(table, columns)]
    kept = 0 if replace else _lines(target)
    return TableImport(
        target,
        tuple(made.examples),
        kept + len(made.examples),
        replace and target.exists(),
        tuple(made.duplicates),
        tuple(notes),
    )


def write_table(plan: TableImport) -> None:
    """Add the examples to the data file, or replace it, in one step."""
    if not plan.examples:
        return
    plan.path.parent.mkdir(parents=True, exist_ok=True)
    old = b"" if plan.replaces or not plan.path.exists() else plan.path.read_bytes()
    if old and not old.endswith(b"\n"):
        old += b"\n"
    write_together({plan.path: old + lines_of(plan.examples)})


def _files(data: Data, target: Path) -> list[Path]:
    names = (data.settings.train, data.settings.validation, data.settings.test)
    return [*(data.root / name for name in names if name), target]


def _target(data: Data, to: str | Path) -> Path:
    """Return the data file that `to` names. Raises InputError if it is neither a part nor a JSONL file."""
    named = {"train": data.settings.train, "validation": data.settings.validation, "test": data.settings.test}
    if str(to) in named:
        name = named[str(to)]
        if name is None:
            advice = "Add one to the recipe, for example data.validation: data/validation.jsonl"
            raise InputError("The recipe names no validation file.", "--to validation", advice)
        return data.root / name
    if Path(to).suffix != ".jsonl":
        advice = nearest(str(to), PARTS) or f"Name one of {', '.join(PARTS)}, or a file that ends in .jsonl."
        raise InputError(f"'{to}' is not a data file.", "--to", advice)
    path = Path(to).absolute()
    return next((file for file in _files(data, path) if file.exists() and path.exists() and file.samefile(path)), path)


def _lines(path: Path) -> int:
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def _parted(examples: Sequence[AnyExample], known: Sequence[Known], target: Path) -> list[str]:
    """Return a note for each other file that holds groups of the new examples: a group must be in one file."""
    homes: dict[str, set[Path]] = {}
    for old in known:
        homes.setdefault(old.example.group, set()).add(old.path)
    counts = Counter(path for each in examples for path in homes.get(each.group, set()) - {target})
    return [
        f"{count} new examples belong to groups that are also in {path.name} (same name, or nearly the same text). "
        "Run kit data split: it puts each group into one file."
        for path, count in counts.items()
    ]


def _unfit(target: Path, known: Sequence[Known]) -> list[str]:
    """Return a note where the data file holds lines that do not fit the task, such as those of other labels."""
    count = _lines(target) - sum(old.path == target for old in known)
    if not count:
        return []
    lines = "1 line of it does" if count == 1 else f"{count} lines of it do"
    return [f"{target.name} has other lines, and {lines} not fit the task. To import without them: --replace"]


def _unused(table: Table, columns: Columns) -> list[str]:
    used = {*columns.mapping.values(), columns.group, columns.id}
    unused = [name for name in table.columns if name not in used]
    return [f"Columns that are not used: {', '.join(unused)}."] if unused and table.path.suffix != ".jsonl" else []


# --- public sets ------------------------------------------------------------------------------------------------


def set_plan(
    root: Path,
    name: str,
    path: Path,
    settings: Mapping[str, str],
    groups: int | None,
    test_share: float,
    task: str | None,
    replace: bool,
) -> Import:
    """Return the plan to import a public set. Raises InputError as the importer and the split do."""
    project = Project.find(root)
    chosen = project.data(project.recipe(), task).task
    examples = read_set(find_importer(project.root, name), chosen, path, settings)
    return plan_import(examples, project.root / "data", name, groups, test_share, replace)


def set_import(plan: Import) -> SetImport:
    """Return the paths and counts of a plan."""
    return SetImport(_part(plan.train_path, plan.train), _part(plan.test_path, plan.test), plan.stayed)


def listed(root: Path) -> dict[str, str]:
    """Return the first line of each importer's docstring, by name."""
    found = load_importers(Project.find(root).root)
    return {name: (importer.__doc__ or "").split("\n")[0] for name, importer in found.items()}


def _part(path: Path, examples: Sequence[AnyExample]) -> SetPart:
    return SetPart(path, len(examples), len({example.group for example in examples}))
