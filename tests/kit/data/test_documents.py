"""The text of documents: Word, PDF and plain text, and what holds no text."""

from __future__ import annotations

import json
from pathlib import Path

import docx
import pytest
from pypdf import PdfWriter

from kit.data.documents import read_document
from kit.errors import InputError
from tests.kit.cli.conftest import run_kit
from tests.kit.toy import make_toy

WORDS = "The tenant repairs the roof. The fee is 12 euros, see clause 4."


def make_docx(path: Path) -> Path:
    document = docx.Document()
    document.add_paragraph("Lease")
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "Fee", "12 euros"
    document.add_paragraph(WORDS)
    document.save(str(path))
    return path


def make_pdf(path: Path, *pages: str) -> Path:
    """Write a PDF by hand: one line of Helvetica on each page."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for index, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET" if text else ""
        box = "/MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R {box} /Contents {5 + 2 * index} 0 R >>")
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    content, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n"
    start = len(content)
    content += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    content += "".join(f"{place:010d} 00000 n \n" for place in places)
    content += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    path.write_text(content, encoding="latin-1")
    return path


def test_a_word_document_has_its_paragraphs_and_tables_in_order(tmp_path: Path) -> None:
    assert read_document(make_docx(tmp_path / "lease.docx")) == f"Lease\nFee\t12 euros\n{WORDS}"


def test_a_pdf_has_its_pages_in_order(tmp_path: Path) -> None:
    assert read_document(make_pdf(tmp_path / "lease.PDF", WORDS, "Second page.")) == f"{WORDS}\n\nSecond page."


def test_what_holds_no_text_is_refused_by_name(tmp_path: Path) -> None:
    locked = tmp_path / "locked.pdf"
    writer = PdfWriter(clone_from=make_pdf(tmp_path / "open.pdf", WORDS))
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(locked)
    damaged = tmp_path / "damaged.docx"
    damaged.write_bytes(b"PK not really")
    (tmp_path / "empty.txt").write_text(" \n")
    for path, says in (
        (make_pdf(tmp_path / "scan.pdf", "", ""), "it is a scan"),
        (locked, "locked with a password"),
        (damaged, "cannot be read"),
        (tmp_path / "empty.txt", "is empty"),
        (tmp_path / "missing.pdf", "cannot be read"),
        (tmp_path / "table.xlsx", "A document ends in"),
    ):
        with pytest.raises(InputError, match=says) as caught:
            read_document(path)
        assert caught.value.problems[0].where == str(path)


def test_a_column_of_files_becomes_their_texts(tmp_path: Path) -> None:
    toy = make_toy(tmp_path / "toy")
    make_docx(toy / "one.docx")
    make_pdf(toy / "two.pdf", "The lift was out of order")
    (toy / "files.csv").write_text("file,kind\none.docx,praise\ntwo.pdf,complaint\n")
    words = ("data", "import", "csv", "files.csv", "--map", "text=file,label=kind", "--to", "new.jsonl")
    assert run_kit(*words, "--documents", "file", cwd=toy).code == 0
    rows = [json.loads(line)["request"]["text"] for line in (toy / "new.jsonl").read_text().splitlines()]
    assert rows == [f"Lease\nFee\t12 euros\n{WORDS}", "The lift was out of order"]
    make_pdf(toy / "two.pdf", "")
    refused = run_kit(*words, "--documents", "file", cwd=toy)
    assert (refused.code, "row 3, column 'file'" in refused.err, "it is a scan" in refused.err) == (2, True, True)
    unknown = run_kit(*words, "--documents", "path", cwd=toy)
    assert (unknown.code, "no column 'path'" in unknown.err) == (2, True)


def test_the_command_prints_the_text(tmp_path: Path) -> None:
    make_pdf(tmp_path / "lease.pdf", WORDS)
    assert run_kit("data", "text", "lease.pdf", cwd=tmp_path).out == f"{WORDS}\n"
    assert run_kit("data", "text", "lease.pdf", "--json", cwd=tmp_path).json["text"] == WORDS
