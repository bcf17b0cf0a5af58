"""`kit data import`: imports the user's own table, or a public set, as examples of the project's task."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.shared.numbers import counted
from kit.cli.shared.output import Output, kit_command, table
from kit.errors import InputError, Problem, nearest

if TYPE_CHECKING:
    from kit.workflows.importing import SetImport, TableImport

TABLES = ("csv", "tsv", "xlsx", "jsonl", "json", "table")
_SHOWN = 10
_ONLY_TABLES = {
    "mapping": "--map",
    "sheet": "--sheet",
    "group": "--group",
    "id": "--id",
    "documents": "--documents",
    "to": "--to",
}
_ONLY_SETS = {"pairs": "--set", "groups": "--groups", "test_share": "--test-share"}


@kit_command("import", example="kit data import csv tickets.csv --map text=body,label=category")
@click.argument("name", required=False)
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--map", "mapping", multiple=True, metavar="FIELD=COLUMN,…", help="Table: the column of each field.")
@click.option("--sheet", metavar="NAME", help="Table: the sheet of a workbook.  [default: the only one with rows]")
@click.option("--group", metavar="COLUMN", help="Table: rows with the same value are one group, never split.")
@click.option("--documents", metavar="COLUMN",
              help="Table: a column of files (txt, md, docx, pdf), whose text is read.")  # fmt: skip
@click.option("--id", metavar="COLUMN", help="Table: ids of the examples.  [default: a hash of the content]")
@click.option(
    "--to", metavar="PART|FILE", help="Table: add to train, validation, test, or a JSONL file.  [default: train]"
)
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Public set: a setting of its importer; repeatable."
)
@click.option(
    "--groups", type=click.IntRange(min=1), help="Public set: groups to train on; the others are for testing."
)
@click.option("--test-share", type=click.FloatRange(0, 1, True, True),
              help="Public set: share of the groups for testing.  [default: 0.2]")  # fmt: skip
@click.option("--list", "listing", is_flag=True, help="List the public sets that this project can import.")
@click.option("--task", help="Task of the examples, if the recipe has several.")
@click.option("--replace", is_flag=True, help="Replace the examples that the data file already has.")
@click.option("--dry-run", is_flag=True, help="Read and count; write nothing.")
def import_(output: Output, name: str | None, path: Path | None, listing: bool, **options: Any) -> None:
    """Import a table (csv, xlsx, jsonl, json), or a public set that the project has an importer for.

    A table's rows are added to a data file: kit data import csv FILE --map text=COLUMN,label=COLUMN. Rows that the
    project already has are left out. A public set is split by group into data/NAME-train.jsonl and
    data/NAME-test.jsonl.
    """
    if listing:
        _list(output)
    elif name is None or path is None:
        advice = "Use: kit data import csv FILE --map text=COLUMN,label=COLUMN. For public sets: kit data import --list"
        raise InputError("Two arguments are needed: what to import, and its file.", next=advice)
    elif _is_table(name, options):
        _import_table(output, name, path, options)
    else:
        _import_set(output, name, path, options)


def _is_table(name: str, options: dict[str, Any]) -> bool:
    """Whether a name means a table. Raises InputError with every option that belongs to the other kind of import."""
    is_table = name in TABLES
    if not is_table and options["mapping"] and (hint := nearest(name, TABLES)):
        raise InputError(f"'{name}' is no kind of table.", next=hint)
    wrong, kind = (_ONLY_SETS, "public set") if is_table else (_ONLY_TABLES, "table, such as csv")
    problems = [
        Problem(f"{option} is only for the import of a {kind}.", option)
        for key, option in wrong.items()
        if options[key] not in (None, ())
    ]
    if problems:
        raise InputError(problems)
    return is_table


def _import_table(output: Output, name: str, path: Path, options: dict[str, Any]) -> None:
    from kit.data.tables.mapping import parse_mapping
    from kit.workflows.importing import import_data, plan_import_data

    act = plan_import_data if options["dry_run"] else import_data
    plan = act(
        file=path,
        mapping=parse_mapping(options["mapping"]),
        kind=name,
        sheet=options["sheet"],
        group=options["group"],
        id=options["id"],
        to=options["to"] or "train",
        task=options["task"],
        replace=options["replace"],
        documents=options["documents"],
    )
    written = not options["dry_run"] and bool(plan.examples)
    data = {
        "written": written,
        "path": str(plan.path),
        "added": len(plan.examples),
        "groups": plan.groups,
        "total": plan.total,
        "replaced": plan.replaces,
        "duplicates": plan.duplicates,
        "notes": plan.notes,
    }
    output.result(data, "\n".join(_lines(plan, written)))


def _lines(plan: TableImport, written: bool) -> list[str]:
    """Return what was added and left out, and what a person should look at."""
    count, file = len(plan.examples), _short(plan.path)
    verb = (
        ("Replaced" if plan.replaces else "Added") if written else ("Would replace" if plan.replaces else "Would add")
    )
    added = f"{counted(count, 'example')} of {counted(plan.groups, 'group')}"
    first = (
        f"{verb} {file} with {added}." if plan.replaces else f"{verb} {added} to {file}, which then has {plan.total}."
    )
    lines = [first if count else f"The project already has every row; {file} is unchanged."]
    if plan.duplicates:
        rows = "1 row is" if len(plan.duplicates) == 1 else f"{len(plan.duplicates)} rows are"
        lines.append(f"{rows} left out:")
        lines += [f"  {sentence}" for sentence in plan.duplicates[:_SHOWN]]
        lines += [f"  … and {len(plan.duplicates) - _SHOWN} more."] if len(plan.duplicates) > _SHOWN else []
    lines += plan.notes[:_SHOWN]
    lines += [f"… and {len(plan.notes) - _SHOWN} more notes (--json lists them)."] if len(plan.notes) > _SHOWN else []
    return lines


def _import_set(output: Output, name: str, path: Path, options: dict[str, Any]) -> None:
    from kit.data.importing import parse_settings
    from kit.workflows.importing import import_set, plan_import_set

    written = not options["dry_run"]
    act = import_set if written else plan_import_set
    share = 0.2 if options["test_share"] is None else options["test_share"]
    found = act(
        name=name,
        path=path,
        settings=parse_settings(options["pairs"]),
        groups=options["groups"],
        test_share=share,
        task=options["task"],
        replace=options["replace"],
    )
    output.result(*_set_result(found, written))


def _set_result(found: SetImport, written: bool) -> tuple[dict[str, Any], str]:
    data: dict[str, Any] = {"written": written}
    lines = ["Wrote:" if written else "Would write:"]
    for name, part in (("train", found.train), ("test", found.test)):
        data[name] = {"path": str(part.path), "examples": part.examples, "groups": part.groups}
        lines.append(f"  {_short(part.path)}: {part.examples} examples of {part.groups} groups")
    if found.stayed:
        data["stayed"] = found.stayed
        why = "They are in the test file of an earlier import; remove that file to split again."
        lines.append(f"  {found.stayed} groups stay in the test file. {why}")
    return data, "\n".join(lines)


def _list(output: Output) -> None:
    from kit.workflows.importing import importers

    found = importers()
    listed = [{"name": name, "summary": summary} for name, summary in found.items()]
    output.result({"importers": listed}, table(("importer", "what it reads"), list(found.items())))


def _short(path: Path) -> str:
    """Return a path as seen from the current folder."""
    return os.path.relpath(path)
