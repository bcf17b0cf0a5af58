"""Advice can be followed: every command and every option that a sentence names is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import kit
from kit.cli.main import commands

ROOT = Path(kit.__file__).parent.parent
SOURCES = [
    path
    for folder in ("kit", "serving", "templates", "bench")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "tests" not in path.parts
]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "templates").rglob("*.md"))]
OF_DOCKER = {
    *("--build-context", "--cap-drop", "--gpus", "--init", "--publish", "--read-only", "--rm", "--security-opt"),
    *("--shm-size", "--tag", "--tmpfs", "--user", "--volume"),
}
OF_OTHER_PROGRAMS = {"--no-deps", *OF_DOCKER}

# A command is named after a colon, a backquote, a prompt or `&&`, or it begins a line.
_NAMED = re.compile(r"(?:^[ \t]*|[`:$&] ?|\bby )kit ([a-z]+(?:[ ][^`;,'\"\n]*)?)", re.MULTILINE)
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")


def strings(file: Path) -> Iterator[str]:
    """Every string of a source file; what an f-string puts in is written as X."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def problem(words: list[str]) -> str:
    """Say which word of a command line the kit does not know; empty where it knows all."""
    command: click.Command = commands
    context = click.Context(command, info_name="kit")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        found = command.get_command(context, name)
        if found is None:
            return f"there is no command {context.command_path} {name}"
        command, context = found, click.Context(found, context, info_name=name)
    known = {name for option in command.params for name in option.opts} | {"--help"}
    unknown = [word for word in words if word.startswith("--") and word.strip(".:)") not in known]
    return f"{context.command_path} has no option {unknown[0]}" if unknown else ""


def named_commands(text: str) -> Iterator[list[str]]:
    for found in _NAMED.finditer(text):
        yield re.split(r"[.:)](?: |$)|  ", found.group(1))[0].split()


@pytest.mark.parametrize("file", [*SOURCES, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_is_named_is_there_with_its_options(file: Path) -> None:
    texts = strings(file) if file.suffix == ".py" else [file.read_text(encoding="utf-8")]
    found = [problem(words) for text in texts for words in named_commands(text)]
    assert [shown for shown in found if shown] == []


def every_option(command: click.Command) -> set[str]:
    own = {name for option in command.params for name in option.opts}
    if not isinstance(command, click.Group):
        return own
    context = click.Context(command)
    inner = (command.get_command(context, name) for name in command.list_commands(context))
    return own.union(*(every_option(each) for each in inner if each is not None))


def of_its_own(file: Path) -> set[str]:
    """The options that a script of a template defines for itself."""
    return set(re.findall(r'add_argument\(\s*"(--[\w-]+)"', file.read_text(encoding="utf-8")))


def test_every_option_that_a_sentence_names_is_there() -> None:
    known = every_option(commands) | {"--help"} | OF_OTHER_PROGRAMS
    named = {
        (str(file.relative_to(ROOT)), option)
        for file in SOURCES
        if file.parts[-2] != "cli" and ROOT / "bench" not in file.parents
        for text in strings(file)
        for option in _OPTION.findall(text)
    }
    assert named
    assert sorted(each for each in named if each[1] not in known | of_its_own(ROOT / each[0])) == []


def test_advice_that_cannot_be_followed_would_be_found() -> None:
    lines = ["Go on with: kit tune --resume", "See `kit train --faster` first.", "Next: cd x && kit data fetch"]
    shown = [problem(words) for line in lines for words in named_commands(line)]
    assert shown == [
        "there is no command kit tune",
        "kit train has no option --faster",
        "there is no command kit data fetch",
    ]
