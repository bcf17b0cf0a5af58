"""Prints results on stdout, as text or as JSON, and everything else on stderr.

Characters that the terminal's encoding lacks are replaced, so that a result is always printed.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import zip_longest
from typing import Any, TextIO

import click

from kit.cli.shared.numbers import BoundedCommand
from kit.errors import KitError, Problem

_SHOWN = 20
WIDTH = 100
_PLAIN = {"−": "-", "–": "-", "…": "...", "→": "->", "“": '"', "”": '"', "‘": "'", "’": "'", "±": "+-", "·": "*"}


class Output:
    """Prints the result of a command, its progress and its errors."""

    def __init__(self, as_json: bool = False, debug: bool = False) -> None:
        self.as_json = as_json
        self.debug = debug
        self._lost = False
        self._stderr_lost = False
        _prepare_streams()

    def say(self, sentence: str) -> None:
        """Print a sentence about the progress to stderr. A full disk behind stderr stops no work: it is then lost."""
        try:
            click.echo(sentence, err=True)
        except BrokenPipeError:
            raise
        except OSError:
            _discard(sys.stderr)
            self._stderr_lost = True

    def result(self, data: Mapping[str, Any], text: str) -> None:
        """Print the result, once per command: as one JSON object, or as text."""
        self._print(json.dumps(data, ensure_ascii=_is_narrow(), allow_nan=False, default=str) if self.as_json else text)

    def fail(self, code: int, kind: str, problems: Sequence[Problem]) -> None:
        """Print why the command failed: sentences on stderr, or a JSON object on stdout with all problems."""
        if self.as_json and not self._lost:
            error = {"code": int(code), "kind": kind, "problems": [asdict(problem) for problem in problems]}
            with suppress(KitError, BrokenPipeError):  # _print has then written it to stderr
                self._print(json.dumps({"error": error}, ensure_ascii=_is_narrow()))
            return
        sentences = [str(problem) for problem in problems[:_SHOWN]]
        if len(problems) > _SHOWN:
            sentences.append(f"… and {len(problems) - _SHOWN} more.")
        for sentence in sentences:
            self.say(sentence)
        if self._stderr_lost and not self._lost:
            with suppress(KitError, BrokenPipeError):
                self._print("\n".join(sentences))

    def _print(self, text: str) -> None:
        """Print a result and flush. Raises KitError if it cannot be written, BrokenPipeError if the pipe is closed."""
        try:
            print(text, flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            _discard(sys.stdout)
            self._lost = True
            self.say(text)
            raise KitError(f"The result could not be written to standard output: {error.strerror}.") from None

    def fail_with(self, error: KitError) -> None:
        """Print the problems of an error."""
        self.fail(error.code, type(error).__name__, error.problems)


def show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Print the version and end the command."""
    if wanted:
        context.find_root().obj.result(*version_result())
        context.exit()


def version_result() -> tuple[dict[str, Any], str]:
    """Return the version, as data and as text."""
    from kit import __version__

    return {"version": __version__}, f"domainkit {__version__}"


def kit_command(name: str, example: str) -> Callable[[Callable[..., int | None]], click.Command]:
    """Make a function a command with --json and --debug, whose help ends with an example.

    The function gets an Output as its first argument. It returns an exit code, or None for success.
    """

    def decorate(function: Callable[..., int | None]) -> click.Command:
        as_json = click.option("--json", is_flag=True, expose_value=False, help="Print the result as JSON.")
        debug = click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback on errors.")
        made = click.command(name, cls=BoundedCommand, epilog=f"\b\nExample:\n  {example}")
        return made(as_json(debug(click.pass_obj(function))))

    return decorate


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns under a header; a cell may have several lines."""
    lines = [line for row in (header, *rows) for line in _lines_of(row)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def wrapped(sentences: Sequence[str]) -> str:
    """Return sentences wrapped at WIDTH columns; each starts on a new line."""
    return "\n".join(textwrap.fill(sentence, WIDTH, break_on_hyphens=False) for sentence in sentences)


def _lines_of(row: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip_longest(*(cell.split("\n") for cell in row), fillvalue=""))


# --- the streams ------------------------------------------------------------------------------------------------


def _prepare_streams() -> None:
    """Make printing work even if the caller closed a stream.

    A closed stream is opened on the null device, in the order of the file numbers. Otherwise the next file that is
    opened would get the stream's number, and a library that prints would write into that file.
    """
    for name, flags, mode in (("stdin", os.O_RDONLY, "r"), ("stdout", os.O_WRONLY, "w"), ("stderr", os.O_WRONLY, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8"))
    codecs.register_error("kit-plain", _plain)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="kit-plain")


def _discard(stream: TextIO) -> None:
    """Discard what is still buffered, so that the interpreter does not fail when it flushes at exit."""
    handle = os.open(os.devnull, os.O_WRONLY)
    os.dup2(handle, stream.fileno())
    os.close(handle)


def _is_narrow() -> bool:
    """Whether the encoding of stdout lacks some characters."""
    return not (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace a character that the encoding lacks by a similar plain one, or by its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    there = error.object[error.start : error.end]
    return "".join(_PLAIN.get(each) or each.encode("ascii", "backslashreplace").decode() for each in there), error.end
