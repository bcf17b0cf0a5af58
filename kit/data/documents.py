"""The text of a document: a text file, a Word document (.docx), or a PDF that holds text.

Offsets of examples and answers refer to the text that is returned here.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from kit.errors import InputError, MissingExtra
from kit.system.decoding import decode

if TYPE_CHECKING:
    from docx.document import Document

_TEXTS = (".txt", ".md")
ENDINGS = (*_TEXTS, ".docx", ".pdf")
_EXTRA = "documents"


def read_document(path: Path) -> str:
    """Return the text of a document: of a Word document its paragraphs and table rows, of a PDF its pages, in order.

    Raises InputError for a file that cannot be read, is locked with a password, or has no text, such as a scan;
    MissingExtra if the package that reads it is not installed.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InputError(f"A document ends in {', '.join(ENDINGS)}.", str(path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"The file cannot be read: {error.strerror}.", str(path)) from None
    text = decode(content, path) if ending in _TEXTS else _docx(path) if ending == ".docx" else _pdf(path)
    if not text.strip():
        advice = "Run it through text recognition (OCR) first." if ending == ".pdf" else ""
        what = "This PDF holds no text: it is a scan." if ending == ".pdf" else "This document is empty."
        raise InputError(what, str(path), advice)
    return text


def _docx(path: Path) -> str:
    if find_spec("docx") is None:
        raise MissingExtra("python-docx", _EXTRA)
    import docx

    try:
        return "\n".join(_blocks(docx.Document(str(path))))
    except Exception as error:  # the library lets errors of zip, XML and its own parts through
        what = f"The Word document cannot be read: {error}."
        raise InputError(what, str(path), "Open it in Word or LibreOffice and save it as .docx again.") from None


def _blocks(document: Document) -> Iterator[str]:
    """Yield paragraphs, and the rows of tables with a tab between cells, in the order of the document."""
    from docx.table import Table

    for block in document.iter_inner_content():
        if isinstance(block, Table):
            for row in block.rows:
                yield "\t".join(dict.fromkeys(cell.text for cell in row.cells))
        else:
            yield block.text


def _pdf(path: Path) -> str:
    if find_spec("pypdf") is None:
        raise MissingExtra("pypdf", _EXTRA)
    from pypdf import PdfReader

    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise InputError("This PDF is locked with a password.", str(path), "Save a copy without one.")
        return "\n\n".join(page.extract_text() for page in reader.pages)
    except InputError:
        raise
    except Exception as error:  # a damaged file fails anywhere in the library
        raise InputError(f"The PDF cannot be read: {error}.", str(path), "Print it to a new PDF.") from None
