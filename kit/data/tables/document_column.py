"""Replaces the names of documents in a column of a table by the text of the documents."""

from __future__ import annotations

from dataclasses import replace

from kit.data.documents import read_document
from kit.data.tables.reading import Row, Table, is_filled
from kit.errors import InputError, Problem


def with_documents(table: Table, column: str) -> Table:
    """Return the table with the text of each file of a column; a relative name starts at the table's folder.

    Raises InputError with every file that cannot be read, and the row that names it. Each file is read once.
    """
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    rows = []
    for row in table.rows:
        name = row.cells.get(column)
        if not is_filled(name):
            rows.append(row)
            continue
        try:
            if str(name) not in texts:
                texts[str(name)] = read_document(table.path.parent / str(name))
            rows.append(Row(row.number, {**row.cells, column: texts[str(name)]}))
        except InputError as error:
            place = table.place(row, column)
            problems += [Problem(f"{each.what} {each.where}", place, each.next) for each in error.problems]
    if problems:
        raise InputError(problems)
    return replace(table, rows=tuple(rows))
