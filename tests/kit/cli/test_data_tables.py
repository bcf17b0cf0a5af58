"""`kit data import csv` and `kit data split` on the command line: what they print, and what they refuse."""

from __future__ import annotations

from pathlib import Path

from tests.kit.cli.conftest import Run

TICKETS = (
    "body,kind\nThe new garden is lovely,praise\nThe lift was out of order,complaint\nThe new garden is lovely,praise\n"
)


def test_a_table_is_added_and_then_split(toy: Path, run: Run) -> None:
    (toy / "tickets.csv").write_text(TICKETS)
    planned = run("data", "import", "csv", "tickets.csv", "--map", "text=body,label=kind", "--dry-run", cwd=toy)
    assert planned.code == 0
    assert "Would add 2 examples of 2 groups to data/train.jsonl, which then has 62." in planned.out
    assert len((toy / "data" / "train.jsonl").read_text().splitlines()) == 60
    done = run("data", "import", "csv", "tickets.csv", "--map", "text=body,label=kind", "--json", cwd=toy)
    assert done.json["added"] == 2
    assert done.json["duplicates"] == ["Row 4 is the same as row 2."]
    moved = run("data", "split", "--test", "0.5", cwd=toy)
    assert moved.code == 0
    assert "Moved 11 groups" in moved.out
    assert "data/test.jsonl   4" in moved.out


def test_options_of_the_other_kind_of_import_are_refused(toy: Path, run: Run) -> None:
    (toy / "tickets.csv").write_text(TICKETS)
    wrong = run("data", "import", "csv", "tickets.csv", "--groups", "3", "--test-share", "0.1", cwd=toy)
    assert wrong.code == 2
    assert [line.split(":")[0] for line in wrong.err.splitlines()] == ["--groups", "--test-share"]
    assert run("data", "import", "lines", "tickets.csv", "--map", "a=b", cwd=toy).code == 2
    assert "tickets.csv" not in run("data", "split", "--replace", cwd=toy).out
    assert "Did you mean 'csv'?" in run("data", "import", "cvs", "tickets.csv", "--map", "a=b", cwd=toy).err


def test_a_file_whose_name_does_not_say_what_it_is_is_read_as_the_command_says(toy: Path, run: Run) -> None:
    (toy / "latin.csv").write_bytes("body,kind\nA lovely café,praise\n".encode("cp1252"))
    mapping = ("--map", "text=body,label=kind")
    wrong = run("data", "import", "csv", "latin.csv", *mapping, cwd=toy)
    assert "Convert it with: iconv -f cp1252 -t utf-8 latin.csv > NEW.csv" in wrong.err
    (toy / "NEW").write_text("body,kind\nA lovely café,praise\n")
    assert run("data", "import", "csv", "NEW", *mapping, cwd=toy).code == 0
    assert "does not say what kind of table" in run("data", "import", "table", "NEW", *mapping, cwd=toy).err
