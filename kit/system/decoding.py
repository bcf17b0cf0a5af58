"""Decodes a user's file. If it is not UTF-8, the error says what the file is and how to convert it."""

from __future__ import annotations

import codecs
import shlex
from pathlib import Path

from kit.errors import InputError, Problem

_PACKED = {
    b"\x1f\x8b": ("compressed with gzip", "zcat"),
    b"BZh": ("compressed with bzip2", "bzcat"),
    b"\xfd7zXZ\x00": ("compressed with xz", "xzcat"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "zstdcat"),
    b"PK\x03\x04": ("a zip archive (Excel and Word files are archives too)", "unzip -p"),
}
_WIDE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAMPLE = 4_096
_NOT_WINDOWS = frozenset(b"\x81\x8d\x8f\x90\x9d")  # bytes that have no character in Windows-1252


def refuse_other_files(content: bytes, path: Path) -> None:
    """Raise InputError if a file is compressed, UTF-16 or UTF-32, or not text at all."""
    for beginning, (what, command) in _PACKED.items():
        if content.startswith(beginning):
            raise InputError(f"This file is {what}.", str(path), _convert(command, path, "Unpack"))
    if encoding := _wide(content):
        raise InputError(f"This file is {encoding.upper()}, not UTF-8.", str(path), _recode(encoding, path))
    if content.startswith(b"PAR1"):
        raise InputError("This is a Parquet file, not text.", str(path), "Write its rows as lines of JSON first.")
    if b"\x00" in content[:_SAMPLE]:
        raise InputError("This file is not text: it has bytes of value 0.", str(path))


def read_text(path: Path) -> str:
    """Return a file's text. Raises InputError if it is missing or cannot be read, and as `decode` does."""
    try:
        return decode(path.read_bytes(), path)
    except FileNotFoundError:
        raise InputError("There is no such file.", str(path)) from None
    except OSError as error:
        raise InputError(f"The file cannot be read: {error.strerror}.", str(path)) from None


def decode(content: bytes, path: Path) -> str:
    """Return a file's text, without a byte order mark.

    Raises InputError if it is not UTF-8: what it is, the first wrong byte (file:line:column), and how to convert it.
    """
    refuse_other_files(content, path)
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        number, line = next(
            (number, line) for number, line in enumerate(content.split(b"\n"), start=1) if not _is_utf8(line)
        )
        raise InputError([not_utf8(line, f"{path}:{number}", path, content)]) from None


def not_utf8(line: bytes, place: str, path: Path, content: bytes) -> Problem:
    """Return the problem of a line that is not UTF-8; `content` is the whole file, used to guess its encoding."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        column = len(line[: error.start].decode("utf-8")) + 1
        byte = f"Byte 0x{line[error.start]:02x} is not UTF-8"
        where = f"{place}:{column}"
        if _is_mostly_utf8(content):
            advice = "Get the file from its source again, or correct the line."
            return Problem(f"{byte}, but the rest of the file is: the line is damaged.", where, advice)
        if not _NOT_WINDOWS.isdisjoint(content):
            advice = f"Find its encoding with: file -i {shlex.quote(str(path))}; then convert the file with iconv."
            return Problem(f"{byte}, and the file is not Windows-1252 either.", where, advice)
        return Problem(f"{byte}; the file may be Windows-1252.", where, _recode("cp1252", path))
    raise ValueError("The line is UTF-8.")


def _wide(content: bytes) -> str:
    """Return the name of an encoding with units of two or four bytes, from its mark or its zeros; else ""."""
    for mark in _WIDE:
        if content.startswith(mark):
            return "utf-32" if len(mark) == 4 else "utf-16"
    sample = content[:_SAMPLE]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    most = len(sample) // 4
    if len(sample) < 8 or max(even, odd) <= most:
        return ""
    return "utf-16le" if odd > even else "utf-16be"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_mostly_utf8(content: bytes) -> bool:
    """Whether the file is UTF-8 with a few wrong bytes."""
    wrong = content.decode("utf-8", errors="replace").count("\ufffd")
    right = sum(char >= "\x80" for char in content.decode("utf-8", errors="ignore"))
    return right > wrong


def _recode(encoding: str, path: Path) -> str:
    return _convert(f"iconv -f {encoding} -t utf-8", path, "Convert")


def _convert(command: str, path: Path, verb: str) -> str:
    ending = path.suffix if verb == "Convert" else ""
    return f"{verb} it with: {command} {shlex.quote(str(path))} > NEW{ending}"
