"""Import examples: from the user's own table, or from a public set that the project has an importer for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.workflows.events import Report, ignore


@dataclass(frozen=True)
class TableImport:
    """What an import adds to one data file."""

    path: Path
    """The data file."""
    examples: tuple[Any, ...] = field(repr=False)
    """The examples to add (`kit.task.Example`), with their ids and groups."""
    total: int
    """Number of lines in the data file afterwards."""
    replaces: bool
    """Whether the file's earlier examples are dropped."""
    duplicates: tuple[str, ...]
    """A sentence for each row that is left out because the project already has it."""
    notes: tuple[str, ...]
    """Sentences about rows that a person should look at."""

    @property
    def groups(self) -> int:
        """How many groups the added examples are in."""
        return len({example.group for example in self.examples})


@dataclass(frozen=True)
class SetPart:
    """One of the two data files of a public set."""

    path: Path
    examples: int
    groups: int


@dataclass(frozen=True)
class SetImport:
    """A public set, split by group into a file to train on and a file to test on."""

    train: SetPart
    test: SetPart
    stayed: int
    """Number of groups that an earlier import put into the test file. They stay there."""


def import_data(
    project: str | Path = ".",
    *,
    file: str | Path,
    mapping: Mapping[str, str],
    kind: str | None = None,
    sheet: str | None = None,
    group: str | None = None,
    id: str | None = None,
    to: str | Path = "train",
    task: str | None = None,
    replace: bool = False,
    documents: str | None = None,
    report: Report = ignore,
) -> TableImport:
    """Add the rows of a CSV, XLSX, JSONL or JSON file to a data file of the project, and return what was added.

    `mapping` says which column fills which field of the task's request and response: {"text": "body", "label": "kind"}.
    `kind` is "csv", "tsv", "xlsx", "jsonl" or "json", for a file whose name has none of these endings. `sheet` is a
    sheet of a workbook; it is needed where several have rows. `group` and `id` name columns; without them, ids are
    hashes of the content, and rows whose requests are equal or nearly equal share a group. `to` is "train",
    "validation", "test" or a path. `replace` drops the file's earlier examples. Raises InputError with every wrong row
    at once; then nothing is written. `documents` names a column of files (txt, md, docx, pdf; relative to the table):
    their text is read in the place of their names.
    """
    from kit.workflows.steps.importing import write_table

    plan = plan_import_data(
        project, file=file, mapping=mapping, kind=kind, sheet=sheet, group=group, id=id, to=to, task=task,
        replace=replace, documents=documents, report=report,
    )  # fmt: skip
    write_table(plan)
    return plan


def plan_import_data(
    project: str | Path = ".",
    *,
    file: str | Path,
    mapping: Mapping[str, str],
    kind: str | None = None,
    sheet: str | None = None,
    group: str | None = None,
    id: str | None = None,
    to: str | Path = "train",
    task: str | None = None,
    replace: bool = False,
    documents: str | None = None,
    report: Report = ignore,
) -> TableImport:
    """Return what `import_data` would add, and write nothing. Raises as it does."""
    from kit.workflows.steps.importing import Columns, File, plan_table

    source = File(Path(file), kind, sheet)
    return plan_table(Path(project), source, Columns(mapping, group, id, documents), to, task, replace, report)


def import_set(
    project: str | Path = ".",
    *,
    name: str,
    path: str | Path,
    settings: Mapping[str, str] | None = None,
    groups: int | None = None,
    test_share: float = 0.2,
    task: str | None = None,
    replace: bool = False,
) -> SetImport:
    """Import a public set through the project's importer `name` into data/NAME-train.jsonl and data/NAME-test.jsonl.

    `path` is the user's own copy of the set. `groups` is how many groups to train on; without it, `test_share` of them
    is tested on. Raises InputError with every problem at once; then nothing is written.
    """
    from kit.workflows.steps.importing import set_import, set_plan

    plan = set_plan(Path(project), name, Path(path), settings or {}, groups, test_share, task, replace)
    plan.write()
    return set_import(plan)


def plan_import_set(
    project: str | Path = ".",
    *,
    name: str,
    path: str | Path,
    settings: Mapping[str, str] | None = None,
    groups: int | None = None,
    test_share: float = 0.2,
    task: str | None = None,
    replace: bool = False,
) -> SetImport:
    """Return what `import_set` would write, and write nothing. Raises as it does."""
    from kit.workflows.steps.importing import set_import, set_plan

    return set_import(set_plan(Path(project), name, Path(path), settings or {}, groups, test_share, task, replace))


def document_text(file: str | Path) -> str:
    """Return the text of a document (txt, md, docx, pdf) as examples and answers hold it.

    Raises InputError for a file that cannot be read or has no text, such as a scan.
    """
    from kit.data.documents import read_document

    return read_document(Path(file))


def importers(project: str | Path = ".") -> dict[str, str]:
    """Return the project's importers: their names, and what each one reads. Raises InputError if it has none."""
    from kit.workflows.steps.importing import listed

    return listed(Path(project))
